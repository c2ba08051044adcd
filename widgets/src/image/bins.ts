/** A histogram as numbers, and the windows that follow from it. No DOM here. */

import type { Window } from "./state";

export interface Bins {
  readonly counts: readonly number[];
  /** One more than counts, rising. */
  readonly edges: readonly number[];
}

/** Count finite values in bins of equal width between the extremes; null where there is nothing to count. */
export function binned(values: ArrayLike<number>, bins = 128): Bins | null {
  let [low, high] = [Infinity, -Infinity];
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (!Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) return null;
  if (low === high) high = low + 1;
  const counts = new Array<number>(bins).fill(0);
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (!Number.isFinite(value)) continue;
    const at = Math.min(bins - 1, Math.floor(((value - low) / (high - low)) * bins));
    counts[at] = (counts[at] ?? 0) + 1;
  }
  return { counts, edges: Array.from({ length: bins + 1 }, (_, i) => low + ((high - low) * i) / bins) };
}

/** The value below which a share (0…1) of all lies, as far as bins tell. */
export function quantile({ counts, edges }: Bins, share: number): number {
  const wanted = share * counts.reduce((sum, n) => sum + n, 0);
  let sum = 0;
  for (let i = 0; i < counts.length; i++) {
    const [n, from, to] = [counts[i] ?? 0, edges[i] ?? 0, edges[i + 1] ?? 0];
    if (n > 0 && sum + n >= wanted) return from + ((to - from) * Math.max(0, wanted - sum)) / n;
    sum += n;
  }
  return edges.at(-1) ?? 0;
}

/** The window from 1 to 99 percent; wider where these are the same. */
export function autoWindow(bins: Bins): Window {
  const [low, high] = [quantile(bins, 0.01), quantile(bins, 0.99)];
  return low < high ? [low, high] : [bins.edges[0] ?? 0, bins.edges.at(-1) ?? 1];
}

/** What the axis of a histogram spans: the values, and the window with a little room. */
export function spanOf(bins: Bins | null, window: Window): Window {
  const room = 0.04 * (window[1] - window[0]);
  const low = Math.min(bins?.edges[0] ?? window[0] - room, window[0]);
  const high = Math.max(bins?.edges.at(-1) ?? window[1] + room, window[1]);
  return low < high ? [low, high] : [low, low + 1];
}

/** A window after one of its ends was moved: they do not cross. */
export function moved(window: Window, end: 0 | 1, to: number, least: number): Window {
  return end === 0 ? [Math.min(to, window[1] - least), window[1]] : [window[0], Math.max(to, window[0] + least)];
}

/** One step of a key: a value of whole numbers, a hundredth of the span of others. */
export function stepOf(span: Window, dtype: string): number {
  const fine = (span[1] - span[0]) / 100;
  return dtype.startsWith("float") ? fine : Math.max(1, Math.round(fine / 2));
}

/** Heights from 0 to 1; by the root, so that what is rare is seen beside what is common. */
export function heights({ counts }: Bins): number[] {
  const most = Math.max(1, ...counts);
  return counts.map((n) => Math.sqrt(n / most));
}

/** A value in few digits. */
export function valueText(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e7) return value.toString();
  return Number(value.toPrecision(4)).toString();
}
