import { describe, expect, it } from "vitest";
import { axisOf, bins, brushed, marks, share, short, valueAt } from "../src/graph/bins";
import { blocksOf, degreesOf, groupsOf, orderOf, raster, shade, variation } from "../src/graph/blocks";
import { cellAt, closer, inside, seen, slid } from "../src/graph/cells";
import { type Column, type Data, NONE } from "../src/graph/data";
import { densityOf, wanted } from "../src/graph/density";
import { parsed, shown } from "../src/graph/forms";
import { between, eased } from "../src/graph/glide";
import { edgeLook, filtered } from "../src/graph/look";
import { joined, pieces } from "../src/graph/pieces";
import { byLargest, roomFor } from "../src/graph/room";
import { sorted } from "../src/graph/sort";
import { escaped, svgOf } from "../src/graph/svg";
import { rowAt, treeOf } from "../src/graph/tree";

function chance(seed: number): () => number {
  let at = seed >>> 0;
  return () => {
    at = (Math.imul(at, 1664525) + 1013904223) >>> 0;
    return at / 2 ** 32;
  };
}

function words(...names: (string | null)[]): Column {
  const categories = [...new Set(names.filter((one) => one !== null))];
  return {
    name: "kind", of: "nodes", unit: "", kind: "category", categories,
    values: Uint32Array.from(names, (one) => (one === null ? NONE : categories.indexOf(one))),
  };
}

function numbers(of: "nodes" | "edges", ...values: number[]): Column {
  return { name: "n", of, unit: "", kind: "number", whole: true, values: of === "nodes" ? Float64Array.from(values) : Float32Array.from(values) };
}

describe("groups", () => {
  it("are the values of a property, the largest first, and those without one are in none", () => {
    const found = groupsOf(words("b", "a", null, "a", "c", "b", "a"), 7);
    expect(found?.names).toEqual(["a", "b", "c"]);
    expect(found?.sizes).toEqual([3, 2, 1]);
    expect([...(found?.codes ?? [])]).toEqual([1, 0, NONE, 0, 2, 1, 0]);
    // As people order numbers, where two are as large.
    expect(groupsOf(words("10", "9"), 2)?.names).toEqual(["9", "10"]);
    expect(groupsOf(numbers("nodes", 7, 5, 5, NaN), 4)).toMatchObject({ names: ["5", "7"], sizes: [2, 1] });
    expect(groupsOf(null, 4)).toBeNull();
  });

  it("have the chances of an edge that can be counted by hand", () => {
    const groups = groupsOf(words("a", "a", "a", "b", "b"), 5);
    if (groups === null) throw new Error();
    // 0-1 twice and a loop count once; 0-3 from a to b.
    const ends = new Uint32Array([0, 1, 0, 1, 1, 0, 2, 2, 0, 3]);
    const directed = blocksOf(groups, ends, true);
    expect([...directed.joined]).toEqual([2, 1, 0, 0]);
    expect([...directed.pairs]).toEqual([6, 6, 6, 2]);
    const plain = blocksOf(groups, ends, false);
    expect([...plain.joined]).toEqual([2, 1, 1, 0]);
    expect(plain.p[0]).toBeCloseTo(1 / 3, 12);
    expect(plain.p[1]).toBeCloseTo(1 / 6, 12);
  });

  it("are as far apart as information has it", () => {
    const codes = (...values: number[]): Uint32Array => Uint32Array.from(values);
    expect(variation(codes(0, 0, 1, 1), codes(5, 5, 2, 2))).toBe(0);
    expect(variation(codes(0, 0, 1, 1), codes(0, 1, 0, 1))).toBeCloseTo(2, 12);
    expect(variation(codes(), codes())).toBe(0);
    const next = chance(2);
    const [a, b, c] = [0, 0, 0].map(() => Uint32Array.from({ length: 60 }, () => Math.floor(4 * next()))) as [Uint32Array, Uint32Array, Uint32Array];
    expect(variation(a, b)).toBeCloseTo(variation(b, a), 12);
    expect(variation(a, c)).toBeLessThanOrEqual(variation(a, b) + variation(b, c) + 1e-12);
  });

  it("order rows, and within one those with the most edges come first", () => {
    const ends = new Uint32Array([3, 1, 3, 0, 3, 2, 1, 0]);
    const degrees = degreesOf(ends, 4);
    expect([...degrees]).toEqual([2, 2, 1, 3]);
    const order = orderOf(groupsOf(words("b", "a", "a", "a"), 4), degrees, 4);
    expect([...order.nodes]).toEqual([3, 1, 2, 0]);
    expect([...order.rows]).toEqual([3, 1, 2, 0]);
    expect(order.begins).toEqual([0, 3, 4]);
    expect([...orderOf(null, degrees, 4).nodes]).toEqual([3, 0, 1, 2]);
  });
});

