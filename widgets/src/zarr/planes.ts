/** Rectangles of planes as frames, out of the chunks of a volume's levels: what the tile service of a kernel would send. */

import { CODEC, DTYPE, FLAG, type Frame } from "../core/frames";
import { type Hole, joined } from "../core/holes";
import { type Chunk, type Kept, ZarrArray } from "./array";
import { type Numbers, arrayOf, filled } from "./codecs";
import { intern } from "./intern";
import type { Level, Volume } from "./protocol";
import { Reach } from "./reach";

/** A rectangle of a plane, in voxels of what the volume shows of a level; half-open. */
export interface Cut {
  readonly level: number;
  readonly axis: string;
  readonly t: number;
  readonly c: number;
  readonly depth: number;
  readonly rows: readonly [number, number];
  readonly columns: readonly [number, number];
}

/** Depth, rows and columns of a plane in (z, y, x), as in ndlab/serve/query.py. */
const AXES: Readonly<Record<string, readonly [number, number, number]>> = { xy: [0, 1, 2], xz: [1, 0, 2], yz: [2, 0, 1], zy: [2, 1, 0] };

/** Everything but its number. */
export type Made = Omit<Frame, "index">;

export class Planes {
  private readonly arrays = new Map<string, Promise<ZarrArray>>();

  constructor(
    private readonly volume: Volume,
    private readonly version: string,
    private readonly kept: Kept,
    private readonly reach: Reach,
  ) {}

  /** The frame of a rectangle, cut to the volume; one that says why, where it cannot be read. */
  async frame(cut: Cut): Promise<Made> {
    try {
      return await this.read(cut);
    } catch (error) {
      return text(error instanceof Error ? error.message : String(error));
    }
  }

  private async read(cut: Cut): Promise<Made> {
    const level = this.volume.levels[cut.level];
    const axes = AXES[cut.axis];
    if (level === undefined || axes === undefined) return text(`level ${cut.level} along ${cut.axis}, which is not there`);
    const [depth, row, column] = axes;
    const [r0, c0] = [cut.rows[0], cut.columns[0]];
    const [r1, c1] = [Math.min(cut.rows[1], level.shape[row] as number), Math.min(cut.columns[1], level.shape[column] as number)];
    if (cut.depth < 0 || cut.depth >= (level.shape[depth] as number) || r0 < 0 || c0 < 0 || r0 >= r1 || c0 >= c1) return outside();
    const array = await this.open(level);
    const lead = level.start.length - 3;
    const [start, stop] = [[...level.start], level.start.map((n) => n + 1)];
    // Times and channels stand before z, as the volume names them.
    this.volume.lead.forEach((name, axis) => {
      start[axis] = (level.start[axis] as number) + (name === "t" ? cut.t : cut.c);
      stop[axis] = (start[axis] as number) + 1;
    });
    for (const [axis, from, to] of [[depth, cut.depth, cut.depth + 1], [row, r0, r1], [column, c0, c1]] as const) {
      start[lead + axis] = (level.start[lead + axis] as number) + from;
      stop[lead + axis] = (level.start[lead + axis] as number) + to;
    }
    const { values, absent, holes } = await cutOut(array, level, start, stop, lead + row, lead + column);
    const made = this.volume.labels ? labels(values, r1 - r0, c1 - c0) : image(values, r1 - r0, c1 - c0);
    if (absent) return { ...made, flags: made.flags | FLAG.absent };
    if (this.volume.labels || holes.length === 0) return made;
    return { ...made, flags: made.flags | FLAG.holes, payload: joined(made.payload, holes) };
  }

  private open(level: Level): Promise<ZarrArray> {
    const known = this.arrays.get(level.url);
    if (known !== undefined) return known;
    const asked = ZarrArray.open(level.url, this.reach, this.kept, `${level.url}|${this.version}`);
    this.arrays.set(level.url, asked);
    asked.catch(() => this.arrays.delete(level.url));
    return asked;
  }
}

/** Voxels of a box that is one thick but along two axes, row by row. All axes are those of the volume. */
async function cutOut(array: ZarrArray, level: Level, start: readonly number[], stop: readonly number[], row: number, column: number): Promise<CutOut> {
  const { dtype, fill, chain } = array.meta;
  // Axes that the array has and the volume does not, are one voxel thick.
  const where = array.meta.shape.map((_, stored) => level.order.indexOf(stored));
  const from = where.map((axis) => (axis < 0 ? 0 : (start[axis] as number)));
  const to = where.map((axis) => (axis < 0 ? 1 : (stop[axis] as number)));
  const places = grid(from, to, chain.chunk);
  const chunks = await array.chunks(places);
  const [height, width] = [(stop[row] as number) - (start[row] as number), (stop[column] as number) - (start[column] as number)];
  const absent = chunks.every((chunk) => chunk === null);
  const values = absent ? filled(dtype, height * width, fill) : new (arrayOf(dtype))(height * width);
  const [rows, columns] = [level.order[row] ?? null, level.order[column] ?? null];
  const target = { from, to, rows, columns, width, chain, fill, values };
  const pasted = absent ? [] : places.map((at, i) => paste(chunks[i] as Chunk, at, target));
  return { values, absent, holes: pasted.filter((_, i) => chunks[i] === null) };
}

