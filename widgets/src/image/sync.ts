/** The model's traits and messages: the state goes out a tenth of a second after it settled, and comes in at once. */

import type { Model } from "../core/anywidget";
import type { Endpoint } from "../core/net";
import type { Facts } from "./explorer";
import type { ShapesData } from "./shapes";
import { type Infos, type Vec3, type ViewState, complete, same } from "./state";

const DEBOUNCE_MS = 100;
/** While someone moves, what was sent so lately and is heard again is an echo, and no wish of the kernel. */
const ECHO_MS = 1000;

export interface Told {
  state(change: (state: ViewState) => ViewState): void;
  infos(infos: Infos): void;
  shapes(shapes: Readonly<Record<string, ShapesData>>): void;
  /** The kernel is elsewhere, or another one. */
  endpoint(): void;
  /** A volume was written to. */
  changed(layer: string, version: number | string): void;
  facts(facts: Facts): void;
  shoot(n: number): void;
}

interface Message {
  readonly t: string;
  readonly n?: number;
  readonly layer?: string;
  readonly version?: number | string;
  readonly id?: string;
  readonly values?: Readonly<Record<string, unknown>>;
}

export class Sync {
  private clock: ReturnType<typeof setTimeout> | null = null;
  private pending: ViewState | null = null;
  private pixels: readonly [number, number] = [0, 0];
  private transport: string | null = null;
  private dirty = false;
  private sent: { readonly state: ViewState; readonly at: number }[] = [];

  constructor(
    private readonly model: Model,
    private readonly told: Told,
  ) {
    model.on("change:state", this.onState);
    model.on("change:position", this.onPosition);
    model.on("change:selection", this.onSelection);
    model.on("change:infos", this.onInfos);
    model.on("change:shapes", this.onShapes);
    model.on("change:endpoint", this.onEndpoint);
    model.on("msg:custom", this.onMessage);
  }

  /** The state that the model holds now. */
  first(): ViewState {
    return complete((this.model.get("state") ?? {}) as Partial<ViewState>);
  }

  infos(): Infos {
    return (this.model.get("infos") ?? {}) as Infos;
  }

  shapes(): Readonly<Record<string, ShapesData>> {
    return (this.model.get("shapes") ?? {}) as Readonly<Record<string, ShapesData>>;
  }

  endpoint(): Endpoint | null {
    const found = this.model.get("endpoint") as Endpoint | null | undefined;
    return found?.path ? found : null;
  }

  /** Tell the kernel soon. */
  write(state: ViewState): void {
    this.pending = state;
    this.clock ??= setTimeout(() => this.flush(), DEBOUNCE_MS);
  }

  /** Tell the kernel soon how large the picture is, in CSS pixels. */
  size(width: number, height: number): void {
    this.pixels = [width, height];
    this.clock ??= setTimeout(() => this.flush(), DEBOUNCE_MS);
  }

  /** Tell the kernel soon how tiles come. */
  carrier(transport: string | null): void {
    this.transport = transport;
    this.clock ??= setTimeout(() => this.flush(), DEBOUNCE_MS);
  }

  /** Tell the kernel now what it was not told yet. */
  flush(): void {
    if (this.clock !== null) clearTimeout(this.clock);
    this.clock = null;
    const state = this.pending;
    this.pending = null;
    this.flushStatus();
    if (state !== null && !same(state, this.model.get("state"))) this.flushState(state);
    if (this.dirty) this.model.save_changes();
    this.dirty = false;
  }

  private flushStatus(): void {
    const before = (this.model.get("status") ?? {}) as Record<string, unknown>;
    // A view that is hidden for a while has not become small.
    const sized = Math.min(...this.pixels) < 1 ? {} : { size: this.pixels };
    const carried = this.transport === null ? {} : { transport: this.transport };
    const status = { ...before, ...sized, ...carried };
    if (same(status, before)) return;
    this.model.set("status", status);
    this.dirty = true;
  }

  private flushState(state: ViewState): void {
    const now = performance.now();
    this.sent = [...this.sent.filter(({ at }) => now - at < ECHO_MS), { state, at: now }];
    this.model.set("state", state);
    if (!same(state.position, this.model.get("position"))) this.model.set("position", state.position);
    if (!same(state.selection, this.model.get("selection"))) this.model.set("selection", state.selection);
    this.dirty = true;
  }

  close(): void {
    this.flush();
    this.model.off("change:state", this.onState);
    this.model.off("change:position", this.onPosition);
    this.model.off("change:selection", this.onSelection);
    this.model.off("change:infos", this.onInfos);
    this.model.off("change:shapes", this.onShapes);
    this.model.off("change:endpoint", this.onEndpoint);
    this.model.off("msg:custom", this.onMessage);
  }

  private readonly onState = (): void => {
    const state = complete((this.model.get("state") ?? {}) as Partial<ViewState>);
    if (this.isEcho((own) => same(own, state))) return;
    // Older than what the kernel says now.
    this.pending = null;
    this.told.state((before) => (same(before, state) ? before : state));
  };

  private readonly onPosition = (): void => {
    const position = this.model.get("position") as Vec3 | null;
    if (!Array.isArray(position) || position.length !== 3 || this.isEcho((own) => same(own.position, position))) return;
    this.told.state((before) => (same(before.position, position) ? before : { ...before, position: position as Vec3 }));
  };

  private readonly onSelection = (): void => {
    const selection = this.model.get("selection") as ViewState["selection"] | null;
    if (selection === null || selection === undefined || this.isEcho((own) => same(own.selection, selection))) return;
    this.told.state((before) => (same(before.selection, selection) ? before : { ...before, selection }));
  };

  private readonly onInfos = (): void => this.told.infos(this.infos());
  private readonly onShapes = (): void => this.told.shapes(this.shapes());
  private readonly onEndpoint = (): void => this.told.endpoint();

  private readonly onMessage = (message: Message): void => {
    const { t, layer, version, id, values, n } = message;
    if (t === "shoot" && n !== undefined) this.told.shoot(n);
    if (t === "changed" && layer !== undefined && version !== undefined) this.told.changed(layer, version);
    if (t === "facts" && layer !== undefined && id !== undefined) this.told.facts({ layer, id, values: values ?? {} });
  };

  private isEcho(matches: (own: ViewState) => boolean): boolean {
    const now = performance.now();
    return this.pending !== null && this.sent.some(({ state, at }) => now - at < ECHO_MS && matches(state));
  }
}
