/** A graph, what is shown of it, and what follows from both; tells whoever listens what changed. */

import type { Model } from "../core/anywidget";
import { Joint, type Selection, endsOf } from "../core/bus";
import { Pointing } from "../core/pointing";
import { same } from "../core/same";
import { Settled } from "../core/settled";
import { type Bounds, type Camera, type Size, bounds, fit, turned } from "./camera";
import { type Data, bytesOf, columnOf, columnsOf, dataOf, textOf } from "./data";
import { Derived } from "./derived";
import { Glide } from "./glide";
import { joins, lit } from "./lit";
import { meanLength } from "./lod";
import { type EdgeLook, type Legend, colors, edgeLook, filtered, kept, sizes } from "./look";
import { memo } from "../core/memo";
import type { GraphState, Pair } from "./state";

export interface Offers {
  readonly layouts: readonly string[];
  readonly colors: readonly string[];
  readonly sizes: readonly string[];
  readonly labels: readonly string[];
  readonly nodes: readonly string[];
  readonly edges: readonly string[];
  readonly edge_colors: readonly string[];
  readonly groups: readonly string[];
  readonly statistics: readonly string[];
}

/** What else the kernel tells. */
const TOLD = ["status", "numbers", "scree", "tree", "refused", "density", "catalog", "title"] as const;
/** Of edges that are wide and have no colour of their own: it stands out on both black and white. */
const GREY = [128, 134, 142] as const;

export class Explorer {
  data: Data;
  state: GraphState;
  hovered: number | null = null;
  size: Size = { width: 1, height: 1 };
  readonly derived = new Derived(this);
  private readonly glide = new Glide((places) => {
    this.places = places;
    this.tell();
  });
  private places: Float32Array;
  private readonly sync: Settled<GraphState>;
  private readonly joint: Joint;
  private readonly pointing: Pointing;
  /** Edges that another view has selected. */
  private pointed: readonly string[] = [];
  /** What lies under the pointer of another view. */
  private elsewhere: Readonly<Record<"neurons" | "edges", readonly string[]>> = { neurons: [], edges: [] };
  private readonly watchers = new Set<() => void>();
  private readonly listeners = new Set<() => void>();
  private readonly flatOf = memo((places: Float32Array, yaw: number, pitch: number) => turned(places, [yaw, pitch]));
  private readonly boundsOf = memo((flat: Float32Array, shown: Uint8Array) => bounds(flat, shown));
  private readonly filteredOf = memo((data: Data, filters: GraphState["filters"]) => filtered(data, filters));
  private readonly colorsOf = memo((data: Data, name: string) => colors(columnOf(data.columns, "nodes", name), data.names.length));
  private readonly sizesOf = memo((data: Data, name: string, grow: number) => sizes(columnOf(data.columns, "nodes", name), data.names.length, grow));
  private readonly pickedOf = memo((data: Data, selection: GraphState["selection"]) => {
    const found = new Uint8Array(data.names.length);
    for (const name of selection) found[data.rows.get(name) ?? -1] = 1;
    return found;
  });
  private readonly rolesOf = memo((shown: Uint8Array, picked: Uint8Array, hovered: number | null, lights: Uint32Array) => {
    const roles = shown.map((there, row) => (there === 0 ? 0 : row === hovered ? 3 : picked[row] ? 2 : 1));
    // At the ends of edges that another view has selected.
    for (const row of lights) if (roles[row] === 1) roles[row] = 4;
    return roles;
  });
  private readonly chosenOf = memo((ends: Uint32Array, picked: Uint8Array, any: boolean) =>
    any ? kept(ends, (_, a, b) => !!picked[a] || !!picked[b]) : new Uint32Array(0));
  private readonly litOf = memo((ends: Uint32Array, edges: readonly string[], data: Data) => lit(ends, edges, data.rows, this.directed));
  private readonly edgeLookOf = memo((data: Data, color: string, width: string, rows: Uint32Array | null) =>
    edgeLook(data, color, width, rows, GREY));
  private readonly lengthOf = memo((flat: Float32Array, ends: Uint32Array) => meanLength(flat, ends));
  private readonly deepOf = memo((places: Float32Array) => {
    for (let i = 2; i < places.length; i += 3) if (places[i] !== places[2]) return true;
    return false;
  });
  private readonly labelsOf = memo((data: Data, name: string) => {
    const column = columnOf(data.columns, "nodes", name);
    return column === null ? null : data.names.map((_, row) => textOf(column, row) ?? "");
  });

