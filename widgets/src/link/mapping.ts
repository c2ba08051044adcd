/** Which synapses join which neurons, and where: what follows in one view from what is selected in another. No DOM here. */

import { edgeId } from "../core/bus";
import { bytesOf } from "../graph/data";

export type Noun = "synapses" | "neurons";

/** What is selected: of one noun, the others follow. */
export interface Chosen {
  readonly noun: Noun;
  readonly ids: readonly string[];
}

export type Vec3 = readonly [number, number, number];

/** What the kernel sends once. */
export interface Told {
  /** uint64 each, or JSON text. */
  readonly synapses: unknown;
  readonly neurons: unknown;
  /** uint32 each: the neuron, by its place among them; NONE where there is none. */
  readonly pre: unknown;
  readonly post: unknown;
  /** float32 z, y, x in nm; none at all where nobody knows. */
  readonly at: unknown;
  /** What a row of the table is. */
  readonly rows: Noun;
  /** Where rows are neurons, so many: the first of them. */
  readonly count: number;
  readonly whole: { readonly synapses: boolean; readonly neurons: boolean };
}

const NONE = 0xffffffff;
const NOTHING: readonly string[] = [];

export class Mapping {
  readonly rows: Noun;
  readonly synapses: readonly string[];
  readonly neurons: readonly string[];
  private readonly synapseOf: ReadonlyMap<string, number>;
  private readonly neuronOf: ReadonlyMap<string, number>;
  private readonly count: number;
  private readonly pre: Uint32Array;
  private readonly post: Uint32Array;
  private readonly at: Float32Array;
  /** Of each synapse its edge, and what the edges are called. */
  private readonly edgeOf: Uint32Array;
  private readonly edges: readonly string[];
  /** The synapses of neuron i are touching[from[i]] up to touching[from[i + 1]]. */
  private readonly from: Uint32Array;
  private readonly touching: Uint32Array;

  constructor(told: Told) {
    [this.rows, this.count] = [told.rows, told.count];
    this.synapses = namesOf(told.synapses, told.whole.synapses);
    this.neurons = namesOf(told.neurons, told.whole.neurons);
    this.synapseOf = new Map(this.synapses.map((id, row) => [id, row]));
    this.neuronOf = new Map(this.neurons.map((id, row) => [id, row]));
    [this.pre, this.post] = [new Uint32Array(bytesOf(told.pre)), new Uint32Array(bytesOf(told.post))];
    this.at = new Float32Array(bytesOf(told.at));
    [this.edgeOf, this.edges] = this.joined();
    [this.from, this.touching] = this.touched();
  }

  /** What somebody selected, in a noun of either of the two kinds; null for one that nothing is known of. */
  chosen(noun: string, ids: readonly string[]): Chosen | null {
    if (noun === "rows") return this.chosen(this.rows, ids);
    if (noun === "synapses") return { noun, ids: ids.filter((id) => this.synapseOf.has(id)) };
    if (noun === "neurons") return { noun, ids: ids.filter((id) => this.neuronOf.has(id)) };
    if (noun !== "edges") return null;
    const wanted = new Set(ids);
    return { noun: "synapses", ids: this.synapses.filter((_, row) => wanted.has(this.edges[this.edgeOf[row] ?? NONE] ?? "")) };
  }

  /** What each view is to show of it, by what that view speaks of. */
  follows({ noun, ids }: Chosen): Readonly<Record<"rows" | "synapses" | "neurons" | "edges", readonly string[]>> {
    const synapses = noun === "synapses" ? ids : this.of(ids);
    const neurons = noun === "neurons" ? ids : NOTHING;
    const edges = noun === "synapses" ? this.edgesOf(ids) : NOTHING;
    const rows = this.rows === "synapses" ? synapses : neurons.filter((id) => (this.neuronOf.get(id) ?? NONE) < this.count);
    return { rows, synapses, neurons, edges };
  }

