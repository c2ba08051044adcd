/** Which rows are selected: a byte a row here, a bit a row on its way to the kernel. No DOM here. */

/** Bits, the first row the lowest of the first byte; nothing where none is selected. */
export function packed(mask: Uint8Array): Uint8Array {
  const found = new Uint8Array(Math.ceil(mask.length / 8));
  let any = false;
  for (let i = 0; i < mask.length; i++) {
    if (!mask[i]) continue;
    any = true;
    found[i >> 3]! |= 1 << (i & 7);
  }
  return any ? found : new Uint8Array(0);
}

export function unpacked(view: unknown, count: number): Uint8Array {
  const found = new Uint8Array(count);
  if (!ArrayBuffer.isView(view) || view.byteLength === 0) return found;
  const bits = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  for (let i = 0; i < count; i++) found[i] = ((bits[i >> 3] ?? 0) >> (i & 7)) & 1;
  return found;
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

export function countOf(mask: Uint8Array): number {
  let n = 0;
  for (const one of mask) n += one;
  return n;
}

/** The mask after rows were chosen: alone, or with `more` added; rows that all were in it then leave it. */
export function chosen(before: Uint8Array, rows: ArrayLike<number>, more: boolean): Uint8Array {
  const found = more ? before.slice() : new Uint8Array(before.length);
  let all = more && rows.length > 0;
  for (let i = 0; all && i < rows.length; i++) all = before[rows[i] ?? 0] === 1;
  for (let i = 0; i < rows.length; i++) found[rows[i] ?? 0] = all ? 0 : 1;
  return found;
}
