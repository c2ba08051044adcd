import { describe, expect, it } from "vitest";
import { bounds, fit, moved, toPixel, toPlace, turned, zoomAbout } from "../src/graph/camera";
import { type Data, columnsOf, textOf } from "../src/graph/data";
import { KEYS, commandOf } from "../src/graph/keys";
import { Pace, edgeAlpha, meanLength } from "../src/graph/lod";
import { CATEGORIES, OTHER, colors, filtered, mapColor, sizes } from "../src/graph/look";
import { inside, pick, search } from "../src/graph/pick";
import { sameButPlace } from "../src/graph/sheet";
import { type Filter, type Pair, refiltered, same, selected } from "../src/graph/state";

/** Numbers from 0 to 1 that are the same in each run. */
function chance(seed: number): () => number {
  let at = seed >>> 0;
  return () => {
    at = (Math.imul(at, 1664525) + 1013904223) >>> 0;
    return at / 2 ** 32;
  };
}

const SIZE = { width: 640, height: 480 };

describe("the camera", () => {
  const next = chance(1);
  const camera = { centre: [3, -7] as const, scale: 0.25 };

  it("goes to pixels and back", () => {
    for (let i = 0; i < 100; i++) {
      const at: Pair = [next() * 100 - 50, next() * 100 - 50];
      const back = toPlace(camera, SIZE, toPixel(camera, SIZE, at));
      expect(back[0]).toBeCloseTo(at[0], 9);
      expect(back[1]).toBeCloseTo(at[1], 9);
    }
  });

  it("leaves what is under the pointer there when it zooms", () => {
    for (const factor of [0.1, 0.9, 1.25, 40]) {
      const pixel: Pair = [next() * 640, next() * 480];
      const place = toPlace(camera, SIZE, pixel);
      const after = zoomAbout(camera, SIZE, pixel, factor);
      expect(after.scale).toBeCloseTo(camera.scale / factor, 12);
      const [x, y] = toPixel(after, SIZE, place);
      expect(x).toBeCloseTo(pixel[0], 6);
      expect(y).toBeCloseTo(pixel[1], 6);
    }
  });

  it("moves by pixels", () => {
    const [x, y] = toPixel(moved(camera, 30, -12), SIZE, [0, 0]);
    const [fromX, fromY] = toPixel(camera, SIZE, [0, 0]);
    expect([x - fromX, y - fromY]).toEqual([30, -12]);
  });

  it("shows all of a box, and no more than a tenth beside it along one axis", () => {
    for (const [w, h] of [[1, 1], [100, 1], [1, 100], [5, 0], [0, 0]] as const) {
      const box = { low: [10, 20], high: [10 + w, 20 + h] } as const;
      const found = fit(box, SIZE);
      const [left, top] = toPixel(found, SIZE, box.low);
      const [right, bottom] = toPixel(found, SIZE, box.high);
      expect(left).toBeGreaterThanOrEqual(0);
      expect(top).toBeGreaterThanOrEqual(0);
      expect(right).toBeLessThanOrEqual(640);
      expect(bottom).toBeLessThanOrEqual(480);
      if (w + h > 0) expect(Math.max((right - left) / 640, (bottom - top) / 480)).toBeCloseTo(0.88, 6);
    }
    expect(fit(null, SIZE)).toEqual({ centre: [0, 0], scale: 1 });
  });

  it("turns without stretching, and not at all by no angle", () => {
    const places = Float32Array.from({ length: 60 }, () => next());
    const flat = turned(places, [0, 0]);
    for (let i = 0; i < 20; i++) {
      expect(flat[2 * i]).toBeCloseTo(places[3 * i] ?? NaN, 6);
      expect(flat[2 * i + 1]).toBeCloseTo(places[3 * i + 1] ?? NaN, 6);
    }
    // A quarter about the vertical axis shows z where x was.
    const side = turned(new Float32Array([0, 0, 0, 0, 1, 4]), [Math.PI / 2, 0]);
    expect((side[2] ?? 0) - (side[0] ?? 0)).toBeCloseTo(4, 5);
    // The lengths of the three axes as they are seen: two of a rotation's rows.
    const axes = turned(new Float32Array([1, 0, 0, -1, 0, 0, 0, 1, 0, 0, -1, 0, 0, 0, 1, 0, 0, -1]), [0.7, -0.4]);
    const row = (k: 0 | 1): number[] => [0, 2, 4].map((i) => axes[2 * i + k] ?? 0);
    const dot = (a: number[], b: number[]): number => a.reduce((sum, one, i) => sum + one * (b[i] ?? 0), 0);
    expect(dot(row(0), row(0))).toBeCloseTo(1, 5);
    expect(dot(row(1), row(1))).toBeCloseTo(1, 5);
    expect(dot(row(0), row(1))).toBeCloseTo(0, 5);
  });

  it("leaves out of the box what is not there", () => {
    const flat = new Float32Array([0, 0, 5, 1, 99, 99]);
    expect(bounds(flat, new Uint8Array([1, 1, 0]))).toEqual({ low: [0, 0], high: [5, 1] });
    expect(bounds(flat, new Uint8Array(3))).toBeNull();
  });
});

