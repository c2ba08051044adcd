/** A Zarr array at an address: its chunks, decoded, each fetched once however many planes it reaches through. */

import { Lru } from "../core/lru";
import { type Numbers, decode, undo } from "./codecs";
import { type ArrayMeta, parse2, parse3 } from "./metadata";
import type { Part, Reach } from "./reach";

/** Null: it was never written. */
export type Chunk = Numbers | null;

/** Parts of a shard that lie this near are fetched as one. */
const GAP = 32 << 10;
const MOST = 4 << 20;
const ABSENT = 0xffffffffffffffffn;
const CAPACITY = 192 << 20;

/** Decoded chunks of all arrays. */
export type Kept = Lru<Promise<Chunk>>;

export function keep(capacity = CAPACITY): Kept {
  return new Lru<Promise<Chunk>>(capacity);
}

export class ZarrArray {
  private readonly indices = new Map<string, Promise<BigUint64Array | null>>();

  private constructor(
    readonly url: string,
    readonly meta: ArrayMeta,
    private readonly reach: Reach,
    private readonly kept: Kept,
    /** Tells what is kept of it from other arrays and other versions. */
    private readonly name: string,
  ) {}

  /** Read what it says of itself. */
  static async open(url: string, reach: Reach, kept: Kept, name: string): Promise<ZarrArray> {
    const [three, two] = await Promise.all([reach.get(`${url}/zarr.json`), reach.get(`${url}/.zarray`)]);
    const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
    if (three === null && two === null) throw new Error(`${url} is no Zarr array`);
    const meta = three === null ? parse2(text(two as Uint8Array)) : parse3(text(three));
    return new ZarrArray(url, meta, reach, kept, name);
  }

  /** How many chunks there are along each axis. */
  get counts(): readonly number[] {
    return this.meta.shape.map((n, axis) => Math.ceil(n / (this.meta.chain.chunk[axis] as number)));
  }

  /** Chunks at these places. */
  async chunks(places: readonly (readonly number[])[]): Promise<Chunk[]> {
    const known = places.map((at) => this.kept.get(this.keyOf(at)));
    const fetched = this.fetch(places.filter((_, i) => known[i] === undefined));
    let next = 0;
    return Promise.all(known.map((chunk) => chunk ?? (fetched[next++] as Promise<Chunk>)));
  }

  private keyOf(at: readonly number[]): string {
    return `${this.name}|${at.join()}`;
  }

  /** Begin to fetch; what fails is forgotten, to be tried again when it is wanted again. */
  private fetch(places: readonly (readonly number[])[]): Promise<Chunk>[] {
    const bytes = this.meta.chain.chunk.reduce((a, b) => a * b, this.meta.dtype.size);
    const stored = this.meta.sharding === null ? places.map((at) => this.reach.get(`${this.url}/${this.meta.key(at)}`)) : this.shards(places);
    return places.map((at, i) => {
      const chunk: Promise<Chunk> = (stored[i] as Promise<Uint8Array | null>).then((found) => (found === null ? null : this.decoded(found, at)));
      const key = this.keyOf(at);
      this.kept.set(key, chunk, bytes);
      chunk.catch(() => this.kept.delete(key));
      return chunk;
    });
  }

  private async decoded(stored: Uint8Array, at: readonly number[]): Promise<Chunk> {
    try {
      return await decode(stored, this.meta.dtype, this.meta.chain);
    } catch (error) {
      throw new Error(`chunk ${at.join()} of ${this.url} cannot be decoded: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  // --- shards ------------------------------------------------------------------------------------------------------

  private shards(places: readonly (readonly number[])[]): Promise<Uint8Array | null>[] {
    const parts = this.perShard;
    const groups = new Map<string, { shard: readonly number[]; inside: number[] }>();
    const found = places.map((at) => {
      const shard = at.map((n, axis) => Math.floor(n / (parts[axis] as number)));
      const inside = at.reduce((sum, n, axis) => sum * (parts[axis] as number) + (n % (parts[axis] as number)), 0);
      const group = groups.get(shard.join()) ?? { shard, inside: [] };
      groups.set(shard.join(), { ...group, inside: [...group.inside, inside] });
      return [shard.join(), inside] as const;
    });
    const read = new Map([...groups].map(([name, { shard, inside }]) => [name, this.shard(shard, inside)]));
    return found.map(([name, inside]) => (read.get(name) as Promise<Map<number, Promise<Uint8Array | null>>>).then((all) => all.get(inside) ?? null));
  }

  private get perShard(): readonly number[] {
    return (this.meta.sharding?.shape ?? []).map((n, axis) => Math.round(n / (this.meta.chain.chunk[axis] as number)));
  }

  /** Some chunks of one shard; those that lie side by side come together. */
  private async shard(at: readonly number[], inside: readonly number[]): Promise<Map<number, Promise<Uint8Array | null>>> {
    const url = `${this.url}/${this.meta.key(at)}`;
    const index = await this.index(url);
    const parts = inside.flatMap((number) => {
      const [offset, length] = [index?.[2 * number] ?? ABSENT, index?.[2 * number + 1] ?? ABSENT];
      return offset === ABSENT && length === ABSENT ? [] : [{ number, offset: Number(offset), length: Number(length) }];
    });
    const found = new Map<number, Promise<Uint8Array | null>>();
    for (const run of together(parts)) {
      const whole = this.reach.get(url, run.part);
      for (const { number, offset, length } of run.inside) {
        const start = offset - run.part.offset;
        found.set(number, whole.then((bytes) => bytes?.subarray(start, start + length) ?? null));
      }
    }
    return found;
  }

  /** Offset and length of each chunk of a shard; null where there is no shard. */
  private index(url: string): Promise<BigUint64Array | null> {
    const known = this.indices.get(url);
    if (known !== undefined) return known;
    const asked = this.readIndex(url);
    this.indices.set(url, asked);
    asked.catch(() => this.indices.delete(url));
    return asked;
  }

  private async readIndex(url: string): Promise<BigUint64Array | null> {
    const { index, atStart } = this.meta.sharding as NonNullable<ArrayMeta["sharding"]>;
    const codecs = index.filter(({ name }) => name !== "bytes");
    const plain = 16 * this.perShard.reduce((a, b) => a * b, 1);
    const length = plain + 4 * codecs.filter(({ name }) => name.endsWith("crc32c")).length;
    const stored = await this.reach.get(url, { offset: atStart ? 0 : -1, length });
    if (stored === null) return null;
    const bytes = await undo(stored, codecs).catch((error: Error) => {
      throw new Error(`the index of ${url}: ${error.message}`);
    });
    if (bytes.length !== plain) throw new Error(`${url}: an index of ${bytes.length} bytes where ${plain} belong`);
    return new BigUint64Array(bytes.slice().buffer);
  }
}

interface Piece extends Part {
  readonly number: number;
}

/** Parts that lie near each other, as one each. */
export function together(parts: readonly Piece[]): { readonly part: Part; readonly inside: readonly Piece[] }[] {
  const runs: { part: Part; inside: Piece[] }[] = [];
  for (const piece of [...parts].sort((a, b) => a.offset - b.offset)) {
    const run = runs.at(-1);
    const end = piece.offset + piece.length;
    const near = run !== undefined && piece.offset - run.part.offset - run.part.length <= GAP && end - run.part.offset <= MOST;
    if (!near) runs.push({ part: { offset: piece.offset, length: piece.length }, inside: [piece] });
    else {
      run.part = { offset: run.part.offset, length: Math.max(run.part.length, end - run.part.offset) };
      run.inside.push(piece);
    }
  }
  return runs;
}
