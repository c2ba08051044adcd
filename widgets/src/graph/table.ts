/** Properties of nodes or edges as a table: only the lines on screen are there. */

import { Press } from "../core/press";
import { count } from "../core/words";
import { Choice, wordButton } from "../image/parts";
import { make, say } from "../run/dom";
import { type Column, textOf } from "./data";
import type { Explorer } from "./explorer";
import { selected } from "./state";
import { type Sorting, sorted } from "./sort";

const LINE = 22;
const SPARE = 8;

export class Table {
  readonly element = make("div", "ndi-stage ndg-table-stage");
  private readonly head = make("div", "ndg-table-head");
  private readonly body = make("div", "ndg-table-body");
  private readonly room = make("div", "ndg-table-room");
  private readonly scroll = make("div", "ndg-table-scroll");
  private readonly said = make("span", "ndi-of");
  private readonly which: Choice<"nodes" | "edges">;
  private of: "nodes" | "edges" = "nodes";
  private sorting: Sorting | null = null;
  private rows: Uint32Array = new Uint32Array(0);
  private told: readonly unknown[] = [];
  private picked: ReadonlySet<string> = new Set();
  private readonly press = new Press(this.body, () => this.draw());

  constructor(private readonly explorer: Explorer) {
    const one = (of: "nodes" | "edges") => [of, wordButton(of, `A line for each of the ${of}`, () => {
      [this.of, this.sorting] = [of, null];
      this.scroll.scrollTop = 0;
      this.refresh();
    })] as const;
    this.which = new Choice("Lines", [one("nodes"), one("edges")]);
    this.scroll.append(this.head, this.room);
    this.room.append(this.body);
    this.element.append(make("div", "ndg-table-bar", this.which.element, this.said), this.scroll);
    this.scroll.addEventListener("scroll", () => this.draw());
    this.scroll.tabIndex = 0;
    this.scroll.setAttribute("role", "table");
    this.scroll.setAttribute("aria-label", "Properties");
  }

  refresh(): void {
    if (this.element.hidden) return;
    const { explorer } = this;
    this.which.show(this.of);
    const told = [this.of, this.sorting, explorer.data, explorer.shown, explorer.ends, explorer.state.selection];
    if (told.every((one, i) => one === this.told[i])) return;
    const again = told.slice(0, -1).some((one, i) => one !== this.told[i]);
    this.told = told;
    this.picked = new Set(explorer.state.selection);
    if (again) this.sort();
    this.draw();
  }

  private get columns(): readonly Column[] {
    return this.explorer.data.columns.filter(({ of }) => of === this.of);
  }

  private sort(): void {
    const { explorer } = this;
    const { data } = explorer;
    const all = this.of === "nodes" ? rowsOf(explorer.shown) : (explorer.edgeRows ?? Uint32Array.from({ length: data.ends.length / 2 }, (_, i) => i));
    this.rows = sorted(all, this.sorting, (name) => (name === "" ? data.names : (this.columns.find((one) => one.name === name) ?? null)));
    say(this.said, `${count(this.rows.length)} of ${count(this.of === "nodes" ? data.names.length : explorer.total)}`);
    this.room.style.height = `${LINE * this.rows.length}px`;
    const names = this.of === "nodes" ? ["", ...this.columns.map(({ name }) => name)] : this.columns.map(({ name }) => name);
    const cells = names.map((name) => {
      const unit = this.columns.find((one) => one.name === name)?.unit ?? "";
      const mark = this.sorting?.by === name ? (this.sorting.down ? " ↓" : " ↑") : "";
      const cell = make("button", "ndg-th", `${name === "" ? "id" : name.replaceAll("_", " ")}${unit ? ` [${unit}]` : ""}${mark}`);
      cell.type = "button";
      cell.title = "Sort by this";
      cell.addEventListener("click", () => {
        this.sorting = { by: name, down: this.sorting?.by === name ? !this.sorting.down : true };
        this.refresh();
      });
      return cell;
    });
    const ends = this.of === "edges" ? [make("span", "ndg-th", "source"), make("span", "ndg-th", "target")] : [];
    this.head.replaceChildren(...ends, ...cells);
    this.scroll.style.setProperty("--ndg-columns", String(names.length + ends.length));
  }

  private draw(): void {
    if (this.press.holds()) return;
    const first = Math.max(0, Math.floor(this.scroll.scrollTop / LINE) - SPARE);
    const last = Math.min(this.rows.length, first + Math.ceil(this.scroll.clientHeight / LINE) + 2 * SPARE);
    const lines: HTMLElement[] = [];
    for (let i = first; i < last; i++) lines.push(this.line(this.rows[i] ?? 0));
    this.body.style.transform = `translateY(${first * LINE}px)`;
    this.body.replaceChildren(...lines);
  }

  private line(row: number): HTMLElement {
    const { data } = this.explorer;
    const cell = (text: string): HTMLElement => make("span", "ndg-td", text);
    const texts = this.columns.map((column) => cell(textOf(column, row) ?? ""));
    const names = this.of === "nodes" ? [data.names[row] ?? ""] : [data.names[data.ends[2 * row] ?? 0] ?? "", data.names[data.ends[2 * row + 1] ?? 0] ?? ""];
    const line = make("div", "ndg-tr", ...names.map(cell), ...texts);
    line.setAttribute("role", "row");
    if (names.every((name) => this.picked.has(name))) line.dataset["picked"] = "";
    line.addEventListener("click", (event) => {
      const { selection } = this.explorer.state;
      this.explorer.update({ selection: event.shiftKey ? selected(selection, names, true) : names });
    });
    return line;
  }
}

function rowsOf(shown: Uint8Array): Uint32Array {
  const found = new Uint32Array(shown.length);
  let n = 0;
  shown.forEach((there, row) => {
    if (there) found[n++] = row;
  });
  return found.slice(0, n);
}
