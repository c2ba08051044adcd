/** From stored bytes to the numbers of a chunk. */

import { decompress as zstd } from "fzstd";
import { type Inflate, blosc, lz4 } from "./blocks";
import type { Chain, Codec, Dtype } from "./metadata";
import { halfOf } from "./metadata";

/** Voxels of a chunk; halves are widened, truth is 0 or 1. */
export type Numbers =
  | Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array
  | Float32Array | Float64Array | BigUint64Array | BigInt64Array; // prettier-ignore

const inflate: Inflate = async (bytes, format) => {
  const stream = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new DecompressionStream(format));
  return new Uint8Array(await new Response(stream).arrayBuffer());
};

/** Undo what was done to bytes, the last step first. */
export async function undo(bytes: Uint8Array, codecs: readonly Codec[]): Promise<Uint8Array> {
  for (const { name } of [...codecs].reverse()) bytes = await undoing(name)(bytes);
  return bytes;
}

function undoing(name: string): (bytes: Uint8Array) => Uint8Array | Promise<Uint8Array> {
  switch (name) {
    case "gzip":
      return (bytes) => inflate(bytes, "gzip");
    case "zlib":
    case "numcodecs.zlib":
      return (bytes) => inflate(bytes, "deflate");
    case "zstd":
    case "numcodecs.zstd":
      return (bytes) => zstd(bytes);
    case "blosc":
    case "numcodecs.blosc":
      return (bytes) => blosc(bytes, inflate);
    case "lz4":
    case "numcodecs.lz4":
      return (bytes) => lz4(bytes.subarray(4), new Uint8Array(new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true)));
    case "crc32c":
    case "numcodecs.crc32c":
      return whole;
    default:
      throw new Error(`codec ${name}, which this page cannot undo`);
  }
}

/** What a checksum (CRC-32C, at the end) says was written; nothing else is taken for it. */
function whole(bytes: Uint8Array): Uint8Array {
  const found = bytes.subarray(0, Math.max(0, bytes.length - 4));
  const stated = bytes.length < 4 ? -1 : new DataView(bytes.buffer, bytes.byteOffset + found.length).getUint32(0, true);
  if (crc32c(found) !== stated) throw new Error("its checksum says that it is damaged");
  return found;
}

let table: Uint32Array | null = null;

/** CRC-32C (Castagnoli). */
export function crc32c(bytes: Uint8Array): number {
  table ??= Uint32Array.from({ length: 256 }, (_, n) => {
    for (let k = 0; k < 8; k++) n = n & 1 ? (n >>> 1) ^ 0x82f63b78 : n >>> 1;
    return n >>> 0;
  });
  let sum = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) sum = (sum >>> 8) ^ (table[(sum ^ (bytes[i] as number)) & 255] as number);
  return (sum ^ 0xffffffff) >>> 0;
}

const TYPES = {
  b1: Uint8Array, u1: Uint8Array, u2: Uint16Array, u4: Uint32Array, u8: BigUint64Array,
  i1: Int8Array, i2: Int16Array, i4: Int32Array, i8: BigInt64Array, f2: Uint16Array, f4: Float32Array, f8: Float64Array,
} as const; // prettier-ignore

/** An array of so many voxels of one value. */
export function filled(dtype: Dtype, count: number, value: number | bigint): Numbers {
  const found = new (arrayOf(dtype))(count) as Numbers;
  return typeof value === "bigint" ? (found as BigUint64Array).fill(value) : (found as Uint8Array).fill(value);
}

/** What voxels of a type are held in. */
export function arrayOf(dtype: Dtype): new (count: number) => Numbers {
  return dtype.kind === "f" && dtype.size === 2 ? Float32Array : TYPES[`${dtype.kind}${dtype.size}` as keyof typeof TYPES];
}

/** The voxels of a stored chunk. */
export async function decode(stored: Uint8Array, dtype: Dtype, chain: Chain): Promise<Numbers> {
  const bytes = await undo(stored, chain.codecs);
  const count = chain.chunk.reduce((a, b) => a * b, 1);
  if (bytes.length !== count * dtype.size) throw new Error(`${bytes.length} bytes where ${count * dtype.size} belong`);
  // A view of its own: elements begin at whole multiples of their size.
  const own = bytes.byteOffset % dtype.size === 0 ? bytes : bytes.slice();
  if (!chain.little && dtype.size > 1) turn(own, dtype.size);
  const type = TYPES[`${dtype.kind}${dtype.size}` as keyof typeof TYPES];
  const found = new (type as Uint8ArrayConstructor)(own.buffer as ArrayBuffer, own.byteOffset, count);
  return dtype.kind === "f" && dtype.size === 2 ? Float32Array.from(found, halfOf) : found;
}

/** Big-endian to little-endian, in place. */
function turn(bytes: Uint8Array, size: number): void {
  for (let at = 0; at < bytes.length; at += size) bytes.subarray(at, at + size).reverse();
}
