/** What a Zarr array says of itself, version 2 or 3, in one form. */

export type Kind = "b" | "u" | "i" | "f";

export interface Dtype {
  readonly kind: Kind;
  /** Bytes. */
  readonly size: 1 | 2 | 4 | 8;
}

/** One step of what was done to a chunk, to be undone in the reverse order. */
export interface Codec {
  readonly name: string;
  readonly configuration: Readonly<Record<string, unknown>>;
}

/** How the bytes of a chunk became what is stored. */
export interface Chain {
  /** Elements of a chunk along each axis of the array. */
  readonly chunk: readonly number[];
  /** The axes in the order in which a chunk is written, the slowest first. */
  readonly order: readonly number[];
  readonly little: boolean;
  /** Of bytes, in the order in which they were applied. */
  readonly codecs: readonly Codec[];
}

export interface Sharding {
  /** Elements of a shard along each axis. */
  readonly shape: readonly number[];
  readonly index: readonly Codec[];
  readonly atStart: boolean;
}

export interface ArrayMeta {
  readonly shape: readonly number[];
  readonly dtype: Dtype;
  readonly fill: number | bigint;
  readonly chain: Chain;
  readonly sharding: Sharding | null;
  /** The key of a chunk, or of a shard, below the array. */
  key(at: readonly number[]): string;
}

type Json = Readonly<Record<string, unknown>>;

/** Read `zarr.json` of an array. */
export function parse3(text: string): ArrayMeta {
  const found = JSON.parse(text) as Json;
  if (found["node_type"] !== "array") throw new Error(`it is a ${String(found["node_type"])} and no array`);
  const shape = numbers(found["shape"]);
  const dtype = dtype3(found["data_type"]);
  const grid = (found["chunk_grid"] as Json)["configuration"] as Json;
  const codecs = found["codecs"] as Codec[];
  const sharded = codecs.find(({ name }) => name === "sharding_indexed");
  const outer = numbers(grid["chunk_shape"]);
  const config = (sharded?.configuration ?? {}) as Json;
  if (sharded !== undefined && codecs.length > 1) throw new Error("codecs around its shards, which this page cannot undo");
  return {
    shape,
    dtype,
    fill: fill3(found["fill_value"], dtype, text),
    chain: chainOf(sharded === undefined ? outer : numbers(config["chunk_shape"]), sharded === undefined ? codecs : (config["codecs"] as Codec[])),
    sharding: sharded === undefined ? null : { shape: outer, index: config["index_codecs"] as Codec[], atStart: config["index_location"] === "start" },
    key: keys3(found["chunk_key_encoding"] as Json),
  };
}

function keys3(encoding: Json): ArrayMeta["key"] {
  const config = (encoding["configuration"] ?? {}) as { separator?: string };
  if (encoding["name"] === "v2") return (at) => at.join(config.separator ?? ".") || "0";
  return (at) => ["c", ...at].join(config.separator ?? "/");
}

/** What is done to a chunk: first its axes are turned, then its elements become bytes, then those are packed. */
function chainOf(chunk: readonly number[], codecs: readonly Codec[]): Chain {
  let order = chunk.map((_, axis) => axis);
  let little = true;
  const rest: Codec[] = [];
  for (const { name, configuration = {} } of codecs) {
    if (name === "transpose") order = numbers(configuration["order"]).map((axis) => order[axis] as number);
    else if (name === "bytes" || name === "endian") little = configuration["endian"] !== "big";
    else rest.push({ name, configuration });
  }
  return { chunk, order, little, codecs: rest };
}

/** Read `.zarray`. */
export function parse2(text: string): ArrayMeta {
  const found = JSON.parse(text) as Json;
  const { dtype, little } = dtype2(found["dtype"]);
  const chunk = numbers(found["chunks"]);
  const axes = chunk.map((_, axis) => axis);
  const packed = [...((found["filters"] ?? []) as Json[]), ...(found["compressor"] ? [found["compressor"] as Json] : [])];
  const separator = (found["dimension_separator"] as string | undefined) ?? ".";
  return {
    shape: numbers(found["shape"]),
    dtype,
    fill: fill3(found["fill_value"] ?? 0, dtype, text),
    chain: { chunk, order: found["order"] === "F" ? axes.reverse() : axes, little, codecs: packed.map((one) => ({ name: String(one["id"]), configuration: one })) },
    sharding: null,
    key: (at) => at.join(separator) || "0",
  };
}

function dtype2(given: unknown): { dtype: Dtype; little: boolean } {
  const found = /^([<>|])([buif])([1248])$/.exec(String(given));
  if (found === null) throw new Error(`voxels of ${JSON.stringify(given)}, which this page cannot read`);
  return { dtype: { kind: found[2] as Kind, size: Number(found[3]) as Dtype["size"] }, little: found[1] !== ">" };
}

function dtype3(given: unknown): Dtype {
  if (given === "bool") return { kind: "b", size: 1 };
  const found = /^(u?int|float)(8|16|32|64)$/.exec(String(given));
  if (found === null) throw new Error(`voxels of ${JSON.stringify(given)}, which this page cannot read`);
  return { kind: (found[1] === "float" ? "f" : found[1] === "uint" ? "u" : "i") as Kind, size: (Number(found[2]) / 8) as Dtype["size"] };
}

/** The value of what was never written. `text`: whole numbers beyond 2^53 are read from the JSON itself. */
function fill3(given: unknown, { kind, size }: Dtype, text: string): number | bigint {
  if (kind !== "f" && size === 8) return BigInt(/"fill_value"\s*:\s*(-?\d+)\b/.exec(text)?.[1] ?? 0);
  if (typeof given === "number" || typeof given === "boolean") return Number(given);
  if (typeof given !== "string") throw new Error(`a fill value ${JSON.stringify(given)}`);
  if (given.startsWith("0x")) return floatOf(BigInt(given), size);
  const words: Readonly<Record<string, number>> = { NaN: NaN, Infinity: Infinity, "-Infinity": -Infinity };
  return words[given] ?? Number(given);
}

function floatOf(bits: bigint, size: number): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, bits << BigInt(8 * (8 - size)));
  return size === 8 ? view.getFloat64(0) : size === 4 ? view.getFloat32(0) : halfOf(view.getUint16(0));
}

/** A number of 16 bits. */
export function halfOf(bits: number): number {
  const [sign, exponent, part] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return part ? NaN : sign * Infinity;
  return sign * (exponent === 0 ? part * 2 ** -24 : (1024 + part) * 2 ** (exponent - 25));
}

function numbers(given: unknown): number[] {
  if (!Array.isArray(given) || !given.every((one) => Number.isSafeInteger(one))) throw new Error(`${JSON.stringify(given)} where whole numbers belong`);
  return given as number[];
}