describe("nodes under the pointer and within a line", () => {
  const flat = new Float32Array([0, 0, 10, 0, 10.5, 0, 300, 200]);
  const diameters = new Float32Array([8, 8, 8, 8]);
  const all = new Uint8Array([1, 1, 1, 1]);
  const camera = { centre: [0, 0] as const, scale: 1 };
  const at = (x: number, y: number): Pair => toPixel(camera, SIZE, [x, y]);

  it("takes the one on top, the nearest beside several, and none far from all", () => {
    expect(pick(flat, diameters, all, camera, SIZE, at(10.2, 0))).toBe(2);
    expect(pick(flat, diameters, new Uint8Array([1, 1, 0, 1]), camera, SIZE, at(10.2, 0))).toBe(1);
    expect(pick(flat, diameters, all, camera, SIZE, at(0, 7))).toBe(0);
    expect(pick(flat, diameters, all, camera, SIZE, at(0, 9))).toBeNull();
  });

  it("finds those within a polygon that angles say are within", () => {
    const next = chance(7);
    const points = Float32Array.from({ length: 1000 }, () => next() * 2 - 1);
    // A star, so that some of its sides look back.
    const line = Array.from({ length: 10 }, (_, i): Pair => {
      const [r, a] = [i % 2 ? 0.3 : 0.95, (i * Math.PI) / 5 + 0.1];
      return [r * Math.cos(a), r * Math.sin(a)];
    });
    const winding = (x: number, y: number): boolean => {
      let sum = 0;
      line.forEach(([ax, ay], i) => {
        const [bx, by] = line[(i + 1) % line.length] ?? [0, 0];
        const turn = Math.atan2(by - y, bx - x) - Math.atan2(ay - y, ax - x);
        sum += Math.atan2(Math.sin(turn), Math.cos(turn));
      });
      return Math.abs(sum) > 1;
    };
    const wanted = Array.from({ length: 500 }, (_, i) => i).filter((i) => winding(points[2 * i] ?? 0, points[2 * i + 1] ?? 0));
    expect(wanted.length).toBeGreaterThan(40);
    expect(inside(points, new Uint8Array(500).fill(1), line)).toEqual(wanted);
    expect(inside(points, new Uint8Array(500), line)).toEqual([]);
    expect(inside(points, new Uint8Array(500).fill(1), line.slice(0, 2))).toEqual([]);
  });

  it("finds by id before label, whole before part", () => {
    const names = ["12", "1", "3", "21"];
    expect(search("1", names, null, 9)).toEqual([1, 0, 3]);
    expect(search("AVA", names, ["x", "PVAVA", "AVAL", ""], 9)).toEqual([2, 1]);
    expect(search(" ", names, null, 9)).toEqual([]);
    expect(search("1", names, null, 1)).toEqual([1]);
  });
});