  /** How many neurons the synapses join. */
  ends(ids: readonly string[]): number {
    const found = new Uint8Array(this.neurons.length);
    for (const id of ids) {
      const row = this.synapseOf.get(id) ?? NONE;
      for (const end of [this.pre[row], this.post[row]]) if (end !== undefined && end !== NONE) found[end] = 1;
    }
    return found.reduce((sum, one) => sum + one, 0);
  }

  /** Where to fly for one: to the synapse, or to the one of the neuron's that lies nearest to the middle of them. */
  place({ noun, ids }: Chosen): Vec3 | null {
    const [first] = ids;
    if (first === undefined || this.at.length === 0) return null;
    const rows = (noun === "synapses" ? [first] : this.of([first])).map((id) => this.synapseOf.get(id) ?? 0);
    const places = rows.map((row) => [0, 1, 2].map((axis) => this.at[3 * row + axis] ?? NaN)).filter((at) => at.every(Number.isFinite));
    const middle = [0, 1, 2].map((axis) => places.reduce((sum, at) => sum + (at[axis] ?? 0), 0) / places.length);
    const far = (at: readonly number[]): number => Math.hypot(...at.map((value, axis) => value - (middle[axis] ?? 0)));
    return (places.sort((a, b) => far(a) - far(b))[0] as Vec3 | undefined) ?? null;
  }

  /** The synapses of neurons, each once, in their order. */
  private of(ids: readonly string[]): readonly string[] {
    const found = new Uint8Array(this.synapses.length);
    for (const id of ids) {
      const neuron = this.neuronOf.get(id);
      if (neuron === undefined) continue;
      for (let k = this.from[neuron] ?? 0; k < (this.from[neuron + 1] ?? 0); k++) found[this.touching[k] ?? 0] = 1;
    }
    return this.synapses.filter((_, row) => found[row]);
  }

  private edgesOf(ids: readonly string[]): readonly string[] {
    const found = new Uint8Array(this.edges.length);
    for (const id of ids) {
      const edge = this.edgeOf[this.synapseOf.get(id) ?? NONE];
      if (edge !== undefined && edge !== NONE) found[edge] = 1;
    }
    return this.edges.filter((_, edge) => found[edge]);
  }

  private joined(): readonly [Uint32Array, readonly string[]] {
    const known = new Map<number, number>();
    const [edgeOf, edges] = [new Uint32Array(this.synapses.length).fill(NONE), [] as string[]];
    this.pre.forEach((pre, row) => {
      const post = this.post[row] ?? NONE;
      if (pre === NONE || post === NONE) return;
      const pair = pre * this.neurons.length + post;
      let edge = known.get(pair);
      if (edge === undefined) {
        edge = edges.push(edgeId(this.neurons[pre] ?? "", this.neurons[post] ?? "")) - 1;
        known.set(pair, edge);
      }
      edgeOf[row] = edge;
    });
    return [edgeOf, edges];
  }

  private touched(): readonly [Uint32Array, Uint32Array] {
    const from = new Uint32Array(this.neurons.length + 1);
    const ends = [this.pre, this.post];
    for (const side of ends) for (const end of side) if (end !== NONE) from[end + 1] = (from[end + 1] ?? 0) + 1;
    for (let i = 0; i < this.neurons.length; i++) from[i + 1] = (from[i + 1] ?? 0) + (from[i] ?? 0);
    const [next, touching] = [from.slice(), new Uint32Array(from.at(-1) ?? 0)];
    for (const side of ends) {
      side.forEach((end, row) => {
        if (end === NONE) return;
        const place = next[end] ?? 0;
        touching[place] = row;
        next[end] = place + 1;
      });
    }
    return [from, touching];
  }
}

function namesOf(given: unknown, whole: boolean): readonly string[] {
  const bytes = bytesOf(given);
  if (whole) return Array.from(new BigUint64Array(bytes), String);
  return JSON.parse(new TextDecoder().decode(bytes) || "[]") as string[];
}
