/**
 * Frames: how tiles come, whatever carries them. A header of 16 bytes and a payload, little-endian; see
 * ndlab/serve/wire.py, whose tests share widgets/test/frames.json with those of this file.
 */

import { Folded } from "./folded";
import { type Hole, NO_HOLES, parted } from "./holes";
import type { Indices } from "./rows";

export const HEADER = 16;
export const CODEC = { raw: 0, jpeg: 1, palette: 2, rows: 3, constant: 4, text: 5 } as const;
export const DTYPE = { u8: 0, u16: 1, f32: 2, u64: 3 } as const;
export const FLAG = { error: 1, absent: 2, last: 4, outside: 8, holes: 16 } as const;

export interface Frame {
  /** Which key of the request this answers, or the running number of a played plane. */
  readonly index: number;
  readonly codec: number;
  readonly dtype: number;
  readonly height: number;
  readonly width: number;
  readonly flags: number;
  /** A buffer of its own, or a view of one. */
  readonly payload: Uint8Array;
}

/** The layer that a played plane belongs to. */
export function layerOf(frame: Frame): number {
  return (frame.flags >>> 8) & 0xff;
}

/** Puts a stream of bytes, cut anywhere, together into frames. Each byte is copied once. */
export class FrameParser {
  private readonly head = new Uint8Array(HEADER);
  private filled = 0;
  private frame: Frame | null = null;

  /** Take in the next bytes; returns the frames that they complete. */
  push(chunk: Uint8Array): Frame[] {
    const done: Frame[] = [];
    let at = 0;
    while (at < chunk.length || this.complete()) {
      at += this.frame === null ? this.fill(this.head, chunk, at) : this.fill(this.frame.payload, chunk, at);
      if (this.frame === null && this.filled === HEADER) {
        this.frame = header(this.head);
        this.filled = 0;
      }
      if (this.frame !== null && this.complete()) {
        done.push(this.frame);
        this.frame = null;
        this.filled = 0;
      }
    }
    return done;
  }

  /** Whether the stream may end here: between frames. */
  get clean(): boolean {
    return this.frame === null && this.filled === 0;
  }

  private complete(): boolean {
    return this.frame !== null && this.filled === this.frame.payload.length;
  }

  private fill(into: Uint8Array, chunk: Uint8Array, at: number): number {
    const n = Math.min(into.length - this.filled, chunk.length - at);
    into.set(chunk.subarray(at, at + n), this.filled);
    this.filled += n;
    return n;
  }
}

function header(bytes: Uint8Array): Frame {
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER);
  return {
    payload: new Uint8Array(view.getUint32(0, true)),
    index: view.getUint16(4, true),
    codec: view.getUint8(6),
    dtype: view.getUint8(7),
    height: view.getUint16(8, true),
    width: view.getUint16(10, true),
    flags: view.getUint32(12, true),
  };
}

/** One whole frame, as a message carries it. */
export function unpack(bytes: Uint8Array): Frame {
  if (bytes.length < HEADER) throw new Error(`a frame of ${bytes.length} bytes; its header has ${HEADER}`);
  const frame = header(bytes.slice(0, HEADER));
  const payload = bytes.subarray(HEADER);
  if (payload.length !== frame.payload.length) {
    throw new Error(`a frame of ${payload.length} bytes says that it has ${frame.payload.length}`);
  }
  return { ...frame, payload };
}

export type Values = Uint8Array | Uint16Array | Uint32Array | Float32Array;

/** What a frame says, ready to draw and to read from. */
export type Picture =
  | {
      readonly kind: "values";
      readonly height: number;
      readonly width: number;
      /** Row by row, or one value that holds everywhere. */
      readonly values: Uint8Array | Uint16Array | Float32Array;
      /** Whether these are the values themselves and not those of a JPEG. */
      readonly exact: boolean;
      readonly absent: boolean;
      /** Where no chunk is stored, if others are. */
      readonly holes: readonly Hole[];
    }
  | {
      readonly kind: "labels";
      readonly height: number;
      readonly width: number;
      readonly ids: BigUint64Array;
      /** For each pixel which id, or one for all; not to be kept, see `Folded`. */
      readonly values: Indices;
      readonly absent: boolean;
    }
  | { readonly kind: "error"; readonly message: string }
  | { readonly kind: "outside" };

/** Bytes of the pixels of a picture. */
export function pixelBytes(picture: Picture): number {
  if (picture instanceof Folded) return picture.bytes;
  return picture.kind === "values" || picture.kind === "labels" ? picture.values.byteLength : 0;
}

/** Whether `decode` answers at once and not later. */
export function isQuick(frame: Frame): boolean {
  return frame.codec !== CODEC.jpeg;
}

