/** Edges that another view points at. No DOM here. */

import { endsOf } from "../core/bus";
import { kept } from "./look";

/** Whether an edge that is shown joins two nodes; without a direction either may be the first. */
export function joins(shown: Uint32Array, from: number, to: number, directed: boolean): boolean {
  for (let e = 0; e < shown.length; e += 2) {
    const [a, b] = [shown[e], shown[e + 1]];
    if ((a === from && b === to) || (!directed && a === to && b === from)) return true;
  }
  return false;
}

/** The ends of those among the edges shown; without a direction either end may be the first. */
export function lit(shown: Uint32Array, edges: readonly string[], rows: ReadonlyMap<string, number>, directed: boolean): Uint32Array {
  const wanted = new Set<number>();
  for (const edge of edges) {
    const [a, b] = endsOf(edge).map((end) => rows.get(end));
    if (a === undefined || b === undefined) continue;
    wanted.add(a * rows.size + b);
    if (!directed) wanted.add(b * rows.size + a);
  }
  return wanted.size === 0 ? new Uint32Array(0) : kept(shown, (_, a, b) => wanted.has(a * rows.size + b));
}
