/** Which point is under the pointer. No DOM here. */

import type { Pair, Size } from "./axes";
import type { View } from "./state";

/** CSS pixels. */
const NEAR = 4;

/** The point nearest to a pixel, within its disc and a little more; null if there is none. */
export function nearest(places: Float32Array, there: Uint8Array, view: View, size: Size, at: Pair, diameter: number): number | null {
  const [sx, sy] = [size.width / (view[1] - view[0]), size.height / (view[3] - view[2])];
  const [x, y] = [view[0] + at[0] / sx, view[3] - at[1] / sy];
  const reach = diameter / 2 + NEAR;
  let [best, gap] = [-1, reach];
  for (let i = 0; i < there.length; i++) {
    if (!there[i]) continue;
    const dx = Math.abs((places[2 * i] ?? NaN) - x) * sx;
    if (!(dx <= reach)) continue;
    const off = Math.hypot(dx, ((places[2 * i + 1] ?? NaN) - y) * sy);
    if (off <= gap) [best, gap] = [i, off];
  }
  return best < 0 ? null : best;
}
