/** What of a matrix is seen: a square of rows and columns under a zoom. No DOM here. */

import type { Cells, Pair } from "./state";

const FEWEST = 4;

/** All of it, where nothing else was said. */
export function seen(cells: Cells | null, count: number): Cells {
  return cells === null ? [0, 0, Math.max(1, count)] : inside(cells, count);
}

/** As near as possible to what was asked, within the matrix. */
export function inside([top, left, many]: Cells, count: number): Cells {
  const size = Math.min(Math.max(many, Math.min(FEWEST, count)), Math.max(1, count));
  const within = (at: number): number => Math.min(Math.max(0, at), Math.max(0, count - size));
  return [within(top), within(left), size];
}

/** Row and column, with parts of them, at shares down and across. */
export function cellAt([top, left, many]: Cells, [x, y]: Pair): readonly [number, number] {
  return [top + y * many, left + x * many];
}

/** Come closer by a factor, so that what is at a place stays there; null for all of it. */
export function closer(cells: Cells | null, count: number, at: Pair, factor: number): Cells | null {
  const now = seen(cells, count);
  const [row, column] = cellAt(now, at);
  const many = Math.max(Math.min(FEWEST, count), now[2] / factor);
  if (many >= count) return null;
  return inside([row - at[1] * many, column - at[0] * many, many], count);
}

/** Move what is seen by shares of it. */
export function slid(cells: Cells | null, count: number, dx: number, dy: number): Cells | null {
  const [top, left, many] = seen(cells, count);
  return cells === null ? null : inside([top - dy * many, left - dx * many, many], count);
}
