/** A table, what is shown of it, and what follows from both; tells whoever listens what changed. */

import type { Model } from "../core/anywidget";
import { Joint, type Selection } from "../core/bus";
import { Pointing } from "../core/pointing";
import { same } from "../core/same";
import { Settled } from "../core/settled";
import { type Column, type Facts, Ids, columnOf, valuesOf } from "./data";
import { passing } from "./filter";
import { type Look, lookOf } from "./look";
import { keysOf, ordered, rowsOf } from "./order";
import { countOf, packed, sameBytes, unpacked } from "./picked";
import type { Options, Tab, TableState } from "./state";

const DEBOUNCE_MS = 100;

export type Change = "state" | "selection" | "hover" | "data" | "plot";

interface Memo {
  readonly of: readonly unknown[];
  readonly value: unknown;
}

export class Explorer {
  state: TableState;
  mask: Uint8Array;
  /** Rows that another view points at. */
  pointed: readonly number[] = [];
  private over: number | null = null;
  /** The row that was asked to be brought into sight, and how often one was. */
  aim: { readonly row: number; readonly number: number } = { row: -1, number: 0 };
  readonly count: number;
  readonly ids: Ids;
  private readonly columns = new Map<string, { readonly column: Column; readonly made: number }>();
  private readonly wanted = new Map<string, number>();
  private readonly kept = new Map<string, Memo>();
  private readonly listeners = new Set<(change: Change) => void>();
  private readonly settled: Settled<TableState>;
  private readonly joint: Joint;
  private readonly pointing: Pointing;
  private clock: ReturnType<typeof setTimeout> | null = null;

  constructor(readonly model: Model) {
    this.count = Number((model.get("offers") as { count: number }).count);
    const kind = String(model.get("ids_kind"));
    const bytes = model.get("ids_bytes");
    this.ids = new Ids(this.count, kind === "rows" ? null : kind === "text" ? (JSON.parse(text(bytes)) as string[]) : (valuesOf(kind, bytes) as BigInt64Array));
    for (const told of model.get("columns") as (Parameters<typeof columnOf>[0] & { values: unknown })[]) {
      this.columns.set(told.name, { column: columnOf(told, told.values), made: 0 });
    }
    this.mask = unpacked(model.get("picked"), this.count);
    this.settled = new Settled<TableState>(model, "state", (state) => this.take(state));
    this.state = this.settled.first();
    model.on("change:picked", this.onPicked);
    model.on("change:facts", this.onFacts);
    model.on("change:plot", this.onPlot);
    model.on("change:status", this.onPlot);
    model.on("msg:custom", this.onMessage as never);
    this.joint = new Joint(model, "table", (selection) => this.hear(selection));
    this.pointing = new Pointing(this.joint);
    const before = this.joint.current("rows") ?? this.joint.current(this.noun);
    if (before !== undefined) this.hear(before);
  }

  close(): void {
    this.settled.close();
    this.flush();
    this.pointing.close();
    this.joint.close();
    this.model.off("change:picked", this.onPicked);
    this.model.off("change:facts", this.onFacts);
    this.model.off("change:plot", this.onPlot);
    this.model.off("change:status", this.onPlot);
    this.model.off("msg:custom", this.onMessage as never);
    this.listeners.clear();
  }

  on(listener: (change: Change) => void): void {
    this.listeners.add(listener);
  }

  private tell(change: Change): void {
    this.listeners.forEach((listener) => listener(change));
  }

  // --- what was asked ------------------------------------------------------------------------------------------------

  update(change: Partial<TableState>): void {
    const next = { ...this.state, ...change } as TableState;
    if (same(next, this.state)) return;
    this.state = next;
    this.settled.write(next);
    this.tell("state");
  }

  /** Change what a tab was asked for. */
  ask(tab: string, change: Options): void {
    this.update({ [tab]: { ...(this.state[tab] as Options), ...change } });
  }

  select(mask: Uint8Array): void {
    if (sameBytes(mask, this.mask)) return;
    this.mask = mask;
    this.publish();
    this.clock ??= setTimeout(() => this.flush(), DEBOUNCE_MS);
    this.tell("selection");
  }

  hover(row: number | null): void {
    if (row === this.over) return;
    this.over = row;
    if (this.joint.linked) this.pointing.at(this.noun, row === null || this.linkIds === null ? [] : [this.linkIds.text(row)]);
    this.tell("hover");
  }

  /** The row under the pointer, here or in another view, of which something is said. */
  get hovered(): number | null {
    return this.over ?? (this.pointed.length === 1 ? (this.pointed[0] ?? null) : null);
  }

  /** Have a row shown in all linked views. */
  fly(row: number): void {
    const { linkIds } = this;
    if (this.joint.linked && linkIds !== null) this.joint.say("fly", this.noun, [linkIds.text(row)]);
    this.bring(row);
  }

  bring(row: number): void {
    this.aim = { row, number: this.aim.number + 1 };
    this.tell("hover");
  }

  // --- the page's other views ------------------------------------------------------------------------------------------

  private get noun(): string {
    return String(this.model.get("noun") || "rows");
  }

  /** What rows are called on the bus; null where that column is not there yet. */
  private get linkIds(): Ids | null {
    const name = String(this.model.get("ids") ?? "");
    if (name === "") return this.ids;
    const column = this.column(name);
    return column === null ? null : this.memo("ids", [column], () => new Ids(this.count, column));
  }

