/** The colour of each row, and what colours mean. No DOM here. */

import { CATEGORIES, OTHER, mapColor } from "../graph/look";
import { type Column, type Facts, noneOf, numberAt, shown } from "./data";

type Rgb = readonly [number, number, number];

/** Classes with a colour of their own; the others share grey. */
const MOST = CATEGORIES.length;
const PLAIN: Rgb = [0, 114, 178];

export type Legend =
  | { readonly kind: "none" }
  | { readonly kind: "number"; readonly low: string; readonly high: string }
  | { readonly kind: "classes"; readonly entries: readonly Entry[]; readonly more: number };

export interface Entry {
  readonly name: string;
  readonly color: Rgb;
  readonly count: number;
  /** The number of the class in what `classesOf` gives each row. */
  readonly code: number;
}

/** Whole numbers of few values are classes, too. */
function small(column: Column): number[] | null {
  const found = new Set<number>();
  for (const value of column.values) {
    if (typeof value === "bigint") return null;
    if (Number.isNaN(value)) continue;
    if (!Number.isInteger(value)) return null;
    found.add(value);
    if (found.size > MOST) return null;
  }
  return [...found].sort((a, b) => a - b);
}

export interface Look {
  /** Four bytes a row. */
  readonly bytes: Uint8Array;
  readonly legend: Legend;
  /** The number of the class of each row, where there are classes; 255 for none of its own. */
  readonly classes: Uint8Array | null;
}

export function lookOf(column: Column | null, facts: Facts | null, count: number): Look {
  const bytes = new Uint8Array(4 * count).fill(255);
  const put = (i: number, [r, g, b]: Rgb): void => {
    bytes[4 * i] = r;
    bytes[4 * i + 1] = g;
    bytes[4 * i + 2] = b;
  };
  if (column === null || facts === null) {
    for (let i = 0; i < count; i++) put(i, PLAIN);
    return { bytes, legend: { kind: "none" }, classes: null };
  }
  const values = column.classes === null ? small(column) : null;
  if (column.classes === null && values === null) {
    const [low, high] = [facts.low ?? 0, facts.high ?? 0];
    for (let i = 0; i < count; i++) {
      const value = numberAt(column, i);
      put(i, Number.isFinite(value) ? mapColor((value - low) / (high - low || 1)) : OTHER);
    }
    const unit = facts.unit ? ` ${facts.unit}` : "";
    return { bytes, legend: { kind: "number", low: shown(low) + unit, high: shown(high) + unit }, classes: null };
  }
  return byClass(column, values, bytes, put, count);
}

function byClass(column: Column, values: number[] | null, bytes: Uint8Array, put: (i: number, rgb: Rgb) => void, count: number): Look {
  const names = values === null ? (column.classes ?? []) : values.map(String);
  const place = values === null ? null : new Map(values.map((value, code) => [value, code]));
  const none = values === null ? noneOf(column.values) : NaN;
  const classes = new Uint8Array(count).fill(255);
  const counts = new Float64Array(MOST);
  let rest = 0;
  for (let i = 0; i < count; i++) {
    const value = Number(column.values[i]);
    const code = place === null ? (value === none ? 255 : value) : (place.get(value) ?? 255);
    if (code < MOST) {
      classes[i] = code;
      counts[code]!++;
      put(i, CATEGORIES[code] ?? OTHER);
    } else {
      rest++;
      put(i, OTHER);
    }
  }
  const entries: Entry[] = names.slice(0, MOST).map((name, code) => ({ name, color: CATEGORIES[code] ?? OTHER, count: counts[code] ?? 0, code }));
  if (rest > 0) entries.push({ name: names.length > MOST ? "other" : "none", color: OTHER, count: rest, code: 255 });
  return { bytes, legend: { kind: "classes", entries, more: Math.max(0, names.length - MOST) }, classes };
}
