/** Which nodes are under the pointer, or within a drawn line: by looking at each, over flat arrays. No DOM here. */

import { type Camera, type Size, toPlace } from "./camera";
import type { Pair } from "./state";

/** A pointer this near to the rim of a node, in CSS pixels, means it. */
const NEAR = 4;

/**
 * The node under a pixel, the one on top where there are several; null if there is none.
 *
 * @param flat x and y of each node
 * @param sizes diameters in CSS pixels
 * @param shown 0 for nodes that are not there
 */
export function pick(
  flat: Float32Array, sizes: Float32Array, shown: Uint8Array, camera: Camera, size: Size, at: Pair,
): number | null {
  const [x, y] = toPlace(camera, size, at);
  let [best, gap] = [-1, NEAR];
  for (let i = 0; i < shown.length; i++) {
    if (!shown[i]) continue;
    const dx = ((flat[2 * i] ?? 0) - x) / camera.scale;
    const dy = ((flat[2 * i + 1] ?? 0) - y) / camera.scale;
    const reach = (sizes[i] ?? 0) / 2;
    if (Math.abs(dx) > reach + NEAR || Math.abs(dy) > reach + NEAR) continue;
    // 0 within the node: later ones are drawn over earlier ones.
    const off = Math.max(0, Math.hypot(dx, dy) - reach);
    if (off <= gap) [best, gap] = [i, off];
  }
  return best < 0 ? null : best;
}

/** The nodes within a closed line, by the number of its sides to the right of each. */
export function inside(flat: Float32Array, shown: Uint8Array, line: readonly Pair[]): number[] {
  const found: number[] = [];
  if (line.length < 3) return found;
  const [xs, ys] = [line.map(([x]) => x), line.map(([, y]) => y)];
  const [left, right] = [xs.reduce((a, b) => Math.min(a, b)), xs.reduce((a, b) => Math.max(a, b))];
  const [top, bottom] = [ys.reduce((a, b) => Math.min(a, b)), ys.reduce((a, b) => Math.max(a, b))];
  for (let i = 0; i < shown.length; i++) {
    const [x, y] = [flat[2 * i] ?? 0, flat[2 * i + 1] ?? 0];
    if (!shown[i] || x < left || x > right || y < top || y > bottom) continue;
    if (within(xs, ys, x, y)) found.push(i);
  }
  return found;
}

function within(xs: readonly number[], ys: readonly number[], x: number, y: number): boolean {
  let odd = false;
  for (let i = 0, j = xs.length - 1; i < xs.length; j = i++) {
    const [ax, ay, bx, by] = [xs[i] ?? 0, ys[i] ?? 0, xs[j] ?? 0, ys[j] ?? 0];
    if (ay > y !== by > y && x < ax + ((bx - ax) * (y - ay)) / (by - ay)) odd = !odd;
  }
  return odd;
}

/** Rows whose name or label has the text in it: those that are it first, then those that begin with it. */
export function search(text: string, names: readonly string[], labels: readonly string[] | null, most: number): number[] {
  const wanted = text.trim().toLowerCase();
  if (wanted === "") return [];
  const ranks: number[][] = [[], [], []];
  for (let i = 0; i < names.length; i++) {
    let rank = 3;
    for (const one of [names[i], labels?.[i]]) {
      const at = one?.toLowerCase().indexOf(wanted) ?? -1;
      if (at >= 0) rank = Math.min(rank, one?.length === wanted.length ? 0 : at === 0 ? 1 : 2);
    }
    ranks[rank]?.push(i);
  }
  return ranks.flat().slice(0, most);
}
