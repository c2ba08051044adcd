import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createServer } from "node:http";
import { CODEC, FLAG, decodeQuick } from "../src/core/frames";
import { Answers } from "../src/zarr/answer";
import { together } from "../src/zarr/array";
import { crc32c, undo } from "../src/zarr/codecs";
import { intern } from "../src/zarr/intern";
import { halfOf, parse2, parse3 } from "../src/zarr/metadata";
import type { Made } from "../src/zarr/planes";
import chunks from "./chunks.json";

const hex = (text: string): Uint8Array => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));

/** What chunks.json holds packed; tests/explore/test_stored.py has the same rule. */
function pattern(length: number, noise: boolean): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (noise ? Math.imul(i, 2654435761) >>> 24 : i % 64 === 0 ? (i * i) >> 4 : i >> 6));
}

describe("chunks that numcodecs packed", () => {
  it.each(chunks)("$about", async ({ codec, bytes, noise, hex: packed }) => {
    const found = await undo(hex(packed), [{ name: codec, configuration: {} }]);
    expect(found).toEqual(pattern(bytes, noise));
  });

  it("are checked against their checksum", async () => {
    // The check value of CRC-32C in the catalogues.
    expect(crc32c(new TextEncoder().encode("123456789"))).toBe(0xe3069283);
    const bytes = Uint8Array.of(...new TextEncoder().encode("123456789"), 0x83, 0x92, 0x06, 0xe3);
    const codecs = [{ name: "crc32c", configuration: {} }];
    expect(await undo(bytes, codecs)).toEqual(bytes.subarray(0, 9));
    await expect(undo(bytes.map((byte, i) => (i === 4 ? byte ^ 1 : byte)), codecs)).rejects.toThrow("damaged");
    await expect(undo(bytes.subarray(0, 3), codecs)).rejects.toThrow("damaged");
  });

  it("of an unknown codec are refused by name", async () => {
    await expect(undo(new Uint8Array(4), [{ name: "jpegxl", configuration: {} }])).rejects.toThrow("codec jpegxl");
  });

  it("that are damaged do not become other voxels", async () => {
    const blosc = chunks.find(({ about }) => about.startsWith("blosc lz4, shuffle 1"));
    const bytes = hex(blosc?.hex ?? "");
    await expect(undo(bytes.slice(0, bytes.length - 9), [{ name: "blosc", configuration: {} }])).rejects.toThrow();
  });
});

describe("metadata", () => {
  const three = {
    zarr_format: 3, node_type: "array", shape: [4, 6], data_type: "uint64", fill_value: 18446744073709551615n,
    chunk_grid: { name: "regular", configuration: { chunk_shape: [4, 4] } },
    chunk_key_encoding: { name: "default", configuration: { separator: "/" } },
    codecs: [{ name: "sharding_indexed", configuration: {
      chunk_shape: [2, 2], index_location: "end", index_codecs: [{ name: "bytes" }, { name: "crc32c" }],
      codecs: [{ name: "transpose", configuration: { order: [1, 0] } }, { name: "bytes", configuration: { endian: "big" } }, { name: "gzip" }],
    } }],
  }; // prettier-ignore
  const text = JSON.stringify(three, (_, value) => (typeof value === "bigint" ? "BIG" : value)).replace('"BIG"', "18446744073709551615");

  it("of version 3: shards, turned axes, and a fill value of 64 bits", () => {
    const found = parse3(text);
    expect(found).toMatchObject({
      dtype: { kind: "u", size: 8 }, fill: 18446744073709551615n, sharding: { shape: [4, 4], atStart: false },
      chain: { chunk: [2, 2], order: [1, 0], little: false, codecs: [{ name: "gzip" }] },
    }); // prettier-ignore
    expect(found.key([1, 2])).toBe("c/1/2");
  });

  it("of version 2: separators, order, filters before the compressor", () => {
    const found = parse2(JSON.stringify({
      zarr_format: 2, shape: [4, 6], chunks: [2, 3], dtype: ">f4", order: "F", fill_value: "NaN",
      filters: [{ id: "crc32c" }], compressor: { id: "zlib", level: 1 },
    })); // prettier-ignore
    expect(found).toMatchObject({ dtype: { kind: "f", size: 4 }, fill: NaN, chain: { order: [1, 0], little: false } });
    expect(found.chain.codecs.map(({ name }) => name)).toEqual(["crc32c", "zlib"]);
    expect(found.key([1, 2])).toBe("1.2");
  });

  it("says which voxels it cannot read", () => {
    expect(() => parse3(text.replace("uint64", "complex64"))).toThrow("complex64");
    expect(() => parse2(JSON.stringify({ shape: [1], chunks: [1], dtype: "|S4" }))).toThrow("|S4");
    expect(() => parse3(text.replace('"array"', '"group"'))).toThrow("group");
  });

  it("knows numbers of 16 bits", () => {
    expect([0x3c00, 0xc000, 0x7bff, 0x0001, 0xfc00].map(halfOf)).toEqual([1, -2, 65504, 2 ** -24, -Infinity]);
  });
});

