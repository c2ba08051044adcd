import { describe, expect, it } from "vitest";
import { Streams } from "../src/core/connection";
import type { Frame } from "../src/core/frames";
import { type OnFrame, type Query, Refused, type Transport } from "../src/core/net";
import { Loader } from "../src/image/loader";
import { type Source, type Want, want } from "../src/image/planes";

const SOURCE: Source = { name: "em|0", query: { vol: "em", lod: "0", axis: "xy", t: "0", c: "0" }, bytes: 100, window: null, labels: false };
const OTHER: Source = { ...SOURCE, name: "ids|0", query: { ...SOURCE.query, vol: "ids" } };

interface Asked {
  readonly query: Query;
  readonly keys: string[];
  readonly signal: AbortSignal;
  /** Answer a key with one pixel of this value. */
  give(key: string, value: number, codec?: number): void;
  end(error?: Error): void;
}

/** A transport whose answers the test gives. */
function setup(capacity?: number): { loader: Loader; asked: Asked[]; lost: () => number } {
  const asked: Asked[] = [];
  let lost = 0;
  const transport: Transport = {
    name: "http",
    close: () => {},
    stream: (_op, query: Query, onFrame: OnFrame, signal: AbortSignal) =>
      new Promise((resolve, reject) => {
        const keys = query["k"]?.split(";") ?? [];
        const frame = (index: number, value: number, codec: number): Frame => ({ index, codec, dtype: 0, height: 1, width: 1, flags: codec === 5 ? 1 : 0, payload: new Uint8Array([value]) });
        signal.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError")));
        asked.push({
          query, keys, signal,
          give: (key, value, codec = 0) => void onFrame(frame(keys.indexOf(key), value, codec)),
          end: (error) => (error === undefined ? resolve() : reject(error)),
        }); // prettier-ignore
      }),
  };
  const net = { transport: () => Promise.resolve(transport), lost: () => void lost++ };
  const loader = new Loader(net, new Streams(2), () => {}, () => {}, () => false, capacity);
  return { loader, asked, lost: () => lost };
}

const soon = (ms = 3): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const plane = (depth: number, visible: boolean, source = SOURCE): Want[] => [0, 1].map((col) => want(source, depth, 0, col, visible));

describe("tiles", () => {
  it("are asked for in one request, what is seen before what may come", async () => {
    const { loader, asked } = setup();
    loader.want([...plane(5, true), ...plane(6, false), ...plane(4, false)]);
    await soon();
    expect(asked.map(({ keys }) => keys)).toEqual([["5,0,0", "5,0,1", "6,0,0", "6,0,1", "4,0,0", "4,0,1"]]);
    expect(loader.waiting).toBe(2);
    asked[0]?.give("5,0,0", 7);
    expect(loader.waiting).toBe(1);
    expect(loader.cache.peek(plane(5, true)[0]?.key ?? "")?.picture).toMatchObject({ kind: "values", values: new Uint8Array([7]) });
  });

  it("are not asked for twice, and never more than 64 at once", async () => {
    const { loader, asked } = setup();
    const many = Array.from({ length: 100 }, (_, col) => want(SOURCE, 5, 0, col, true));
    loader.want(many);
    loader.want(many);
    await soon();
    expect(asked.map(({ keys }) => keys.length)).toEqual([64, 36]);
    loader.want(many);
    await soon();
    expect(asked.length).toBe(2);
  });

  it("of different volumes go side by side, in two streams", async () => {
    const { loader, asked } = setup();
    loader.want([...plane(5, true), ...plane(5, true, OTHER), ...plane(5, true, { ...OTHER, name: "third" })]);
    await soon();
    expect(asked.map(({ query }) => query["vol"])).toEqual(["em", "ids"]);
    plane(5, true).forEach((one) => asked[0]?.give(`${one.depth},${one.row},${one.col}`, 1));
    asked[0]?.end();
    await soon();
    expect(asked.length).toBe(3);
  });

  it("that were fetched ahead make room for what is seen", async () => {
    const { loader, asked } = setup();
    loader.want(plane(5, false));
    await soon();
    loader.want([...plane(5, true, OTHER), ...plane(5, true, { ...OTHER, name: "third" }), ...plane(5, false)]);
    await soon();
    loader.want([...plane(5, true, OTHER), ...plane(5, true, { ...OTHER, name: "third" }), ...plane(5, false)]);
    await soon();
    expect(asked[0]?.signal.aborted).toBe(true);
    expect(asked.length).toBe(3);
  });

  it("that were given up are not taken for left out, though their answer came to its end", async () => {
    // All bytes are there by the time: nothing breaks off.
    const ends: (() => void)[] = [];
    const transport: Transport = { name: "http", close: () => {}, stream: () => new Promise((resolve) => void ends.push(resolve)) };
    const net = { transport: () => Promise.resolve(transport), lost: () => {} };
    const loader = new Loader(net, new Streams(2), () => {}, () => {}, () => false);
    loader.want(plane(5, true));
    await soon();
    loader.want(plane(500, true, OTHER));
    expect(loader.counts.aborted).toBe(1);
    ends[0]?.();
    await soon();
    expect(plane(5, true).map(({ key }) => loader.cache.peek(key))).toEqual([undefined, undefined]);
  });

  it("of the plane before are waited for a moment, then given up", async () => {
    const { loader, asked } = setup();
    loader.want(plane(5, true));
    await soon();
    loader.want(plane(9, true));
    await soon();
    expect([asked[0]?.signal.aborted, asked[1]?.keys]).toEqual([false, ["9,0,0", "9,0,1"]]);
    asked[0]?.give("5,0,0", 1);
    expect(loader.latest(SOURCE, 0, 0)?.want.depth).toBe(5);
    await soon(320);
    loader.want(plane(9, true));
    expect(asked[0]?.signal.aborted).toBe(true);
  });

  it("of another level or volume are given up at once", async () => {
    const { loader, asked } = setup();
    loader.want(plane(5, true));
    await soon();
    loader.want(plane(5, true, { ...SOURCE, name: "em|1", query: { ...SOURCE.query, lod: "1" } }));
    expect(asked[0]?.signal.aborted).toBe(true);
  });

  it("that came as JPEG are asked for again when the view stands", async () => {
    const { loader, asked } = setup();
    loader.want(plane(5, true), "jpeg75");
    await soon();
    expect(asked[0]?.query["q"]).toBe("jpeg75");
    for (const key of ["5,0,0", "5,0,1"]) asked[0]?.give(key, 1);
    asked[0]?.end();
    await soon();
    expect(loader.waiting).toBe(0);
    const [first] = plane(5, true) as [Want, Want];
    const tile = loader.cache.peek(first.key);
    loader.put(first, { ...tile?.picture, exact: false } as never, null);
    loader.want(plane(5, true), "raw");
    await soon();
    expect(asked[1]?.keys).toEqual(["5,0,0"]);
  });
});