describe("the matrix", () => {
  it("has each edge in its cell, of undirected ones on both sides", () => {
    const rows = new Uint32Array([0, 1, 2, 3]);
    const ends = new Uint32Array([0, 1, 2, 2, 3, 0]);
    expect([...raster(ends, rows, true, [0, 0, 4], 4)]).toEqual([0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0]);
    const both = raster(ends, rows, false, [0, 0, 4], 4);
    expect([both[1], both[4], both[10], both[3], both[12]]).toEqual([1, 1, 1, 1, 1]);
    // Two rows to a cell, and a part of it alone.
    expect([...raster(ends, rows, true, [0, 0, 4], 2)]).toEqual([1, 0, 1, 1]);
    expect([...raster(ends, rows, true, [2, 0, 2], 2)]).toEqual([0, 0, 1, 0]);
  });

  it("loses no edge, however many share a cell", () => {
    const next = chance(3);
    const [n, m] = [500, 4000];
    const ends = Uint32Array.from({ length: 2 * m }, () => Math.floor(n * next()));
    const rows = Uint32Array.from({ length: n }, (_, i) => i);
    for (const side of [7, 100, 499]) expect(raster(ends, rows, true, [0, 0, n], side).reduce((a, b) => a + b)).toBe(m);
  });

  it("leaves nothing that is there invisible", () => {
    expect(shade(0, 100)).toBe(0);
    expect(shade(1, 1)).toBe(1);
    expect(shade(1, 1e6)).toBeGreaterThan(0.3);
    expect(shade(50, 100)).toBeLessThan(shade(100, 100));
    expect(shade(1e9, 100)).toBe(1);
  });

  it("comes closer about a place, and shows nothing beyond its rim", () => {
    expect(seen(null, 50)).toEqual([0, 0, 50]);
    const near = closer(null, 50, [0.25, 0.75], 2);
    expect(near).toEqual([18.75, 6.25, 25]);
    if (near === null) throw new Error();
    expect(cellAt(near, [0.25, 0.75])).toEqual(cellAt([0, 0, 50], [0.25, 0.75]));
    expect(closer(near, 50, [0.5, 0.5], 1 / 8)).toBeNull();
    expect(inside([-5, 99, 20], 50)).toEqual([0, 30, 20]);
    expect(closer(near, 50, [0, 0], 1e9)?.[2]).toBe(4);
    expect(slid([10, 10, 20], 50, 0.25, -0.25)).toEqual([15, 5, 20]);
    expect(slid(null, 50, 0.5, 0.5)).toBeNull();
  });
});