  constructor(readonly model: Model) {
    this.data = dataOf(model);
    this.places = new Float32Array(bytesOf(model.get("positions")));
    this.sync = new Settled<GraphState>(model, "state", (state) => this.take(state));
    this.state = this.sync.first();
    this.joint = new Joint(model, "graph", (selection) => this.follow(selection));
    this.pointing = new Pointing(this.joint);
    this.pointed = this.joint.current("edges")?.ids ?? [];
    model.on("change:positions", this.onPositions);
    model.on("change:columns", this.onColumns);
    for (const name of ["names", "ends"]) model.on(`change:${name}`, this.onGraph);
    for (const name of TOLD) model.on(`change:${name}`, this.tell);
  }

  close(): void {
    this.pointing.close();
    this.joint.close();
    this.sync.close();
    this.model.off("change:positions", this.onPositions);
    this.model.off("change:columns", this.onColumns);
    for (const name of ["names", "ends"]) this.model.off(`change:${name}`, this.onGraph);
    for (const name of TOLD) this.model.off(`change:${name}`, this.tell);
    this.glide.stop();
    this.listeners.clear();
    this.watchers.clear();
  }

  on(listener: () => void): void {
    this.listeners.add(listener);
  }

  /** Be told when another view points at something else: nothing of the picture itself changes by that. */
  onPointed(listener: () => void): void {
    this.watchers.add(listener);
  }

  readonly tell = (): void => this.listeners.forEach((listener) => listener());

  /** Show something else, and let Python and linked views know. */
  update(change: Partial<GraphState>): void {
    const { selection } = this.state;
    this.show(change);
    if (same(selection, this.state.selection)) return;
    this.pointed = [];
    this.joint.say("select", "neurons", this.state.selection);
  }

  /** Ask linked views to bring a node into sight. */
  fly(row: number): void {
    this.joint.say("fly", "neurons", [this.data.names[row] ?? ""]);
  }

  private show(change: Partial<GraphState>): void {
    const next = { ...this.state, ...change };
    if (same(next, this.state)) return;
    this.state = next;
    this.sync.write(next);
    this.tell();
  }

  /** Show what was kept; the kernel says what of it this graph does not have. */
  restore(kept: Readonly<Record<string, unknown>>): void {
    this.ask({ do: "restore", state: kept });
  }

  /** Ask the kernel for something, after what it has not been told yet. */
  ask(message: Readonly<Record<string, unknown>>, buffers: readonly ArrayBuffer[] = []): void {
    this.sync.flush();
    this.model.send(message, undefined, buffers);
  }

  hover(row: number | null): void {
    if (row === this.hovered) return;
    this.hovered = row;
    this.pointing.at("neurons", row === null ? [] : [this.data.names[row] ?? ""]);
    this.tell();
  }

  // --- what follows ------------------------------------------------------------------------------------------------

  get offers(): Offers {
    return this.model.get("offers") as Offers;
  }

  get status(): { readonly busy: readonly string[]; readonly trouble: string } {
    return this.model.get("status") as { busy: string[]; trouble: string };
  }

  get directed(): boolean {
    return this.model.get("directed") === true;
  }

  get placed(): boolean {
    return this.places.length > 0 || this.data.names.length === 0;
  }

  get flat(): Float32Array {
    return this.flatOf(this.places, ...this.state.turn);
  }

  get shown(): Uint8Array {
    return this.filteredOf(this.data, this.state.filters).shown;
  }

  get ends(): Uint32Array {
    return this.filteredOf(this.data, this.state.filters).ends;
  }

  /** Which edges are there; null where it is all of them. */
  get edgeRows(): Uint32Array | null {
    return this.filteredOf(this.data, this.state.filters).rows;
  }

  /** How many edges the graph has; the page may have fewer. */
  get total(): number {
    return Number(this.model.get("total")) || this.data.ends.length / 2;
  }

  /** Whether the page has only some of the edges. */
  get sampled(): boolean {
    return this.total > this.data.ends.length / 2;
  }

  /** The share of the edges that the page has. */
  get edgeShare(): number {
    return this.sampled ? this.data.ends.length / 2 / this.total : 1;
  }