  private publish(): void {
    const { linkIds } = this;
    if (!this.joint.linked || linkIds === null) return;
    const found = new Set<string>();
    for (const row of rowsOf(this.mask)) found.add(linkIds.text(row));
    this.joint.say("select", this.noun, [...found]);
  }

  private hear(selection: Selection): void {
    const { linkIds } = this;
    // An id of an edge, or of a thing of another kind, may be that of a row by chance, and names none.
    if (linkIds === null || (selection.noun !== "rows" && selection.noun !== this.noun)) return;
    const rows = selection.ids.flatMap((id) => linkIds.rows(id));
    if (selection.kind === "select") {
      const mask = new Uint8Array(this.count);
      for (const row of rows) mask[row] = 1;
      if (sameBytes(mask, this.mask)) return;
      this.mask = mask;
      this.clock ??= setTimeout(() => this.flush(), DEBOUNCE_MS);
      this.tell("selection");
    } else if (selection.kind === "hover") {
      // While the pointer is here, what others say follows from what lies under it.
      const pointed = this.pointing.there ? [] : rows;
      if (same(pointed, this.pointed)) return;
      this.pointed = pointed;
      this.tell("hover");
    } else if (selection.kind === "fly" && rows[0] !== undefined) this.bring(rows[0]);
  }

  // --- what follows ------------------------------------------------------------------------------------------------

  get facts(): readonly Facts[] {
    return this.model.get("facts") as Facts[];
  }

  get tabs(): readonly Tab[] {
    return (this.model.get("offers") as { tabs: Tab[] }).tabs;
  }

  /** Why some tabs are missing, where no kernel is there to draw them; else empty. */
  get why(): string {
    return (this.model.get("offers") as { why?: string }).why ?? "";
  }

  get idName(): string {
    return String((this.model.get("offers") as { id: string }).id) || "row";
  }

  get status(): { readonly busy: readonly string[]; readonly trouble: string } {
    return this.model.get("status") as { busy: string[]; trouble: string };
  }

  factsOf(name: string): Facts | null {
    return this.facts.find((one) => one.name === name) ?? null;
  }

  /** A column; null as long as it is on its way. */
  column(name: string): Column | null {
    const facts = this.factsOf(name);
    if (facts === null) return null;
    const made = facts.derived ?? 0;
    const there = this.columns.get(name);
    if (there?.made === made) return there.column;
    if (this.wanted.get(name) !== made) {
      this.wanted.set(name, made);
      this.model.send({ t: "column", name });
    }
    return there?.column ?? null;
  }

  get passing(): Uint8Array {
    const { filters } = this.state;
    const needed = filters.map(({ by }) => (by === "" ? null : this.column(by)));
    return this.memo("passing", [filters, ...needed], () => passing(this.count, filters, this.ids, (name) => this.column(name)) ?? new Uint8Array(this.count).fill(1));
  }

  /** The rows of the table that pass, from top to bottom. */
  get rows(): Uint32Array {
    const { sort } = this.state;
    const mask = this.passing;
    const column = sort === null || sort.by === "" ? null : this.column(sort.by);
    const rows = this.memo("there", [mask], () => rowsOf(mask));
    return this.memo("rows", [rows, sort, column], () => {
      if (sort === null) return rows;
      if (sort.by === "") return sort.down ? rows.slice().reverse() : rows;
      return column === null ? rows : ordered(rows, keysOf(column, this.count), sort.down);
    });
  }

  get look(): Look {
    const name = this.state.classes;
    const column = name === "" ? null : this.column(name);
    return this.memo("look", [name, column], () => lookOf(column, this.factsOf(name), this.count));
  }

  get selectedCount(): number {
    return this.memo("count", [this.mask], () => countOf(this.mask));
  }

  /** Keep what was made as long as what it was made of is the same. */
  memo<T>(name: string, of: readonly unknown[], make: () => T): T {
    const last = this.kept.get(name);
    if (last !== undefined && last.of.length === of.length && of.every((one, i) => one === last.of[i])) return last.value as T;
    const value = make();
    this.kept.set(name, { of, value });
    return value;
  }

  // --- what comes from the kernel ------------------------------------------------------------------------------------

  private flush(): void {
    if (this.clock === null) return;
    clearTimeout(this.clock);
    this.clock = null;
    const bits = packed(this.mask);
    this.model.set("picked", new DataView(bits.buffer));
    this.model.save_changes();
  }

  private take(state: TableState): void {
    if (same(state, this.state)) return;
    this.state = state;
    this.tell("state");
  }

  private readonly onPicked = (): void => {
    const mask = unpacked(this.model.get("picked"), this.count);
    // What was chosen since is newer than the echo of what was sent.
    if (this.clock !== null || sameBytes(mask, this.mask)) return;
    this.mask = mask;
    this.publish();
    this.tell("selection");
  };

  private readonly onFacts = (): void => this.tell("data");
  private readonly onPlot = (): void => this.tell("plot");

  private readonly onMessage = (message: { t: string; name: string; dtype: string; classes?: string[] }, buffers: readonly DataView[]): void => {
    if (message.t !== "column") return;
    const made = this.factsOf(message.name)?.derived ?? 0;
    this.columns.set(message.name, { column: columnOf(message, buffers[0]), made });
    this.tell("data");
  };
}

function text(view: unknown): string {
  return ArrayBuffer.isView(view) ? new TextDecoder().decode(view as Uint8Array) : "";
}