describe("plots", () => {
  it("count every number once, whole ones never split", () => {
    const values = [1, 1, 2, 3, 3, 3, 10];
    const even = axisOf(values, null, false);
    if (even === null) throw new Error();
    const found = bins(values, null, even, true, 40);
    expect(found.counts).toEqual([2, 1, 3, 0, 0, 0, 0, 0, 0, 1]);
    expect(found.edges[0]).toBe(0.5);
    const next = chance(4);
    const many = Array.from({ length: 3000 }, () => Math.ceil(1000 * next() ** 4));
    for (const log of [false, true]) {
      const axis = axisOf(many, null, log);
      if (axis === null) throw new Error();
      for (const whole of [false, true]) {
        const { counts, edges } = bins(many, null, axis, whole, 30);
        expect(counts.reduce((a, b) => a + b, 0)).toBe(3000);
        expect(counts.length).toBeLessThanOrEqual(31);
        expect(edges.every((one, i) => i === 0 || one > (edges[i - 1] ?? 0))).toBe(true);
      }
    }
  });

  it("leave out what is filtered, missing, or has no logarithm", () => {
    const values = [0, NaN, 5, 50, 500];
    expect(axisOf(values, null, true)).toEqual({ low: 5, high: 500, log: true });
    expect(axisOf(values, new Uint8Array([1, 1, 1, 0, 0]), false)).toEqual({ low: 0, high: 5, log: false });
    expect(axisOf([NaN], null, false)).toBeNull();
    const axis = { low: 5, high: 500, log: true };
    expect(share(axis, 50)).toBeCloseTo(0.5, 12);
    expect(share(axis, 0)).toBeNaN();
    expect(valueAt(axis, 0.5)).toBeCloseTo(50, 9);
  });

  it("are marked by round numbers", () => {
    expect(marks({ low: 0, high: 123, log: false }, 4)).toEqual([0, 50, 100]);
    expect(marks({ low: 1, high: 2000, log: true }, 5)).toEqual([1, 10, 100, 1000]);
    expect(marks({ low: 3, high: 3, log: false }, 4)).toEqual([3]);
    expect([0.5, 1234, 1e7, 0.00002].map(short)).toEqual(["0.5", "1230", "1e7", "2e-5"]);
  });

  it("give what lies in the brush, and nothing that is not shown", () => {
    const [x, y] = [[0, 1, 2, 3], [5, 6, NaN, 8]];
    expect(brushed(x, null, null, { x: [1, 2], y: null })).toEqual([1, 2]);
    expect(brushed(x, y, null, { x: [0, 3], y: [5.5, 9] })).toEqual([1, 3]);
    expect(brushed(x, null, new Uint8Array([1, 0, 1, 1]), { x: [0, 2], y: null })).toEqual([0, 2]);
  });
});

describe("the table", () => {
  it("is ordered by numbers and by words as people do, what is missing last either way", () => {
    const rows = new Uint32Array([0, 1, 2, 3]);
    const values = numbers("nodes", 2, NaN, 10, 2);
    const by = (down: boolean, column: Column | readonly string[]): number[] => [...sorted(rows, { by: "n", down }, () => column)];
    expect(by(false, values)).toEqual([0, 3, 2, 1]);
    expect(by(true, values)).toEqual([2, 0, 3, 1]);
    expect(by(false, ["n10", "n9", "n1", "n2"])).toEqual([2, 3, 1, 0]);
    expect(by(true, words("a", null, "b", "a"))).toEqual([2, 0, 3, 1]);
    expect(sorted(rows, null, () => values)).toBe(rows);
  });
});

describe("edges", () => {
  const data: Data = { names: ["a", "b", "c"], rows: new Map(), ends: new Uint32Array([0, 1, 1, 2, 2, 0]), columns: [numbers("edges", 1, 2, 3)] };

  it("keep their own colours and widths when others are filtered away", () => {
    const all = edgeLook(data, "n", "n", null, [1, 2, 3]);
    const { rows, ends } = filtered(data, [{ of: "edges", by: "n", low: 2, high: null }]);
    expect([...(rows ?? [])]).toEqual([1, 2]);
    expect([...ends]).toEqual([1, 2, 2, 0]);
    const some = edgeLook(data, "n", "n", rows, [1, 2, 3]);
    expect([...(some?.widths ?? [])]).toEqual([...(all?.widths ?? [])].slice(1));
    expect([...(some?.tints ?? [])]).toEqual([...(all?.tints ?? [])].slice(4));
    expect(all?.widths[0]).toBeLessThan(all?.widths[2] ?? 0);
    expect([...(edgeLook(data, "", "n", null, [1, 2, 3])?.tints ?? [])].slice(0, 4)).toEqual([1, 2, 3, 255]);
    expect(edgeLook(data, "", "", null, [0, 0, 0])).toBeNull();
  });
});

