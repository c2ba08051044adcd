/** Which rows of a long list are on screen. No DOM here. */

/** Browsers lay nothing out beyond this many pixels. */
const TALLEST = 8_000_000;

export interface Window {
  /** The height of what is scrolled. */
  readonly height: number;
  readonly first: number;
  readonly last: number;
  /** Where the first of them stands, from the top of what is scrolled. */
  readonly top: number;
}

/** What is seen of `count` rows `size` high, where `scrolled` of what is scrolled lies above and `seen` is on screen. */
export function windowOf(count: number, size: number, scrolled: number, seen: number): Window {
  const full = count * size;
  const height = Math.min(full, TALLEST);
  const span = Math.max(1, height - seen);
  // Where all rows do not fit, a pixel of scrolling stands for several.
  const above = full > TALLEST ? (Math.min(scrolled, span) / span) * (full - seen) : scrolled;
  const first = Math.max(0, Math.min(count - 1, Math.floor(above / size)));
  const last = Math.min(count, first + Math.ceil(seen / size) + 2);
  return { height, first, last, top: scrolled - (above - first * size) };
}

/** How far to scroll so that a place in the list stands in the middle. */
export function scrollTo(place: number, count: number, size: number, seen: number): number {
  const full = count * size;
  const above = Math.max(0, Math.min(full - seen, place * size - (seen - size) / 2));
  if (full <= TALLEST) return above;
  return (above / Math.max(1, full - seen)) * (TALLEST - seen);
}