/** Decode a frame that needs no waiting, see `isQuick`. */
export function decodeQuick(frame: Frame): Picture {
  const { height, width, flags } = frame;
  const [payload, holes] = flags & FLAG.holes ? parted(frame.payload) : [frame.payload, NO_HOLES];
  if (frame.codec === CODEC.text || flags & FLAG.error) return { kind: "error", message: new TextDecoder().decode(payload) };
  if (flags & FLAG.outside) return { kind: "outside" };
  const absent = (flags & FLAG.absent) !== 0;
  if (frame.codec === CODEC.rows) return changes(frame);
  if (frame.codec === CODEC.palette) return palette(frame);
  if (frame.codec === CODEC.constant && frame.dtype === DTYPE.u64) {
    return { kind: "labels", height, width, ids: new BigUint64Array(...placed(payload, 8)), values: new Uint8Array(1), absent };
  }
  if (frame.codec !== CODEC.raw && frame.codec !== CODEC.constant) throw new Error(`a frame of codec ${frame.codec}`);
  const values = numbers(payload, frame.dtype);
  const wanted = frame.codec === CODEC.constant ? 1 : height * width;
  if (values.length !== wanted) throw new Error(`${values.length} values where ${wanted} belong`);
  return { kind: "values", height, width, values, exact: true, absent, holes };
}

/** Decode any frame. */
export async function decode(frame: Frame): Promise<Picture> {
  if (frame.codec !== CODEC.jpeg) return decodeQuick(frame);
  const { height, width, flags } = frame;
  const [payload, holes] = flags & FLAG.holes ? parted(frame.payload) : [frame.payload, NO_HOLES];
  const values = await grey(payload, width, height);
  return { kind: "values", height, width, values, exact: false, absent: (flags & FLAG.absent) !== 0, holes };
}

function numbers(payload: Uint8Array, dtype: number): Uint8Array | Uint16Array | Float32Array {
  if (dtype === DTYPE.u8) return payload;
  if (dtype === DTYPE.u16) return new Uint16Array(...placed(payload, 2));
  if (dtype === DTYPE.f32) return new Float32Array(...placed(payload, 4));
  throw new Error(`a frame of dtype ${dtype}`);
}

/** Where the bytes lie, as whole numbers of `size` bytes; a copy of them if they begin between two of those. */
function placed(bytes: Uint8Array, size: number): [ArrayBuffer, number, number] {
  const whole = bytes.byteOffset % size === 0 && bytes.buffer instanceof ArrayBuffer;
  const { buffer, byteOffset, byteLength } = whole ? bytes : bytes.slice();
  return [buffer as ArrayBuffer, byteOffset, Math.floor(byteLength / size)];
}

const PALETTE_HEAD = 8;

function idsEnd(payload: Uint8Array): number {
  return PALETTE_HEAD + 8 * new DataView(payload.buffer, payload.byteOffset).getUint32(0, true);
}

/** The ids of a label tile; a few of its bytes, which are not worth holding on to the others for. */
function idsOf(payload: Uint8Array): BigUint64Array {
  return new BigUint64Array(payload.slice(PALETTE_HEAD, idsEnd(payload)).buffer);
}

function palette(frame: Frame): Picture {
  const { height, width, payload } = frame;
  const packed = payload.subarray(idsEnd(payload));
  const size = payload[4] ?? 1;
  const values =
    size === 1 ? packed : size === 2 ? new Uint16Array(...placed(packed, 2)) : new Uint32Array(...placed(packed, 4));
  if (values.length !== height * width) throw new Error(`${values.length} labels where ${height * width} belong`);
  return { kind: "labels", height, width, ids: idsOf(payload), values, absent: (frame.flags & FLAG.absent) !== 0 };
}

function changes({ height, width, payload, flags }: Frame): Picture {
  return new Folded(height, width, idsOf(payload), (flags & FLAG.absent) !== 0, payload.subarray(idsEnd(payload)), payload[4] ?? 1);
}

interface Decoder {
  decode(): Promise<{ image: { copyTo(into: Uint8Array): Promise<unknown>; allocationSize(): number; close(): void } }>;
  close(): void;
}

/** The grey values of a JPEG. The browser's own decoder works beside the page; a canvas does where it has none. */
async function grey(payload: Uint8Array, width: number, height: number): Promise<Uint8Array> {
  const Native = (globalThis as { ImageDecoder?: new (init: object) => Decoder }).ImageDecoder;
  if (Native !== undefined) {
    const decoder = new Native({ data: payload, type: "image/jpeg", colorSpaceConversion: "none" });
    try {
      const { image } = await decoder.decode();
      const bytes = new Uint8Array(image.allocationSize());
      await image.copyTo(bytes);
      image.close();
      const step = bytes.length / (width * height);
      // Four bytes a pixel with the grey in each of three; or planes, of which the first is the grey.
      return step === 4 ? every(bytes, 4, width * height) : bytes.slice(0, width * height);
    } finally {
      decoder.close();
    }
  }
  const picture = await createImageBitmap(new Blob([payload as Uint8Array<ArrayBuffer>], { type: "image/jpeg" }));
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  if (context === null) throw new Error("this browser decodes no JPEG");
  context.drawImage(picture, 0, 0);
  picture.close();
  return every(context.getImageData(0, 0, width, height).data, 4, width * height);
}

function every(bytes: Uint8Array | Uint8ClampedArray, step: number, count: number): Uint8Array {
  const found = new Uint8Array(count);
  for (let i = 0; i < count; i++) found[i] = bytes[i * step] ?? 0;
  return found;
}