describe("ids", () => {
  const big = 720575996132767246n;

  it("of 64 bits are told apart by their last bit", () => {
    const values = BigUint64Array.from([big, big + 1n, big, 2n ** 64n - 1n, 0n, big + 1n]);
    const { ids, index } = intern(values);
    expect([...index].map((i) => ids[i])).toEqual([...values]);
    expect(ids.length).toBe(4);
    expect(index).toBeInstanceOf(Uint8Array);
  });

  it("are as many as there are, in an index as narrow as can be", () => {
    for (const [count, type] of [[256, Uint8Array], [257, Uint16Array], [70000, Uint32Array]] as const) {
      const values = BigUint64Array.from({ length: 70000 }, (_, i) => big + BigInt((i * 7919) % count) * 4294967296n);
      const { ids, index } = intern(values);
      expect(ids.length).toBe(count);
      expect(index).toBeInstanceOf(type);
      expect(index.every((i, at) => ids[i] === values[at])).toBe(true);
    }
  });

  it("that are signed count down from 2^64, as numpy has it", () => {
    expect([...intern(Int16Array.from([-1, 5])).ids]).toEqual([2n ** 64n - 1n, 5n]);
    expect([...intern(BigInt64Array.from([-2n])).ids]).toEqual([2n ** 64n - 2n]);
  });
});

it("parts of a shard that lie near each other are fetched as one", () => {
  const parts = [900000, 0, 1000, 100000].map((offset, number) => ({ number, offset, length: 1000 }));
  expect(together(parts).map(({ part, inside }) => [part.offset, part.length, inside.map(({ number }) => number)])).toEqual([
    [0, 2000, [1, 2]], [100000, 1000, [3]], [900000, 1000, [0]],
  ]); // prettier-ignore
});

describe("a store on the web", () => {
  const meta = {
    zarr_format: 2, shape: [3, 8, 8], chunks: [2, 4, 4], dtype: "|u1", order: "C", fill_value: 9, filters: null, compressor: null,
    dimension_separator: "/",
  }; // prettier-ignore
  const asked: string[] = [];
  let base = "";
  let busy = 1;
  const server = createServer((request, answer) => {
    asked.push(request.url ?? "");
    if (request.url === "/s/.zarray") answer.end(JSON.stringify(meta));
    else if (request.url === "/s/0/0/0") answer.end(Uint8Array.from({ length: 32 }, (_, i) => i));
    else if (request.url === "/s/0/0/1" && busy-- > 0) {
      answer.statusCode = 503;
      answer.end();
    } else if (request.url === "/s/0/0/1") answer.end(new Uint8Array(32).fill(200));
    else {
      answer.statusCode = request.url === "/s/0/1/0" ? 500 : 404;
      answer.end();
    }
  });
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    base = `http://127.0.0.1:${server.address().port}/s`;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  const answers = (): Answers => {
    const made = new Answers();
    made.set({ em: { labels: false, lead: [], levels: [{ url: base, shape: [2, 8, 8], order: [0, 1, 2], start: [1, 0, 0] }] } });
    return made;
  };
  const tiles = async (from: Answers, keys: string, side = "8"): Promise<Map<number, Made>> => {
    const found = new Map<number, Made>();
    const take = async (frame: Made, index: number): Promise<void> => void found.set(index, frame);
    await from.answer("tiles", { vol: "em", lod: "0", axis: "xy", t: "0", c: "0", s: side, k: keys, v: "1" }, take, new AbortController().signal);
    return found;
  };

  it("gives tiles: what is stored, what was never written, what lies outside, what cannot be read", async () => {
    const found = await tiles(answers(), "0,0,0;0,0,1;1,1,1;0,1,0;9,0,0", "4");
    // The volume begins at plane 1 of the array.
    expect(found.get(0)).toMatchObject({ codec: CODEC.raw, height: 4, width: 4, flags: 0, payload: Uint8Array.from({ length: 16 }, (_, i) => 16 + i) });
    // The server was busy the first time.
    expect(found.get(1)).toMatchObject({ codec: CODEC.constant, flags: 0, payload: Uint8Array.of(200) });
    expect(found.get(2)).toMatchObject({ codec: CODEC.constant, flags: FLAG.absent, payload: Uint8Array.of(9) });
    expect(decodeQuick({ ...(found.get(3) as Made), index: 3 })).toMatchObject({ kind: "error", message: expect.stringContaining("500") });
    expect(found.get(4)?.flags).toBe(FLAG.outside);
  });

  it("is asked for each chunk once, whatever number of planes it reaches through", async () => {
    const from = answers();
    await tiles(from, "0,0,0", "4");
    const before = asked.length;
    await tiles(from, "0,0,0;0,0,0", "4");
    expect(asked.length).toBe(before);
  });

  it("plays planes of several layers in order", async () => {
    const frames: [number, number, number][] = [];
    const take = async (frame: Made, index: number): Promise<void> => void frames.push([index, (frame.flags >> 8) & 255, frame.width]);
    const query = { vol: "em,em", lod: "0", axis: "zy", t: "0", c: "0", from: "3", to: "0", step: "-1", box: "0,4,0,2", v: "1" };
    await answers().answer("play", query, take, new AbortController().signal);
    expect(frames).toEqual([3, 2, 1, 0].flatMap((_, i) => [[i, 0, 2], [i, 1, 2]]));
  });

  it("refuses what it does not know", async () => {
    await expect(answers().answer("tiles", { vol: "other", k: "0,0,0" }, async () => {}, new AbortController().signal)).rejects.toThrow("no address");
  });
});
