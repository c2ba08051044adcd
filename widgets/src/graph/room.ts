/** Names that do not lie over each other. No DOM here. */

import { type Camera, type Size, toPixel } from "./camera";

export interface Spot {
  readonly row: number;
  readonly x: number;
  readonly y: number;
}

const HIGH = 18;
const WIDE = 6.6;
/** Rows that are tried in vain before the rest is left out. */
const TRIED = 4000;

/**
 * Where names have room, those that come first first.
 *
 * @param first rows whose names are there in any case, over each other or not
 * @param rows all others, the most important first
 */
export function roomFor(
  first: readonly number[], rows: ArrayLike<number>, most: number,
  { flat, sizes, shown, camera, size, name }: {
    readonly flat: Float32Array; readonly sizes: Float32Array; readonly shown: Uint8Array;
    readonly camera: Camera; readonly size: Size; readonly name: (row: number) => string;
  },
): Spot[] {
  const found: Spot[] = [];
  const boxes: (readonly [number, number, number])[] = [];
  const spot = (row: number): Spot => {
    const [x, y] = toPixel(camera, size, [flat[2 * row] ?? 0, flat[2 * row + 1] ?? 0]);
    return { row, x: x + (sizes[row] ?? 0) / 2 + 6, y: y - HIGH / 2 };
  };
  const put = (one: Spot, wide: number): void => {
    boxes.push([one.x, one.x + wide, one.y]);
    found.push(one);
  };
  const there = new Set(first);
  for (const row of first) if (shown[row]) put(spot(row), name(row).length * WIDE + 8);
  for (let i = 0; i < Math.min(rows.length, TRIED) && found.length < most; i++) {
    const row = rows[i] ?? 0;
    if (!shown[row] || there.has(row)) continue;
    const one = spot(row);
    const wide = name(row).length * WIDE + 8;
    if (one.x < 0 || one.y < 0 || one.x + wide > size.width || one.y + HIGH > size.height) continue;
    if (boxes.every(([left, right, top]) => one.x > right || one.x + wide < left || Math.abs(one.y - top) >= HIGH)) put(one, wide);
  }
  return found;
}

/** Rows by a number, the largest first. */
export function byLargest(values: ArrayLike<number>): Uint32Array {
  return Uint32Array.from({ length: values.length }, (_, row) => row).sort((a, b) => (values[b] ?? 0) - (values[a] ?? 0) || a - b);
}