  /** How edges look that have colours or widths; null where all look the same. */
  get edgeLook(): EdgeLook | null {
    return this.edgeLookOf(this.data, this.state.edge_color, this.state.edge_width, this.edgeRows);
  }

  /** Whether positions have a depth. */
  get deep(): boolean {
    return this.deepOf(this.places);
  }

  get box(): Bounds | null {
    return this.boundsOf(this.flat, this.shown);
  }

  get camera(): Camera {
    const { centre, scale } = this.state;
    return scale === null ? fit(this.box, this.size) : { centre, scale };
  }

  get colors(): Uint8Array {
    return this.colorsOf(this.data, this.state.color).bytes;
  }

  get legend(): Legend {
    return this.colorsOf(this.data, this.state.color).legend;
  }

  get sizes(): Float32Array {
    return this.sizesOf(this.data, this.state.size, this.state.grow);
  }

  get roles(): Uint8Array {
    return this.rolesOf(this.shown, this.pickedOf(this.data, this.state.selection), this.hovered, this.lights);
  }

  get chosen(): Uint32Array {
    if (this.pointed.length > 0) return this.lights;
    return this.chosenOf(this.ends, this.pickedOf(this.data, this.state.selection), this.state.selection.length > 0);
  }

  /** Edges that another view has selected, of those that are shown. */
  get lights(): Uint32Array {
    return this.litOf(this.ends, this.pointed, this.data);
  }

  /** The node that another view points at, if it is shown. */
  get pointedNode(): number | null {
    const row = this.data.rows.get(this.elsewhere.neurons[0] ?? "");
    return row === undefined || !this.shown[row] ? null : row;
  }

  /** Both ends of each edge that another view points at, if it is shown; of a sample nobody knows which edges are. */
  get pointedEdges(): readonly Pair[] {
    return this.elsewhere.edges.flatMap((edge) => {
      const [a, b] = endsOf(edge).map((end) => this.data.rows.get(end));
      if (a === undefined || b === undefined || !this.shown[a] || !this.shown[b]) return [];
      return this.sampled || joins(this.ends, a, b, this.directed) ? [[a, b] as const] : [];
    });
  }

  /** Whether some of it is selected, here or elsewhere, and the rest is to be paler. */
  get some(): boolean {
    return this.state.selection.length > 0 || this.pointed.length > 0;
  }

  get meanLength(): number {
    return this.lengthOf(this.flat, this.ends);
  }

  get labels(): readonly string[] | null {
    return this.labelsOf(this.data, this.state.label);
  }

  /** What a node is called. */
  nameOf(row: number): string {
    return this.labels?.[row] || (this.data.names[row] ?? "");
  }

  /** Another view selected something. */
  private follow({ kind, noun, ids }: Selection): void {
    if (kind === "hover") return this.watch(noun, ids);
    if (kind !== "select") return;
    if (noun === "neurons") this.show({ selection: ids.filter((id) => this.data.rows.has(id)) });
    if (noun !== "edges" || same(ids, this.pointed)) return;
    this.pointed = ids;
    this.tell();
  }

  private watch(noun: string, ids: readonly string[]): void {
    if (noun !== "neurons" && noun !== "edges") return;
    // While the pointer is here, what others say follows from what lies under it.
    const next = this.pointing.there ? [] : ids;
    if (same(next, this.elsewhere[noun])) return;
    this.elsewhere = { ...this.elsewhere, [noun]: next };
    this.watchers.forEach((watcher) => watcher());
  }

  // --- what comes from the kernel ----------------------------------------------------------------------------------

  private take(state: GraphState): void {
    if (same(state, this.state)) return;
    this.state = state;
    this.tell();
  }

  private readonly onPositions = (): void => {
    const places = new Float32Array(bytesOf(this.model.get("positions")));
    this.glide.go(this.places, places);
  };

  /** Another graph stands in the place of this one. */
  private readonly onGraph = (): void => {
    this.glide.stop();
    this.data = dataOf(this.model);
    this.places = new Float32Array(bytesOf(this.model.get("positions")));
    this.hovered = null;
    this.state = this.sync.first();
    this.tell();
  };

  private readonly onColumns = (): void => {
    this.data = { ...this.data, columns: columnsOf(this.model.get("columns")) };
    this.tell();
  };
}