describe("edges", () => {
  const box = { low: [0, 0], high: [10, 10] } as const;

  it("are fainter the more they are, stronger the closer one looks, never gone and never solid", () => {
    const alphas = [10, 1e3, 1e4, 1e5, 1e6].map((edges) => edgeAlpha(edges, 3, box, 0.02));
    for (let i = 1; i < alphas.length; i++) expect(alphas[i]).toBeLessThanOrEqual(alphas[i - 1] ?? 0);
    expect(alphas[0]).toBe(0.45);
    expect(alphas.at(-1)).toBe(0.02);
    expect(edgeAlpha(1e4, 3, box, 0.002)).toBeGreaterThan(edgeAlpha(1e4, 3, box, 0.02));
    expect(edgeAlpha(0, 0, null, 1)).toBe(0.45);
  });

  it("have a mean length that a sample tells", () => {
    const next = chance(3);
    const flat = Float32Array.from({ length: 2000 }, () => next());
    const ends = Uint32Array.from({ length: 100_000 }, () => Math.floor(next() * 1000));
    let sum = 0;
    for (let e = 0; e < 50_000; e++) {
      const [a, b] = [ends[2 * e] ?? 0, ends[2 * e + 1] ?? 0];
      sum += Math.hypot((flat[2 * a] ?? 0) - (flat[2 * b] ?? 0), (flat[2 * a + 1] ?? 0) - (flat[2 * b + 1] ?? 0));
    }
    expect(meanLength(flat, ends)).toBeCloseTo(sum / 50_000, 1);
    expect(meanLength(flat, new Uint32Array(0))).toBe(0);
  });

  it("are left out while slow frames move, and come back at rest", () => {
    const pace = new Pace();
    /** Frames that take so long, one after the other: whether each had edges. */
    const frames = (...took: readonly number[]): readonly boolean[] =>
      took.map((ms, i) => {
        const had = pace.edges;
        pace.draws(1000 * i);
        pace.begins(1000 * i + ms);
        return had;
      });
    expect(frames(16, 16, 16, 100, 100, 12, 16)).toEqual([true, true, true, true, true, false, false]);
    pace.rests();
    expect(pace.edges).toBe(true);
    // One slow frame among quick ones is none.
    expect(frames(16, 100, 16, 100, 16)).not.toContain(false);
    // A pause between two frames of which neither was drawn anew says nothing.
    for (const now of [10_000, 10_900, 11_800]) pace.begins(now);
    expect(pace.edges).toBe(true);
  });
});

/** Columns as the kernel sends them: bytes somewhere in a message. */
function sent(values: Float64Array | Float32Array | Uint32Array): DataView {
  const bytes = new Uint8Array(values.byteLength + 3);
  bytes.set(new Uint8Array(values.buffer), 3);
  return new DataView(bytes.buffer, 3, values.byteLength);
}

describe("columns", () => {
  const columns = columnsOf([
    { name: "size", of: "nodes", kind: "number", whole: false, unit: "nm", values: sent(new Float64Array([1, NaN, 3, 2])) },
    { name: "kind", of: "nodes", kind: "category", unit: "", categories: ["axon", "spine"], values: sent(new Uint32Array([0, 1, 0xffffffff, 0])) },
    { name: "weight", of: "edges", kind: "number", whole: true, unit: "", values: sent(new Float32Array([1, 5, 9])) },
  ]);
  const data: Data = { names: ["a", "b", "c", "d"], rows: new Map(), ends: new Uint32Array([0, 1, 2, 3, 3, 0]), columns };
  const [size = null, kind = null] = columns;

  it("say what stands in them", () => {
    expect([0, 1].map((row) => size && textOf(size, row))).toEqual(["1 nm", null]);
    expect([1, 2].map((row) => kind && textOf(kind, row))).toEqual(["spine", null]);
  });

  it("give colours, with a legend that has the same", () => {
    const found = colors(kind, 4);
    expect([...found.bytes.subarray(4, 12)]).toEqual([...(CATEGORIES[1] ?? []), 255, ...OTHER, 255]);
    expect(found.legend).toEqual({ kind: "category", entries: [["axon", CATEGORIES[0], 2], ["spine", CATEGORIES[1], 1]], more: 0 });
    const numbers = colors(size, 4);
    expect(numbers.legend).toEqual({ kind: "number", low: 1, high: 3, unit: "nm", span: [0, 1] });
    expect([...numbers.bytes.subarray(0, 3)]).toEqual([...mapColor(0)]);
    expect([...numbers.bytes.subarray(4, 7)]).toEqual([...OTHER]);
    expect([...numbers.bytes.subarray(8, 11)]).toEqual([...mapColor(1)]);
    expect(colors(null, 2).legend.kind).toBe("none");
  });

  it("give sizes whose areas follow them", () => {
    const [low = 0, none = 0, high = 0, mid = 0] = sizes(size, 4, 1);
    expect(none).toBe(low);
    expect(mid - low).toBeCloseTo((high - low) * Math.SQRT1_2, 5);
    expect(sizes(size, 4, 2)[2]).toBeCloseTo(2 * high, 5);
    expect(new Set(sizes(kind, 4, 1)).size).toBe(1);
  });

  it("filter edges, and with a node its edges", () => {
    const edges = filtered(data, [{ of: "edges", by: "weight", low: 5, high: null }]);
    expect([...edges.shown]).toEqual([1, 1, 1, 1]);
    expect([...edges.ends]).toEqual([2, 3, 3, 0]);
    const nodes = filtered(data, [{ of: "nodes", by: "size", low: 2, high: 3 }]);
    expect([...nodes.shown]).toEqual([0, 0, 1, 1]);
    expect([...nodes.ends]).toEqual([2, 3]);
    expect(filtered(data, []).ends).toBe(data.ends);
  });
});