describe("motion", () => {
  it("begins where it was and ends where it is told", () => {
    const [from, to] = [new Float32Array([0, 0, 0]), new Float32Array([4, -8, 2])];
    expect([...between(from, to, 0)]).toEqual([0, 0, 0]);
    expect([...between(from, to, 0.5)]).toEqual([2, -4, 1]);
    expect(between(from, to, 1)).toBe(to);
    expect([0, 0.5, 1, 7].map(eased)).toEqual([0, 0.5, 1, 1]);
  });
});

describe("names", () => {
  it("stand where there is room, those of the selection in any case", () => {
    const flat = new Float32Array([0, 0, 1, 0, 60, 0, -900, 0]);
    const view = { flat, sizes: new Float32Array(4).fill(4), shown: new Uint8Array(4).fill(1), camera: { centre: [0, 0] as const, scale: 1 }, size: { width: 400, height: 100 }, name: () => "name" };
    const rows = (first: number[], others: number[]): number[] => roomFor(first, others, 10, view).map(({ row }) => row);
    expect(rows([], [0, 1, 2, 3])).toEqual([0, 2]);
    expect(rows([0, 1], [2, 3])).toEqual([0, 1, 2]);
    expect(roomFor([], [0, 1, 2], 1, view)).toHaveLength(1);
    expect([...byLargest([3, 9, 3])]).toEqual([1, 0, 2]);
  });
});

describe("forms", () => {
  const field = (value: unknown, more = {}): { name: string; value: unknown; whole: boolean } => ({ name: "x", value, whole: Number.isInteger(value), ...more });

  it("take what the parameter is, and nothing else", () => {
    expect(parsed(field(3), "12")).toBe(12);
    expect(parsed(field(3), "1.5")).toBeUndefined();
    expect(parsed(field(0.5), "1.5")).toBe(1.5);
    expect(parsed(field(0.5), "")).toBeUndefined();
    expect(parsed(field(false), true)).toBe(true);
    expect(parsed(field("a", { choices: ["a", "b"] }), "b")).toBe("b");
    expect(parsed(field("a", { choices: ["a", "b"] }), "c")).toBeUndefined();
    expect(parsed(field([1, 2]), "[[0.5]]")).toEqual([[0.5]]);
    expect(parsed(field([1, 2]), "[1,")).toBeUndefined();
    expect(shown([[1, 2]])).toBe("[[1,2]]");
  });
});

describe("files", () => {
  it("go in pieces and come back whole", () => {
    const bytes = Uint8Array.from({ length: 23 }, (_, i) => i);
    for (const size of [1, 7, 23, 100]) {
      const parts = pieces(bytes, size);
      const kept = { name: "g", part: 0, parts: parts.length };
      const found = parts.map((piece, part) => joined(kept, { name: "g", part, parts: parts.length }, [new DataView(piece)]));
      expect(found.slice(0, -1).every((one) => one === null)).toBe(true);
      expect(found.at(-1)?.flatMap((one) => [...new Uint8Array(one)])).toEqual([...bytes]);
    }
    expect(pieces(new Uint8Array(0))).toHaveLength(1);
  });
});

