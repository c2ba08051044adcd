/** Files as several messages: one of all would be refused on the way. No DOM here. */

const PIECE = 4 * 2 ** 20;

/** The bytes of a file in pieces, one at least. */
export function pieces(bytes: Uint8Array, size = PIECE): ArrayBuffer[] {
  const found: ArrayBuffer[] = [];
  for (let at = 0; at === 0 || at < bytes.length; at += size) found.push(bytes.slice(at, at + size).buffer as ArrayBuffer);
  return found;
}

export interface Saved {
  readonly name: string;
  readonly part: number;
  readonly parts: number;
  bytes?: ArrayBuffer[];
}

/** Take a piece; all of them once the last is there, else null. */
export function joined(kept: Saved, piece: Saved, buffers: readonly DataView[]): ArrayBuffer[] | null {
  const bytes = (kept.bytes ??= []);
  for (const one of buffers) bytes.push(one.buffer.slice(one.byteOffset, one.byteOffset + one.byteLength) as ArrayBuffer);
  return piece.part + 1 === piece.parts ? bytes : null;
}