describe("the state", () => {
  it("gains and loses nodes by clicks", () => {
    expect(selected(["a"], ["b"], false)).toEqual(["b"]);
    expect(selected(["a"], ["b"], true)).toEqual(["a", "b"]);
    expect(selected(["a", "b"], ["a"], true)).toEqual(["b"]);
  });

  it("keeps one filter for each column, and none without bounds", () => {
    const first: Filter = { of: "edges", by: "w", low: 1, high: null };
    const other: Filter = { of: "nodes", by: "w", low: null, high: 3 };
    const both = refiltered([first], other);
    expect(both).toEqual([first, other]);
    expect(refiltered(both, { ...first, low: 2 })).toEqual([other, { ...first, low: 2 }]);
    expect(refiltered(both, { ...first, low: null })).toEqual([other]);
  });

  it("is the same whatever the order of its keys", () => {
    expect(same({ a: [1, { b: 2 }], c: null }, { c: null, a: [1, { b: 2 }] })).toBe(true);
    for (const [a, b] of [[{ a: 1 }, { a: 1, b: 1 }], [[1, 2], [2, 1]], [{ a: null }, { a: {} }], [[], {}]]) expect(same(a, b)).toBe(false);
  });
});

it("has each key once, and leaves chords to the browser", () => {
  const keys = KEYS.flatMap(({ on }) => Object.keys(on));
  expect(new Set(keys).size).toBe(keys.length);
  const press = (key: string, ctrlKey = false) => commandOf({ key, ctrlKey, metaKey: false, altKey: false });
  expect(press("r")).toBe("fit");
  expect(press("r", true)).toBeNull();
  expect(press("toString")).toBeNull();
});

describe("a frame", () => {
  const flat = new Float32Array([0, 0, 1, 1]);
  const frame = {
    flat, ends: new Uint32Array([0, 1]), chosen: new Uint32Array(0), look: null, density: null, colors: new Uint8Array(8), sizes: new Float32Array(2),
    roles: new Uint8Array(2), camera: { centre: [0, 0], scale: 1 }, alpha: 1, strong: 1, faded: 0, paper: [1, 1, 1], ink: [0, 0, 0],
  } as const;

  it("is another picture of the same where only its middle differs", () => {
    expect(sameButPlace(frame, { ...frame, camera: { centre: [4, 5], scale: 1 }, paper: [1, 1, 1] })).toBe(true);
    expect(sameButPlace(frame, { ...frame, camera: { centre: [0, 0], scale: 2 } })).toBe(false);
    expect(sameButPlace(frame, { ...frame, roles: new Uint8Array(2) })).toBe(false);
    expect(sameButPlace(frame, { ...frame, ink: [0, 0, 0.1] })).toBe(false);
    expect(sameButPlace(frame, { ...frame, alpha: 0 })).toBe(false);
  });
});
