/** What Blosc wraps around blocks of other compressors, and LZ4 and BloscLZ, which browsers do not know. */

/*! With fzstd 0.1.1:

MIT License

Copyright (c) 2020 Arjun Barrett

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
*/

import { decompress as zstd } from "fzstd";

/** Undoes deflate as zlib writes it; the browser's own, which only answers later. */
export type Inflate = (bytes: Uint8Array, format: "gzip" | "deflate") => Promise<Uint8Array>;

/** A block of LZ4, into `out`. */
export function lz4(bytes: Uint8Array, out: Uint8Array): Uint8Array {
  let [at, to] = [0, 0];
  const more = (length: number): number => {
    if (length < 15) return length;
    for (let next = 255; next === 255; length += next) next = bytes[at++] ?? 0;
    return length;
  };
  while (at < bytes.length) {
    const token = bytes[at++] ?? 0;
    const literals = more(token >> 4);
    out.set(bytes.subarray(at, at + literals), to);
    [at, to] = [at + literals, to + literals];
    if (at >= bytes.length) break;
    const back = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
    at += 2;
    to = repeat(out, to, back, 4 + more(token & 15));
  }
  return whole(out, to, "LZ4");
}

/** A block of BloscLZ, into `out`: literals in runs of up to 32, and matches up to 64 KiB and some more back. */
export function blosclz(bytes: Uint8Array, out: Uint8Array): Uint8Array {
  const NEAR = 8191;
  let [at, to] = [0, 0];
  let control = (bytes[at++] ?? 0) & 31;
  for (;;) {
    if (control < 32) {
      out.set(bytes.subarray(at, at + control + 1), to);
      [at, to] = [at + control + 1, to + control + 1];
    } else {
      let length = (control >> 5) - 1;
      let back = (control & 31) << 8;
      if (length === 6) for (let next = 255; next === 255; length += next) next = bytes[at++] ?? 0;
      const low = bytes[at++] ?? 0;
      back += low;
      if (low === 255 && (control & 31) === 31) {
        back = NEAR + (((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0));
        at += 2;
      }
      to = repeat(out, to, back + 1, length + 3);
    }
    if (at >= bytes.length) return whole(out, to, "BloscLZ");
    control = bytes[at++] ?? 0;
  }
}

/** Copy `length` bytes from so far back; what is copied may be what was just written. */
function repeat(out: Uint8Array, to: number, back: number, length: number): number {
  if (back === 0 || back > to || to + length > out.length) throw new Error("a match that reaches outside");
  if (back >= length) out.copyWithin(to, to - back, to - back + length);
  else for (let i = 0; i < length; i++) out[to + i] = out[to + i - back] as number;
  return to + length;
}

function whole(out: Uint8Array, length: number, name: string): Uint8Array {
  if (length !== out.length) throw new Error(`${name}: ${length} bytes where ${out.length} belong`);
  return out;
}

const [BYTES, MEMCPY, BITS, NO_SPLIT] = [1, 2, 4, 16] as const;
const CODECS = ["blosclz", "lz4", "snappy", "zlib", "zstd"] as const;

/** A chunk of Blosc 1, the one that Zarr means. */
export async function blosc(bytes: Uint8Array, inflate: Inflate): Promise<Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [flags, size] = [view.getUint8(2), view.getUint8(3)];
  const [total, block] = [view.getUint32(4, true), view.getUint32(8, true)];
  if (view.getUint32(12, true) !== bytes.length) throw new Error(`Blosc: ${bytes.length} bytes where ${view.getUint32(12, true)} belong`);
  const out = new Uint8Array(total);
  if (flags & MEMCPY) {
    out.set(bytes.subarray(16, 16 + total));
    return out;
  }
  const codec = CODECS[flags >> 5] ?? "lz4";
  for (let number = 0; number * block < total; number++) {
    const into = out.subarray(number * block, Math.min(total, (number + 1) * block));
    // A last block that is not full is never split.
    const parts = (flags & NO_SPLIT) === 0 && size <= 16 && into.length === block && block / size >= 128 ? size : 1;
    let at = view.getUint32(16 + 4 * number, true);
    const stored = new Uint8Array(into.length);
    for (let part = 0; part < parts; part++) {
      const length = view.getInt32(at, true);
      const piece = stored.subarray((part * into.length) / parts, ((part + 1) * into.length) / parts);
      const packed = bytes.subarray(at + 4, at + 4 + length);
      at += 4 + length;
      if (packed.length !== length) throw new Error("Blosc: a block reaches outside");
      if (length === piece.length) piece.set(packed);
      else await unpack(codec, packed, piece, inflate);
    }
    if (flags & BYTES && size > 1) unshuffle(stored, size, into);
    else if (flags & BITS) unshuffleBits(stored, size, into);
    else into.set(stored);
  }
  return out;
}

async function unpack(codec: (typeof CODECS)[number], packed: Uint8Array, into: Uint8Array, inflate: Inflate): Promise<void> {
  if (codec === "lz4") lz4(packed, into);
  else if (codec === "blosclz") blosclz(packed, into);
  else if (codec === "zstd") into.set(zstd(packed, new Uint8Array(into.length)));
  else if (codec === "zlib") into.set(await inflate(packed, "deflate"));
  else throw new Error(`Blosc with ${codec}, which this page cannot undo`);
}

/** First all first bytes, then all second ones … -> element after element. */
export function unshuffle(stored: Uint8Array, size: number, into: Uint8Array): void {
  const count = Math.floor(stored.length / size);
  for (let byte = 0; byte < size; byte++) {
    for (let i = 0, at = byte * count, to = byte; i < count; i++, at++, to += size) into[to] = stored[at] as number;
  }
  // What is no whole element stands as it was.
  into.set(stored.subarray(count * size), count * size);
}

/** First all first bits, then all second ones …; where the elements do not make whole bytes, nothing was turned at all. */
export function unshuffleBits(stored: Uint8Array, size: number, into: Uint8Array): void {
  const count = Math.floor(stored.length / size);
  if (count % 8 !== 0) {
    into.set(stored);
    return;
  }
  const row = count / 8;
  for (let bit = 0; bit < 8 * size; bit++) {
    const [byte, shift] = [bit >> 3, bit & 7];
    for (let i = 0; i < row; i++) {
      const eight = stored[bit * row + i] as number;
      if (eight === 0) continue;
      for (let k = 0; k < 8; k++) {
        const at = (8 * i + k) * size + byte;
        if (eight & (1 << k)) into[at] = (into[at] as number) | (1 << shift);
      }
    }
  }
  into.set(stored.subarray(count * size), count * size);
}
