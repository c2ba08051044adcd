/** How much of the edges is drawn: fainter where they are many, none while a slow page moves. No DOM here. */

import type { Bounds } from "./camera";

/** Lines over each other beyond this share of ink hide what they show. */
const INK = 0.35;
const [FAINTEST, STRONGEST] = [0.02, 0.45];
/** The longest frame that still looks like a motion [ms]. */
export const SLOW_MS = 33;
/** Lines whose length is looked at. */
const SAMPLE = 10_000;

/** The mean length of edges, from at most `SAMPLE` of them, evenly taken. */
export function meanLength(flat: Float32Array, ends: Uint32Array): number {
  const edges = ends.length / 2;
  const step = Math.max(1, Math.floor(edges / SAMPLE));
  let [sum, n] = [0, 0];
  for (let e = 0; e < edges; e += step, n++) {
    const [a, b] = [ends[2 * e] ?? 0, ends[2 * e + 1] ?? 0];
    sum += Math.hypot((flat[2 * a] ?? 0) - (flat[2 * b] ?? 0), (flat[2 * a + 1] ?? 0) - (flat[2 * b + 1] ?? 0));
  }
  return n > 0 ? sum / n : 0;
}

/**
 * How opaque each edge is: all of them together leave `INK` of the picture inked.
 *
 * @param scale units of the positions for each CSS pixel: closer, fewer edges share the picture
 */
export function edgeAlpha(edges: number, length: number, box: Bounds | null, scale: number): number {
  if (box === null || edges === 0) return STRONGEST;
  const area = Math.max(scale, box.high[0] - box.low[0]) * Math.max(scale, box.high[1] - box.low[1]);
  // Pixels of line for each pixel of the picture.
  const density = (edges * length * scale) / area;
  return Math.min(STRONGEST, Math.max(FAINTEST, INK / Math.max(density, 1e-9)));
}

/** Leaves edges out as long as the picture zooms or turns and frames with them take too long. */
export class Pace {
  private slow = 0;
  private drawn: number | null = null;

  /** Whether a frame of a motion is drawn with edges. */
  get edges(): boolean {
    return this.slow < 2;
  }

  /** A frame begins [ms]: what the one before drew took until now. */
  begins(now: number): void {
    // One may be a hiccup of the page.
    if (this.drawn !== null && this.edges) this.slow = now - this.drawn > SLOW_MS ? this.slow + 1 : 0;
    this.drawn = null;
  }

  /** A frame is drawn, and not copied; the next is to follow at once. */
  draws(now: number): void {
    this.drawn = now;
  }

  /** Whether the next frame is to tell how long the last took. */
  get measuring(): boolean {
    return this.drawn !== null;
  }

  rests(): void {
    [this.slow, this.drawn] = [0, null];
  }
}
