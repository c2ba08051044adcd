/** Where the labels of a tile differ from those of the tiles beside it, each of which numbers its ids anew. */

import type { Picture } from "../core/frames";

export type Labels = Picture & { readonly kind: "labels" };

/** Left, right, above, below; undefined where nothing is, or is not known yet. */
export type Beside = readonly [Labels | undefined, Labels | undefined, Labels | undefined, Labels | undefined];

/** What is looked at of a tile: ids in halves, for two big numbers are made before they are compared. */
interface Flat {
  readonly values: Labels["values"];
  readonly halves: Uint32Array;
  readonly width: number;
}

function flat({ values, ids, width }: Labels): Flat {
  return { values, halves: new Uint32Array(ids.buffer, ids.byteOffset, 2 * ids.length), width };
}

/** Four rows, one for each side, of 1 where the pixel at that border has a neighbour of another id. */
export function rim(tile: Labels, beside: Beside): { width: number; bytes: Uint8Array } {
  const { width: w, height: h } = tile;
  const width = Math.max(w, h);
  const bytes = new Uint8Array(4 * width);
  const inner = flat(tile);
  beside.forEach((other, side) => {
    if (other === undefined) return;
    const outer = flat(other);
    const across = side < 2;
    const length = across ? Math.min(h, other.height) : Math.min(w, other.width);
    const here = side === 1 ? w - 1 : side === 3 ? h - 1 : 0;
    const there = side === 0 ? other.width - 1 : side === 2 ? other.height - 1 : 0;
    for (let i = 0; i < length; i++) {
      const own = across ? indexAt(inner, here, i) : indexAt(inner, i, here);
      const next = across ? indexAt(outer, there, i) : indexAt(outer, i, there);
      const alike = inner.halves[2 * own] === outer.halves[2 * next] && inner.halves[2 * own + 1] === outer.halves[2 * next + 1];
      if (!alike) bytes[side * width + i] = 1;
    }
  });
  return { width, bytes };
}

/** The id at a pixel of a tile. */
export function idAt({ values, ids, width }: Labels, x: number, y: number): bigint | undefined {
  const index = values[values.length === 1 ? 0 : y * width + x];
  return index === undefined ? undefined : ids[index];
}

function indexAt({ values, width }: Flat, x: number, y: number): number {
  return values[values.length === 1 ? 0 : y * width + x] ?? 0;
}
