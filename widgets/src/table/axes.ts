/** From units of two columns to CSS pixels and back, and round numbers along the axes. No DOM here. */

import type { View } from "./state";

export interface Size {
  readonly width: number;
  readonly height: number;
}

export type Pair = readonly [number, number];

/** Room around all of it, as a share. */
const MARGIN = 0.04;
/** No closer than float32 tells apart. */
const CLOSEST = 1e-6;

/** What shows all from the least to the largest, in both columns. */
export function whole([left, right]: Pair, [bottom, top]: Pair): View {
  const grown = (low: number, high: number): Pair => {
    const room = high > low ? (high - low) * MARGIN : Math.abs(low) || 1;
    return [low - room, high + room];
  };
  return [...grown(left, right), ...grown(bottom, top)] as const as View;
}

export function toPixel(view: View, { width, height }: Size, [x, y]: Pair): Pair {
  return [((x - view[0]) / (view[1] - view[0])) * width, ((view[3] - y) / (view[3] - view[2])) * height];
}

export function toUnits(view: View, { width, height }: Size, [x, y]: Pair): Pair {
  return [view[0] + (x / width) * (view[1] - view[0]), view[3] - (y / height) * (view[3] - view[2])];
}

/** Zoom so that what is under the pixel stays there; a factor above 1 comes closer. One axis alone, if it is named. */
export function zoomed(view: View, all: View, size: Size, at: Pair, factor: number, axis: "x" | "y" | null = null): View {
  const [x, y] = toUnits(view, size, at);
  const about = (low: number, high: number, middle: number, span: number): Pair => {
    const f = Math.min(factor, (high - low) / (CLOSEST * span));
    return [middle - (middle - low) / f, middle + (high - middle) / f];
  };
  const across = axis === "y" ? ([view[0], view[1]] as const) : about(view[0], view[1], x, all[1] - all[0]);
  const up = axis === "x" ? ([view[2], view[3]] as const) : about(view[2], view[3], y, all[3] - all[2]);
  return [across[0], across[1], up[0], up[1]];
}

/** Move what is seen by CSS pixels. */
export function moved(view: View, { width, height }: Size, dx: number, dy: number): View {
  const [x, y] = [(dx / width) * (view[1] - view[0]), (dy / height) * (view[3] - view[2])];
  return [view[0] - x, view[1] - x, view[2] + y, view[3] + y];
}

/** Round numbers between two, about as many as asked, and as they are written. */
export function ticks(low: number, high: number, about: number): readonly (readonly [number, string])[] {
  const rough = (high - low) / Math.max(1, about);
  if (!(rough > 0) || !Number.isFinite(rough)) return [];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((one) => one * power >= rough * 0.999) ?? 10);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const found: (readonly [number, string])[] = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + 1e-9 * step; n++) {
    // Not -0.
    const value = n * step + 0;
    const size = Math.max(Math.abs(low), Math.abs(high));
    found.push([value, size >= 1e5 || digits > 4 ? Number(value.toPrecision(4)).toExponential().replace("e+", "e") : value.toFixed(Math.min(20, digits))]);
  }
  return found;
}