describe("the density", () => {
  it("is asked for a little beyond what is seen", () => {
    const { box, size } = wanted({ centre: [10, 20], scale: 0.5 }, { width: 100, height: 40 }, 2);
    expect(box).toEqual([-25, 6, 45, 34]);
    expect(size).toEqual([280, 112]);
    expect(densityOf({})).toBeNull();
    expect(densityOf({ values: new Uint8Array([7]), size: [1, 1], box: [0, 0, 1, 1], edges: 3, most: 2 })).toMatchObject({ edges: 3, most: 2 });
  });
});

describe("the SVG", () => {
  const drawing = {
    flat: new Float32Array([0, 0, 10, 0, 99, 99]), ends: new Uint32Array([0, 1]), look: null,
    colors: Uint8Array.from([1, 2, 3, 255, 4, 5, 6, 255, 7, 8, 9, 255]), sizes: new Float32Array([4, 6, 8]), shown: new Uint8Array([1, 1, 0]),
    picked: [1], names: [{ row: 0, x: 50, y: 10, text: "<a & b>" }], camera: { centre: [0, 0] as const, scale: 1 }, size: { width: 100, height: 50 },
    alpha: 0.4, paper: "#ffffff", ink: "#000000", image: null,
  };

  it("has a line for each edge and a circle for each node that is there", () => {
    const text = svgOf(drawing);
    expect(text).toContain('d="M50 25L60 25"');
    expect(text.match(/<circle/g)).toHaveLength(2);
    expect(text).toContain('<circle cx="60" cy="25" r="3" fill="rgb(4,5,6)" stroke="#000000"');
    expect(text).toContain("&lt;a &amp; b&gt;");
    expect(escaped('"')).toBe("&quot;");
  });

  it("has colours and widths of edges, or their pixels where they are too many", () => {
    const look = { tints: Uint8Array.from([9, 8, 7, 255]), widths: new Float32Array([2.5]), legend: { kind: "none" } as const };
    expect(svgOf({ ...drawing, look })).toContain('stroke="rgb(9,8,7)" stroke-width="2.5"');
    const pixels = svgOf({ ...drawing, image: "data:image/png;base64,AA" });
    expect(pixels).toContain('href="data:image/png;base64,AA"');
    expect(pixels).not.toContain("M50 25");
  });
});

describe("the tree of groups", () => {
  const groups = groupsOf(words("b", "a", "a", "a", "c", "c"), 6);
  // a and b first, then c: the leaves stand as b, a, c.
  const told = { of: "kind", leaves: ["b", "a", "c"], across: [[5, 5, 15, 15], [10, 10, 25, 25]], up: [[0, 0.2, 0.2, 0], [0.2, 1, 1, 0]], top: 0.5, root: 0.01 };

  it("puts groups in its order, each beside its leaf", () => {
    const tree = treeOf(told, "kind", groups);
    expect(groups?.names).toEqual(["a", "c", "b"]);
    expect(tree?.codes).toEqual([2, 0, 1]);
    const order = orderOf(groups, [1, 1, 9, 1, 1, 1], 6, tree?.codes);
    expect([...order.nodes]).toEqual([0, 2, 1, 3, 4, 5]);
    expect([order.codes, order.begins]).toEqual([[2, 0, 1], [0, 1, 4, 6]]);
    expect([0, 1, 2, 0.5, 1.25].map((place) => rowAt(order, place))).toEqual([0.5, 2.5, 5, 1.5, 3.125]);
    expect(tree?.brackets[1]).toEqual([[0.5, 0.2], [0.5, 1], [2, 1], [2, 0]]);
  });

  it("is none of other groups, or of those that are not told yet", () => {
    expect(treeOf({}, "kind", groups)).toBeNull();
    expect(treeOf(told, "other", groups)).toBeNull();
    expect(treeOf(told, "kind", null)).toBeNull();
    expect(treeOf({ ...told, leaves: ["b", "a", "x"] }, "kind", groups)).toBeNull();
    expect(treeOf({ ...told, across: [] }, "kind", groups)).toBeNull();
  });
});
