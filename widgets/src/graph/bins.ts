/** Numbers in bins, marks along an axis, and what a brush takes. No DOM here. */

export interface Axis {
  readonly low: number;
  readonly high: number;
  readonly log: boolean;
}

/** The axis of some numbers; by its logarithm only what is above 0. Null where there is nothing to show. */
export function axisOf(values: ArrayLike<number>, shown: Uint8Array | null, log: boolean): Axis | null {
  let [low, high] = [Infinity, -Infinity];
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? NaN;
    if ((shown !== null && !shown[i]) || !Number.isFinite(value) || (log && value <= 0)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return low > high ? null : { low, high, log };
}

/** Where a value stands, from 0 to 1; NaN where it does not. */
export function share({ low, high, log }: Axis, value: number): number {
  if (!Number.isFinite(value) || (log && value <= 0)) return NaN;
  if (low === high) return 0.5;
  return log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
}

/** The value at a share. */
export function valueAt({ low, high, log }: Axis, at: number): number {
  return log ? low * (high / low) ** at : low + (high - low) * at;
}

export interface Bins {
  /** One more than bins. */
  readonly edges: readonly number[];
  readonly counts: readonly number[];
}

/** How many numbers lie in each of some even parts of an axis; whole numbers are never split. */
export function bins(values: ArrayLike<number>, shown: Uint8Array | null, axis: Axis, whole: boolean, most: number): Bins {
  const edges = cuts(axis, whole, most);
  const counts = new Array<number>(edges.length - 1).fill(0);
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? NaN;
    if ((shown !== null && !shown[i]) || Number.isNaN(share(axis, value))) continue;
    const at = binOf(edges, value);
    if (at >= 0) counts[at] = (counts[at] ?? 0) + 1;
  }
  return { edges, counts };
}

function cuts(axis: Axis, whole: boolean, most: number): number[] {
  const { low, high } = axis;
  if (!whole) {
    if (low === high) return [low - 0.5, high + 0.5];
    return Array.from({ length: most + 1 }, (_, i) => valueAt(axis, i / most));
  }
  // Between whole numbers.
  if (!axis.log) {
    const step = Math.max(1, Math.ceil((high - low + 1) / most));
    const count = Math.ceil((high - low + 1) / step);
    return Array.from({ length: count + 1 }, (_, i) => low - 0.5 + i * step);
  }
  const all = Array.from({ length: most + 1 }, (_, i) => Math.floor(valueAt({ ...axis, high: high + 1 }, i / most)) - 0.5);
  return [...new Set([low - 0.5, ...all.filter((one) => one > low && one < high), high + 0.5])];
}

function binOf(edges: readonly number[], value: number): number {
  let [low, high] = [0, edges.length - 1];
  if (value < (edges[0] ?? 0) || value > (edges[high] ?? 0)) return -1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((edges[middle] ?? 0) <= value) low = middle;
    else high = middle;
  }
  return low;
}

/** Round numbers along an axis, a handful. */
export function marks({ low, high, log }: Axis, most: number): number[] {
  if (low === high) return [low];
  if (log) {
    const found: number[] = [];
    const [first, last] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)];
    const step = Math.max(1, Math.ceil((last - first + 1) / most));
    for (let e = first; e <= last; e += step) found.push(10 ** e);
    return found.length > 1 ? found : [low, high];
  }
  const rough = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((one) => one * power >= rough) ?? 10) * power;
  const found: number[] = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) found.push(Number((i * step).toPrecision(12)));
  return found;
}

/** A number as an axis has it. */
export function short(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e5 || size < 1e-3)) return value.toExponential(0).replace("e+", "e");
  return String(Number(value.toPrecision(3)));
}

/** The rows whose place in the plot lies in a box of shares, from 0 to 1; a missing axis holds all. */
export function brushed(
  across: ArrayLike<number>, up: ArrayLike<number> | null, shown: Uint8Array | null,
  box: { readonly x: readonly [number, number]; readonly y: readonly [number, number] | null },
): number[] {
  const found: number[] = [];
  for (let i = 0; i < across.length; i++) {
    const [x, y] = [across[i] ?? NaN, up?.[i] ?? NaN];
    if (shown !== null && !shown[i]) continue;
    if (!(x >= box.x[0] && x <= box.x[1])) continue;
    if (up !== null && box.y !== null && !(y >= box.y[0] && y <= box.y[1])) continue;
    found.push(i);
  }
  return found;
}
