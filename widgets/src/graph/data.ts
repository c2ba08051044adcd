/** The traits of the model as flat arrays. No DOM here. */

import type { Model } from "../core/anywidget";

interface Told {
  readonly name: string;
  readonly of: "nodes" | "edges";
  readonly unit: string;
}

export interface Numbers extends Told {
  readonly kind: "number";
  readonly whole: boolean;
  readonly values: Float64Array | Float32Array;
}

export interface Categories extends Told {
  readonly kind: "category";
  readonly categories: readonly string[];
  readonly values: Uint32Array;
}

export type Column = Numbers | Categories;

export interface Data {
  readonly names: readonly string[];
  readonly rows: ReadonlyMap<string, number>;
  /** Both ends of each edge. */
  readonly ends: Uint32Array;
  readonly columns: readonly Column[];
}

/** No value stands there. */
export const NONE = 0xffffffff;

/** Bytes that stand anywhere in a message, as numbers; these may begin at multiples of their size only. */
export function bytesOf(view: unknown): ArrayBuffer {
  if (!ArrayBuffer.isView(view)) return new ArrayBuffer(0);
  const found = new Uint8Array(view.byteLength);
  found.set(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
  return found.buffer;
}

export function columnsOf(given: unknown): Column[] {
  return (given as readonly (Column & { readonly values: unknown })[]).map((one) => {
    const bytes = bytesOf(one.values);
    if (one.kind === "category") return { ...one, values: new Uint32Array(bytes) };
    return { ...one, values: one.of === "nodes" ? new Float64Array(bytes) : new Float32Array(bytes) };
  });
}

export function dataOf(model: Model): Data {
  const names = JSON.parse(new TextDecoder().decode(bytesOf(model.get("names"))) || "[]") as string[];
  return {
    names,
    rows: new Map(names.map((name, row) => [name, row])),
    ends: new Uint32Array(bytesOf(model.get("ends"))),
    columns: columnsOf(model.get("columns")),
  };
}

export function columnOf(columns: readonly Column[], of: "nodes" | "edges", name: string): Column | null {
  return columns.find((one) => one.of === of && one.name === name) ?? null;
}

/** A value as people read it; null where there is none. */
export function textOf(column: Column, row: number): string | null {
  const value = column.values[row];
  if (value === undefined || Number.isNaN(value) || (column.kind === "category" && value === NONE)) return null;
  if (column.kind === "category") return column.categories[value] ?? null;
  const number = column.whole ? value.toString() : Number(value.toPrecision(4)).toString();
  return column.unit ? `${number} ${column.unit}` : number;
}

/** The least and the largest number; null where there is none. */
export function rangeOf({ values }: Numbers): readonly [number, number] | null {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return low > high ? null : [low, high];
}
