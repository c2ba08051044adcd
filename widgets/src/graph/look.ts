/** How nodes look, and which are there: colours, diameters and masks from columns. No DOM here. */

import { type Column, type Data, NONE, columnOf, rangeOf } from "./data";
import type { Filter } from "./state";

type Rgb = readonly [number, number, number];

/** Okabe and Ito's colours, those first that stand out on both black and white; grey is kept for the rest. */
export const CATEGORIES: readonly Rgb[] = [
  [0, 114, 178], [213, 94, 0], [0, 158, 115], [204, 121, 167], [230, 159, 0], [86, 180, 233], [240, 228, 66],
];
/** Of what has no value, and of all categories beyond the colours. */
export const OTHER: Rgb = [150, 156, 164];
/** Viridis at eight even steps: by lightness, for any eyes. */
const MAP: readonly Rgb[] = [
  [68, 1, 84], [70, 50, 127], [54, 92, 141], [39, 127, 142], [31, 161, 135], [74, 194, 109], [160, 218, 57], [253, 231, 37],
];
const PLAIN: Rgb = [86, 148, 200];
const SMALL = 4;
const LARGE = 22;

/** A colour of the map, at a share from 0 to 1. */
export function mapColor(share: number): Rgb {
  const at = Math.min(1, Math.max(0, share)) * (MAP.length - 1);
  const i = Math.min(MAP.length - 2, Math.floor(at));
  const [from, to] = [MAP[i] ?? PLAIN, MAP[i + 1] ?? PLAIN];
  const mix = (k: 0 | 1 | 2): number => Math.round(from[k] + (to[k] - from[k]) * (at - i));
  return [mix(0), mix(1), mix(2)];
}

/** The part of the map that is used. */
export type Span = readonly [number, number];
const WHOLE: Span = [0, 1];
/** Of edges, which have no body: what stands out on both black and white. */
const LINES: Span = [0.32, 0.92];

export type Legend =
  | { readonly kind: "none" }
  | { readonly kind: "number"; readonly low: number; readonly high: number; readonly unit: string; readonly span: Span }
  | { readonly kind: "category"; readonly entries: readonly (readonly [string, Rgb, number])[]; readonly more: number };

/** Four bytes for each node, and what they mean. */
export function colors(column: Column | null, count: number, span: Span = WHOLE): { readonly bytes: Uint8Array; readonly legend: Legend } {
  const bytes = new Uint8Array(4 * count).fill(255);
  const put = (i: number, rgb: Rgb): void => bytes.set(rgb, 4 * i);
  if (column === null) {
    for (let i = 0; i < count; i++) put(i, PLAIN);
    return { bytes, legend: { kind: "none" } };
  }
  if (column.kind === "category") return { bytes, legend: byCategory(column, count, put) };
  const range = rangeOf(column);
  const [low, high] = range ?? [0, 0];
  for (let i = 0; i < count; i++) {
    const value = column.values[i] ?? NaN;
    put(i, Number.isFinite(value) ? mapColor(span[0] + ((span[1] - span[0]) * (value - low)) / (high - low || 1)) : OTHER);
  }
  return { bytes, legend: range === null ? { kind: "none" } : { kind: "number", low, high, unit: column.unit, span } };
}

function byCategory(column: Column & { kind: "category" }, count: number, put: (i: number, rgb: Rgb) => void): Legend {
  const counts = column.categories.map(() => 0);
  for (let i = 0; i < count; i++) {
    const code = column.values[i] ?? NONE;
    put(i, CATEGORIES[code] ?? OTHER);
    if (code !== NONE) counts[code] = (counts[code] ?? 0) + 1;
  }
  const entries = column.categories.slice(0, CATEGORIES.length).map((name, code) => [name, CATEGORIES[code] ?? OTHER, counts[code] ?? 0] as const);
  return { kind: "category", entries, more: column.categories.length - entries.length };
}