describe("what cannot be read", () => {
  it("is known as such, one by one, until someone asks again", async () => {
    const { loader, asked } = setup();
    loader.want(plane(5, true));
    await soon();
    asked[0]?.give("5,0,0", "x".charCodeAt(0), 5);
    asked[0]?.end();
    await soon();
    expect(plane(5, true).map(({ key }) => loader.cache.peek(key)?.picture)).toEqual([
      { kind: "error", message: "x" },
      { kind: "error", message: "the answer left this tile out" },
    ]);
    expect(loader.waiting).toBe(0);
    loader.retry();
    await soon();
    expect(asked[1]?.keys).toEqual(["5,0,0", "5,0,1"]);
  });

  it("is said in the words of who refused", async () => {
    const { loader, asked, lost } = setup();
    loader.want(plane(5, true));
    await soon();
    asked[0]?.end(new Refused("lod=9; there are 3 levels", 400));
    await soon();
    expect(loader.cache.peek(plane(5, true)[1]?.key ?? "")?.picture).toEqual({ kind: "error", message: "lod=9; there are 3 levels" });
    expect(lost()).toBe(0);
  });

  it("is asked for again where nobody answered", async () => {
    const { loader, asked, lost } = setup();
    loader.want(plane(5, true));
    await soon();
    asked[0]?.end(new TypeError("Failed to fetch"));
    await soon(700);
    expect(lost()).toBe(1);
    expect(asked[1]?.keys).toEqual(["5,0,0", "5,0,1"]);
  });
});

it("holds as much after a thousand planes as after a few", () => {
  const { loader } = setup(20_000);
  const picture = { kind: "values", height: 10, width: 10, values: new Uint8Array(100), exact: true, absent: false, holes: [] } as const;
  for (let depth = 0; depth < 1000; depth++) for (const one of plane(depth, true)) loader.put(one, picture, null);
  expect(loader.cache.bytes).toBeLessThanOrEqual(20_000);
  expect(loader.cache.size).toBeGreaterThan(10);
  expect(loader.latest(SOURCE, 0, 1)?.want.depth).toBe(999);
  loader.cache.clear();
  expect(loader.latest(SOURCE, 0, 1)).toBeUndefined();
});

it("asks for nothing once it is closed", async () => {
  const { loader, asked } = setup();
  loader.want(plane(5, true));
  await soon();
  loader.close();
  expect(asked[0]?.signal.aborted).toBe(true);
  loader.want(plane(6, true));
  await soon();
  expect(asked.length).toBe(1);
});
