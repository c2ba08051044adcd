/** Rows in order: by radix, so that a million take a moment, and equal ones stay as they are. No DOM here. */

import { type Column, numberAt } from "./data";

const DIGIT = 0x10000;

/** Numbers that sort as the values do: text by its alphabet. */
export function keysOf(column: Column, count: number): Float64Array {
  const keys = new Float64Array(count);
  if (column.classes === null) {
    for (let i = 0; i < count; i++) keys[i] = numberAt(column, i);
    return keys;
  }
  const byName = column.classes.map((name, code) => [name, code] as const);
  byName.sort(([a], [b]) => a.localeCompare(b, undefined, { numeric: true }));
  const rank = new Float64Array(byName.length);
  byName.forEach(([, code], place) => (rank[code] = place));
  for (let i = 0; i < count; i++) {
    const code = numberAt(column, i);
    keys[i] = Number.isNaN(code) ? NaN : (rank[code] ?? NaN);
  }
  return keys;
}

/** Rows by their keys; those without one (nan) last, whichever way. */
export function ordered(rows: Uint32Array, keys: Float64Array, down: boolean): Uint32Array {
  const there = rows.filter((row) => !Number.isNaN(keys[row] ?? NaN));
  const count = there.length;
  const digits = [0, 1, 2, 3].map(() => new Uint16Array(count));
  const view = new DataView(new ArrayBuffer(8));
  for (let i = 0; i < count; i++) {
    // 0 and -0 are one.
    view.setFloat64(0, (keys[there[i] ?? 0] ?? 0) + 0);
    let [high, low] = [view.getUint32(0), view.getUint32(4)];
    // Bits that sort as unsigned numbers: negative ones turned round, the sign first. From below, all are turned again.
    if (high >>> 31) [high, low] = [~high >>> 0, ~low >>> 0];
    else high = (high | 0x80000000) >>> 0;
    if (down) [high, low] = [~high >>> 0, ~low >>> 0];
    (digits[0] as Uint16Array)[i] = low & 0xffff;
    (digits[1] as Uint16Array)[i] = low >>> 16;
    (digits[2] as Uint16Array)[i] = high & 0xffff;
    (digits[3] as Uint16Array)[i] = high >>> 16;
  }
  let order = new Uint32Array(count);
  for (let i = 0; i < count; i++) order[i] = i;
  let spare = new Uint32Array(count);
  for (const digit of digits) {
    const starts = new Uint32Array(DIGIT + 1);
    for (let i = 0; i < count; i++) starts[(digit[i] ?? 0) + 1]!++;
    // All alike: nothing moves.
    if (count > 0 && starts[(digit[0] ?? 0) + 1] === count) continue;
    for (let i = 0; i < DIGIT; i++) starts[i + 1]! += starts[i] ?? 0;
    for (let i = 0; i < count; i++) {
      const one = order[i] ?? 0;
      spare[starts[digit[one] ?? 0]!++] = one;
    }
    [order, spare] = [spare, order];
  }
  const found = new Uint32Array(rows.length);
  for (let i = 0; i < count; i++) found[i] = there[order[i] ?? 0] ?? 0;
  let at = count;
  if (count < rows.length) for (const row of rows) if (Number.isNaN(keys[row] ?? NaN)) found[at++] = row;
  return found;
}

/** The rows whose entry in the mask is not 0. */
export function rowsOf(mask: Uint8Array): Uint32Array {
  let n = 0;
  for (const one of mask) n += one;
  const found = new Uint32Array(n);
  let at = 0;
  for (let i = 0; i < mask.length; i++) if (mask[i]) found[at++] = i;
  return found;
}
