/** Where the labels of a tile differ from those of the tiles beside it, each of which numbers its ids anew. */

import type { Picture } from "../core/frames";

export type Labels = Picture & { readonly kind: "labels" };

/** Left, right, above, below; undefined where nothing is, or is not known yet. */
export type Beside = readonly [Labels | undefined, Labels | undefined, Labels | undefined, Labels | undefined];

/** Four rows, one for each side, of 1 where the pixel at that border has a neighbour of another id. */
export function rim(tile: Labels, beside: Beside): { width: number; bytes: Uint8Array } {
  const { width: w, height: h } = tile;
  const width = Math.max(w, h);
  const bytes = new Uint8Array(4 * width);
  const [inner, ...outer] = [tile, ...beside].map((one) => one && { values: one.values, ids: one.ids, width: one.width });
  beside.forEach((other, side) => {
    const next = outer[side];
    if (other === undefined || inner === undefined || next === undefined) return;
    const across = side < 2;
    const length = across ? Math.min(h, other.height) : Math.min(w, other.width);
    const here = side === 1 ? w - 1 : side === 3 ? h - 1 : 0;
    const there = side === 0 ? other.width - 1 : side === 2 ? other.height - 1 : 0;
    for (let i = 0; i < length; i++) {
      const own = across ? idAt(inner, here, i) : idAt(inner, i, here);
      if (own !== (across ? idAt(next, there, i) : idAt(next, i, there))) bytes[side * width + i] = 1;
    }
  });
  return { width, bytes };
}

/** The id at a pixel of a tile. */
export function idAt({ values, ids, width }: Pick<Labels, "values" | "ids" | "width">, x: number, y: number): bigint | undefined {
  const index = values[values.length === 1 ? 0 : y * width + x];
  return index === undefined ? undefined : ids[index];
}