/** Diameters in CSS pixels; areas follow the values, as the eye compares areas. */
export function sizes(column: Column | null, count: number, grow: number): Float32Array {
  const usual = count > 20_000 ? 3 : count > 2_000 ? 5 : 8;
  const found = new Float32Array(count).fill(usual * grow);
  const range = column?.kind === "number" ? rangeOf(column) : null;
  if (column === null || range === null) return found;
  const [low, high] = range;
  const largest = LARGE * (count > 20_000 ? 0.5 : 1);
  for (let i = 0; i < count; i++) {
    const value = column.values[i] ?? NaN;
    const share = Number.isFinite(value) ? (value - low) / (high - low || 1) : 0;
    found[i] = grow * (SMALL + (largest - SMALL) * Math.sqrt(share));
  }
  return found;
}

/** 1 where every filter holds; what has no value passes none. */
function mask(data: Data, of: "nodes" | "edges", count: number, filters: readonly Filter[]): Uint8Array {
  const found = new Uint8Array(count).fill(1);
  for (const { by, low, high } of filters.filter((one) => one.of === of)) {
    const column = columnOf(data.columns, of, by);
    if (column?.kind !== "number") continue;
    const [least, most] = [low ?? -Infinity, high ?? Infinity];
    column.values.forEach((value, i) => {
      if (!(value >= least && value <= most)) found[i] = 0;
    });
  }
  return found;
}

export interface Filtered {
  readonly shown: Uint8Array;
  readonly ends: Uint32Array;
  /** Which edges these are; null where it is all of them. */
  readonly rows: Uint32Array | null;
}

/** Nodes that are there, and the ends of the edges between them that are. */
export function filtered(data: Data, filters: readonly Filter[]): Filtered {
  const shown = mask(data, "nodes", data.names.length, filters);
  if (filters.length === 0) return { shown, ends: data.ends, rows: null };
  const edges = mask(data, "edges", data.ends.length / 2, filters);
  const rows = new Uint32Array(edges.length);
  let n = 0;
  const ends = kept(data.ends, (e, a, b) => {
    const there = !!edges[e] && !!shown[a] && !!shown[b];
    if (there) rows[n++] = e;
    return there;
  });
  return { shown, ends, rows: rows.slice(0, n) };
}

/** The ends of the edges of which something holds. */
export function kept(ends: Uint32Array, holds: (edge: number, a: number, b: number) => boolean): Uint32Array {
  const found = new Uint32Array(ends.length);
  let n = 0;
  for (let e = 0; 2 * e < ends.length; e++) {
    const [a, b] = [ends[2 * e] ?? 0, ends[2 * e + 1] ?? 0];
    if (!holds(e, a, b)) continue;
    found[n++] = a;
    found[n++] = b;
  }
  return found.slice(0, n);
}

const THIN = 0.75;
const THICK = 7;

/** How edges look that are coloured, or wide, by a property: four bytes and a width in CSS pixels for each. */
export interface EdgeLook {
  readonly tints: Uint8Array;
  readonly widths: Float32Array;
  readonly legend: Legend;
}

/** The look of some edges (all, where `rows` is null); null where no property was chosen. */
export function edgeLook(data: Data, color: string, width: string, rows: Uint32Array | null, ink: Rgb): EdgeLook | null {
  const [of, by] = [columnOf(data.columns, "edges", color), columnOf(data.columns, "edges", width)];
  if (of === null && by === null) return null;
  const total = data.ends.length / 2;
  const { bytes, legend } = colors(of, total, LINES);
  const range = by?.kind === "number" ? rangeOf(by) : null;
  const n = rows?.length ?? total;
  const [tints, widths] = [new Uint8Array(4 * n), new Float32Array(n).fill(of === null ? THIN : 1.5)];
  for (let i = 0; i < n; i++) {
    const e = rows?.[i] ?? i;
    tints.set(of === null ? [...ink, 255] : bytes.subarray(4 * e, 4 * e + 4), 4 * i);
    if (range === null) continue;
    const value = by?.values[e] ?? NaN;
    const share = Number.isFinite(value) ? (value - range[0]) / (range[1] - range[0] || 1) : 0;
    widths[i] = THIN + (THICK - THIN) * share;
  }
  return { tints, widths, legend };
}
