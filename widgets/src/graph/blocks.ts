/** Groups of nodes: how they connect, how far apart two ways to group are, and in which order rows stand. No DOM here. */

import { type Column, NONE } from "./data";
import { byWords } from "./sort";

export interface Groups {
  /** The largest first. */
  readonly names: readonly string[];
  /** Of each node; `NONE` where it is in none. */
  readonly codes: Uint32Array;
  readonly sizes: readonly number[];
}

/** The groups that a property makes: one for each value. */
export function groupsOf(column: Column | null, count: number): Groups | null {
  if (column === null) return null;
  const codes = new Uint32Array(count).fill(NONE);
  const found = new Map<number, number>();
  for (let i = 0; i < count; i++) {
    const value = column.values[i] ?? NONE;
    if (!Number.isFinite(value) || (column.kind === "category" && value === NONE)) continue;
    found.set(value, (found.get(value) ?? 0) + 1);
  }
  const text = (value: number): string => (column.kind === "category" ? (column.categories[value] ?? "") : String(value));
  const values = [...found.keys()].sort((a, b) => (found.get(b) ?? 0) - (found.get(a) ?? 0) || byWords(text(a), text(b)));
  const rank = new Map(values.map((value, code) => [value, code]));
  for (let i = 0; i < count; i++) codes[i] = rank.get(column.values[i] ?? NONE) ?? NONE;
  return { names: values.map(text), codes, sizes: values.map((value) => found.get(value) ?? 0) };
}

export interface Blocks {
  readonly size: number;
  /** Pairs of nodes that are joined, from the group of the row to that of the column; parallel edges once, loops never. */
  readonly joined: Float64Array;
  /** Pairs that there are. */
  readonly pairs: Float64Array;
  /** Chance that a pair is joined. */
  readonly p: Float64Array;
}

/** How often nodes of one group are joined with those of another; as `analyze.block_model` has it. */
export function blocksOf({ names, codes, sizes }: Groups, ends: Uint32Array, directed: boolean): Blocks {
  const [k, n, m] = [names.length, codes.length, ends.length / 2];
  const keys = new Float64Array(m);
  let many = 0;
  for (let e = 0; e < m; e++) {
    const [a, b] = [ends[2 * e] ?? 0, ends[2 * e + 1] ?? 0];
    if (a === b || codes[a] === NONE || codes[b] === NONE) continue;
    keys[many++] = directed || a < b ? a * n + b : b * n + a;
  }
  const distinct = keys.subarray(0, many).sort();
  const joined = new Float64Array(k * k);
  let last = -1;
  for (const key of distinct) {
    if (key === last) continue;
    last = key;
    const [from, to] = [codes[Math.floor(key / n)] ?? 0, codes[key % n] ?? 0];
    joined[from * k + to] = (joined[from * k + to] ?? 0) + 1;
    if (!directed) joined[to * k + from] = (joined[to * k + from] ?? 0) + 1;
  }
  const [pairs, p] = [new Float64Array(k * k), new Float64Array(k * k)];
  for (let i = 0; i < k * k; i++) {
    const [row, column] = [Math.floor(i / k), i % k];
    const [a, b] = [sizes[row] ?? 0, sizes[column] ?? 0];
    pairs[i] = row === column ? a * (a - 1) : a * b;
    // An undirected pair within a group was counted from both of its ends.
    p[i] = (pairs[i] ?? 0) > 0 ? (joined[i] ?? 0) / (pairs[i] ?? 1) : 0;
  }
  return { size: k, joined, pairs, p };
}

/** How far two ways to group the same nodes are apart, in bits; what is in no group is a group of its own kind. */
export function variation(a: Uint32Array, b: Uint32Array): number {
  const n = a.length;
  if (n === 0) return 0;
  const [ones, others, both] = [new Map<number, number>(), new Map<number, number>(), new Map<number, number>()];
  const count = (map: Map<number, number>, key: number): unknown => map.set(key, (map.get(key) ?? 0) + 1);
  for (let i = 0; i < n; i++) {
    const [x, y] = [a[i] ?? 0, b[i] ?? 0];
    count(ones, x);
    count(others, y);
    count(both, x * (NONE + 1) + y);
  }
  const entropy = (map: Map<number, number>): number => [...map.values()].reduce((sum, c) => sum - (c / n) * Math.log2(c / n), 0);
  return Math.max(0, 2 * entropy(both) - entropy(ones) - entropy(others));
}

export interface Order {
  /** The node of each row. */
  readonly nodes: Uint32Array;
  /** The row of each node. */
  readonly rows: Uint32Array;
  /** The group at each place, from top to bottom. */
  readonly codes: readonly number[];
  /** Where each of them begins, and where the last one ends; what is in none stands behind. */
  readonly begins: readonly number[];
}

/** Rows by group, in an order of groups or else the largest first, and within one by a number, the largest first. */
export function orderOf(groups: Groups | null, weight: ArrayLike<number>, count: number, leaves: readonly number[] | null = null): Order {
  const nodes = Uint32Array.from({ length: count }, (_, i) => i);
  const codes = leaves ?? (groups?.names ?? []).map((_, code) => code);
  const places = new Map(codes.map((code, place) => [code, place]));
  const place = (i: number): number => places.get(groups?.codes[i] ?? NONE) ?? NONE;
  nodes.sort((a, b) => place(a) - place(b) || (weight[b] ?? 0) - (weight[a] ?? 0) || a - b);
  const rows = new Uint32Array(count);
  nodes.forEach((node, row) => (rows[node] = row));
  const begins = [0];
  for (const code of codes) begins.push((begins[begins.length - 1] ?? 0) + (groups?.sizes[code] ?? 0));
  return { nodes, rows, codes, begins };
}

/** The numbers of edges at each node. */
export function degreesOf(ends: Uint32Array, count: number): Float64Array {
  const found = new Float64Array(count);
  for (const end of ends) found[end] = (found[end] ?? 0) + 1;
  return found;
}

/** How many edges lie in each cell of a picture of some rows and columns: `side` by `side` cells, row by row. */
export function raster(
  ends: Uint32Array, rows: Uint32Array, directed: boolean, [top, left, many]: readonly [number, number, number], side: number,
): Float32Array {
  const found = new Float32Array(side * side);
  const scale = side / many;
  const put = (from: number, to: number): void => {
    const [y, x] = [Math.floor((from - top) * scale), Math.floor((to - left) * scale)];
    if (y >= 0 && x >= 0 && y < side && x < side) found[y * side + x] = (found[y * side + x] ?? 0) + 1;
  };
  for (let e = 0; 2 * e < ends.length; e++) {
    const [a, b] = [rows[ends[2 * e] ?? 0] ?? 0, rows[ends[2 * e + 1] ?? 0] ?? 0];
    put(a, b);
    if (!directed && a !== b) put(b, a);
  }
  return found;
}

/** How dark a cell is, from 0 to 1: by the logarithm of what is in it, and never invisible where something is. */
export function shade(value: number, most: number): number {
  if (value <= 0) return 0;
  return most <= 1 ? 1 : 0.35 + 0.65 * Math.min(1, Math.log1p(value) / Math.log1p(most));
}
