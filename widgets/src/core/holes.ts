/** Places of an image where no chunk is stored, as rectangles of a tile; see ndlab/serve/wire.py. No DOM here. */

/** Pixels; half-open. */
export interface Hole {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

export const NO_HOLES: readonly Hole[] = [];

/** Take the holes off the end of a payload. */
export function parted(payload: Uint8Array): readonly [Uint8Array, readonly Hole[]] {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const count = view.getUint16(payload.length - 2, true);
  const end = payload.length - 2 - 8 * count;
  const edge = (hole: number, number: number): number => view.getUint16(end + 8 * hole + 2 * number, true);
  const holes = Array.from({ length: count }, (_, i) => ({ top: edge(i, 0), bottom: edge(i, 1), left: edge(i, 2), right: edge(i, 3) }));
  return [payload.subarray(0, end), holes];
}

/** Put them there. */
export function joined(payload: Uint8Array, holes: readonly Hole[]): Uint8Array {
  const found = new Uint8Array(payload.length + 8 * holes.length + 2);
  found.set(payload);
  const edges = [...holes.flatMap(({ top, bottom, left, right }) => [top, bottom, left, right]), holes.length];
  const view = new DataView(found.buffer, payload.length);
  edges.forEach((edge, i) => view.setUint16(2 * i, edge, true));
  return found;
}

/** What of holes lies in a part of a tile, counted in the part. */
export function cropped(holes: readonly Hole[], { top, bottom, left, right }: Hole): readonly Hole[] {
  return holes
    .map((hole) => ({
      top: Math.max(hole.top, top) - top,
      bottom: Math.min(hole.bottom, bottom) - top,
      left: Math.max(hole.left, left) - left,
      right: Math.min(hole.right, right) - left,
    }))
    .filter((hole) => hole.top < hole.bottom && hole.left < hole.right);
}

/** Whether a pixel lies in one. */
export function within(holes: readonly Hole[], x: number, y: number): boolean {
  return holes.some(({ top, bottom, left, right }) => y >= top && y < bottom && x >= left && x < right);
}

/** A tile without its holes, as few rectangles that do not overlap. */
export function around(holes: readonly Hole[], width: number, height: number): readonly Hole[] {
  const rows = [...new Set([0, height, ...holes.flatMap(({ top, bottom }) => [top, bottom])])].sort((a, b) => a - b);
  const found: Hole[] = [];
  rows.slice(0, -1).forEach((top, i) => {
    const bottom = rows[i + 1] as number;
    let left = 0;
    const inside = holes.filter((hole) => hole.top <= top && hole.bottom >= bottom).sort((a, b) => a.left - b.left);
    for (const hole of [...inside, { left: width, right: width }]) {
      if (hole.left > left) found.push({ top, bottom, left, right: hole.left });
      left = Math.max(left, hole.right);
    }
  });
  return found;
}