interface CutOut {
  readonly values: Numbers;
  /** Whether no chunk under it is stored; else, which are not. */
  readonly absent: boolean;
  readonly holes: readonly Hole[];
}

interface Target {
  readonly from: readonly number[];
  readonly to: readonly number[];
  /** Stored axes; null where the array has none, and one voxel stands for it. */
  readonly rows: number | null;
  readonly columns: number | null;
  readonly width: number;
  readonly chain: ZarrArray["meta"]["chain"];
  readonly fill: number | bigint;
  readonly values: Numbers;
}

/** Copy what a chunk holds of a rectangle, and say where that is. */
function paste(chunk: Chunk, at: readonly number[], { from, to, rows, columns, width, chain, fill, values }: Target): Hole {
  const size = chain.chunk;
  const steps = strides(size, chain.order);
  const low = at.map((n, axis) => Math.max(from[axis] as number, n * (size[axis] as number)));
  const high = at.map((n, axis) => Math.min(to[axis] as number, (n + 1) * (size[axis] as number)));
  const span = (axis: number | null): readonly [number, number, number] =>
    axis === null ? [0, 1, 0] : [(low[axis] as number) - (from[axis] as number), (high[axis] as number) - (low[axis] as number), steps[axis] as number];
  const [top, height, down] = span(rows);
  const [left, count, right] = span(columns);
  const first = low.reduce((sum, n, axis) => sum + (n - (at[axis] as number) * (size[axis] as number)) * (steps[axis] as number), 0);
  // The same for all types of numbers.
  const [into, out] = [values as Uint8Array, chunk as Uint8Array | null];
  for (let y = 0; y < height; y++) {
    const [begin, source] = [(top + y) * width + left, first + y * down];
    if (out === null) into.fill(fill as number, begin, begin + count);
    else if (right === 1) into.set(out.subarray(source, source + count), begin);
    else for (let x = 0; x < count; x++) into[begin + x] = out[source + x * right] as number;
  }
  return { top, bottom: top + height, left, right: left + count };
}

/** Numbers of the chunks that a box touches. */
function grid(from: readonly number[], to: readonly number[], chunk: readonly number[]): number[][] {
  return from.reduce<number[][]>(
    (found, low, axis) => {
      const [first, last] = [Math.floor(low / (chunk[axis] as number)), Math.ceil((to[axis] as number) / (chunk[axis] as number))];
      return found.flatMap((at) => Array.from({ length: last - first }, (_, i) => [...at, first + i]));
    },
    [[]],
  );
}

/** How far apart neighbours along each axis are in a chunk. */
function strides(chunk: readonly number[], order: readonly number[]): number[] {
  const found = chunk.map(() => 1);
  let step = 1;
  for (const axis of [...order].reverse()) {
    found[axis] = step;
    step *= chunk[axis] as number;
  }
  return found;
}

// --- frames -----------------------------------------------------------------------------------------------------------

function image(values: Numbers, height: number, width: number): Made {
  const sent = sendable(values);
  const dtype = sent instanceof Uint8Array ? DTYPE.u8 : sent instanceof Uint16Array ? DTYPE.u16 : DTYPE.f32;
  const same = isConstant(sent);
  const one = same ? sent.slice(0, 1) : sent;
  return { codec: same ? CODEC.constant : CODEC.raw, dtype, height, width, flags: 0, payload: bytesOf(one) };
}

/** Bytes and 16 bits as they are, everything else as reals, as the kernel sends them. */
function sendable(values: Numbers): Uint8Array | Uint16Array | Float32Array {
  if (values instanceof Uint8Array || values instanceof Uint16Array || values instanceof Float32Array) return values;
  const found = new Float32Array(values.length);
  for (let i = 0; i < values.length; i++) found[i] = Number(values[i]);
  return found;
}

function labels(values: Numbers, height: number, width: number): Made {
  const { ids, index } = intern(values);
  if (ids.length === 1) return { codec: CODEC.constant, dtype: DTYPE.u64, height, width, flags: 0, payload: bytesOf(ids) };
  const payload = new Uint8Array(8 + ids.byteLength + index.byteLength);
  const head = new DataView(payload.buffer);
  head.setUint32(0, ids.length, true);
  head.setUint8(4, index.BYTES_PER_ELEMENT);
  payload.set(bytesOf(ids), 8);
  payload.set(bytesOf(index), 8 + ids.byteLength);
  return { codec: CODEC.palette, dtype: DTYPE.u64, height, width, flags: 0, payload };
}

function isConstant(values: Uint8Array | Uint16Array | Float32Array): boolean {
  const first = values[0];
  for (let i = 1; i < values.length; i++) if (values[i] !== first) return false;
  return first === first;
}

function bytesOf(values: ArrayBufferView): Uint8Array {
  return new Uint8Array(values.buffer as ArrayBuffer, values.byteOffset, values.byteLength);
}

function text(message: string): Made {
  return { codec: CODEC.text, dtype: DTYPE.u8, height: 0, width: 0, flags: FLAG.error, payload: new TextEncoder().encode(message) };
}

function outside(): Made {
  return { codec: CODEC.constant, dtype: DTYPE.u8, height: 0, width: 0, flags: FLAG.outside, payload: new Uint8Array(1) };
}
