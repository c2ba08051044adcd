import { expect, it } from "vitest";
import { moved, ticks, toPixel, toUnits, whole, zoomed } from "../src/table/axes";
import { shuffled } from "../src/table/cloud";
import { type Column, Ids, columnOf, numberAt, shown, textAt, valuesOf } from "../src/table/data";
import { beside, parsed, passing, written } from "../src/table/filter";
import { nearest } from "../src/table/hit";
import { ofGroups, ofRanges, ofRows } from "../src/table/joined";
import { commandOf, KEYS } from "../src/table/keys";
import { lookOf } from "../src/table/look";
import { keysOf, ordered, rowsOf } from "../src/table/order";
import { chosen, countOf, packed, sameBytes, unpacked } from "../src/table/picked";
import { refiltered, sortedBy } from "../src/table/state";
import { scrollTo, windowOf } from "../src/table/window";

const numbers = (...values: number[]): Column => ({ name: "x", values: new Float64Array(values), classes: null });
const words = (classes: string[], ...codes: number[]): Column => ({ name: "w", values: new Uint8Array(codes), classes });
const all = (count: number): Ids => new Ids(count, null);

it("reads values from bytes that stand anywhere, and says them", () => {
  const bytes = new Uint8Array([9, 1, 0, 255, 255]);
  expect([...valuesOf("i2", bytes.subarray(1))]).toEqual([1, -1]);
  const text = columnOf({ name: "w", dtype: "u1", classes: ["a", "b"] }, new Uint8Array([1, 0, 255]));
  expect([0, 1, 2].map((row) => textAt(text, row))).toEqual(["b", "a", ""]);
  expect(numberAt(text, 2)).toBeNaN();
  expect(textAt(numbers(NaN, 2), 0)).toBe("");
  expect([1234567, 0.1 + 0.2, 1e-9, -2.5e7 + 0.5].map((one) => shown(one))).toEqual(["1234567", "0.3", "1.000e-9", "-2.500e+7"]);
  expect(() => valuesOf("c8", bytes)).toThrow("c8");
});

it("keeps ids of 64 bits exact, and finds every row of one", () => {
  const big = 2n ** 63n + 11n;
  const ids = new Ids(3, new BigUint64Array([big, big - 1n, big]));
  expect(ids.text(1)).toBe("9223372036854775818");
  expect(ids.rows("9223372036854775819")).toEqual([0, 2]);
  expect(ids.rows("9223372036854775820")).toEqual([]);
  expect([all(3).text(2), all(3).rows("2"), all(3).rows("3"), all(3).rows("-1")]).toEqual(["2", [2], [], []]);
  expect(new Ids(3, words(["p", "q"], 1, 0, 1)).rows("q")).toEqual([0, 2]);
});

it("sorts by radix as sorting by comparison does, equal ones in their order, nan last", () => {
  let seed = 7;
  const chance = (): number => (seed = (seed * 16807) % 2147483647) / 2147483647;
  const keys = Float64Array.from({ length: 2000 }, (_, i) => (i % 17 === 0 ? NaN : i % 5 === 0 ? Math.round(chance() * 9) : (chance() - 0.5) * 10 ** Math.round(40 * (chance() - 0.5))));
  keys[3] = -0;
  keys[4] = 0;
  keys[6] = -Infinity;
  keys[7] = Infinity;
  const rows = Uint32Array.from({ length: 1500 }, (_, i) => i);
  for (const down of [false, true]) {
    const there = [...rows].filter((row) => !Number.isNaN(keys[row]));
    const wanted = there.sort((a, b) => ((keys[a] ?? 0) - (keys[b] ?? 0) || a - b) * (down && keys[a] !== keys[b] ? -1 : 1));
    const found = ordered(rows, keys, down);
    expect([...found.slice(0, there.length)].map((row) => (keys[row] ?? 0) + 0)).toEqual(wanted.map((row) => (keys[row] ?? 0) + 0));
    expect([...found].sort((a, b) => a - b)).toEqual([...rows]);
    expect([...found.slice(there.length)].every((row) => Number.isNaN(keys[row]))).toBe(true);
  }
  expect([...ordered(Uint32Array.of(2, 0, 1), Float64Array.of(5, 5, 5), false)]).toEqual([2, 0, 1]);
  expect([...ordered(new Uint32Array(0), keys, false)]).toEqual([]);
  expect([...keysOf(words(["z", "n10", "n9"], 0, 1, 2, 255), 4)]).toEqual([2, 1, 0, NaN]);
});

it("reads filters as they are written, and writes them so", () => {
  const of = (text: string): unknown => parsed("x", text, true);
  expect(of("  ")).toBeNull();
  expect(of("2..5")).toEqual({ by: "x", low: 2, high: 5, text: "" });
  expect(of("-1.5 .. ")).toEqual({ by: "x", low: -1.5, high: null, text: "" });
  expect(of("= 3")).toEqual({ by: "x", low: 3, high: 3, text: "" });
  expect(of("axon")).toEqual({ by: "x", low: null, high: null, text: "axon" });
  expect(parsed("x", "> 3", false)).toEqual({ by: "x", low: null, high: null, text: "> 3" });
  for (const text of ["2..5", "> 3", ">= 3", "< 0.1", "<= -2", "= 4", "axon"]) {
    expect(written(parsed("x", text, true) ?? undefined), text).toBe(text);
  }
  expect(beside(1, 1)).toBe(1 + Number.EPSILON);
  expect([beside(0, 1), beside(-1, 1) > -1, beside(beside(7.25, 1), -1)]).toEqual([Number.MIN_VALUE, true, 7.25]);
  const columns: Record<string, Column> = { x: numbers(3, 3.5, NaN, 9), w: words(["Axon", "spine"], 0, 1, 0, 255) };
  const pass = (...filters: (ReturnType<typeof parsed>)[]): number[] | null => {
    const mask = passing(4, filters.filter((one) => one !== null), all(4), (name) => columns[name] ?? null);
    return mask && [...rowsOf(mask)];
  };
  expect(pass(parsed("x", "> 3", true))).toEqual([1, 3]);
  expect(pass(parsed("x", "<= 3", true))).toEqual([0]);
  expect(pass(parsed("w", "AX", false))).toEqual([0, 2]);
  expect(pass(parsed("w", "AX", false), parsed("x", "3", true))).toEqual([0]);
  expect(pass(parsed("", "1..2", true))).toEqual([1, 2]);
  expect(pass(parsed("later", "a", false))).toBeNull();
});

it("packs what is selected into a bit a row, as numpy does", () => {
  const mask = Uint8Array.from([1, 0, 1, 0, 0, 0, 0, 0, 1]);
  expect([...packed(mask)]).toEqual([5, 1]);
  expect([...unpacked(packed(mask), 9)]).toEqual([...mask]);
  expect(packed(new Uint8Array(9))).toHaveLength(0);
  expect(countOf(unpacked(new DataView(new ArrayBuffer(0)), 9))).toBe(0);
  expect([...chosen(mask, [1], false)]).toEqual([0, 1, 0, 0, 0, 0, 0, 0, 0]);
  expect([...chosen(mask, [0, 2], true)]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 1]);
  expect([...chosen(mask, [0, 1], true)]).toEqual([1, 1, 1, 0, 0, 0, 0, 0, 1]);
  expect([sameBytes(mask, mask.slice()), sameBytes(mask, new Uint8Array(9)), sameBytes(mask, new Uint8Array(8))]).toEqual([true, false, false]);
});

it("knows which rows are on screen, of more than a browser lays out, too", () => {
  expect(windowOf(100, 20, 0, 200)).toEqual({ height: 2000, first: 0, last: 12, top: 0 });
  expect(windowOf(100, 20, 1805, 195)).toMatchObject({ first: 90, last: 100, top: 1800 });
  expect(windowOf(0, 20, 0, 200).last).toBe(0);
  const [count, seen] = [1_000_000, 500];
  expect(windowOf(count, 23, 8e6 - seen, seen)).toMatchObject({ height: 8e6, last: count });
  for (const place of [0, 17, 500_000, 999_999]) {
    const { first, last } = windowOf(count, 23, scrollTo(place, count, 23, seen), seen);
    expect(place >= first && place < last, String(place)).toBe(true);
  }
});

it("goes from units to pixels and back, and zooms about the pointer", () => {
  const size = { width: 200, height: 100 };
  const view = whole([0, 10], [-5, 5]);
  expect(toUnits(view, size, toPixel(view, size, [3, 4]))).toEqual([expect.closeTo(3), expect.closeTo(4)]);
  const near = zoomed(view, view, size, [50, 25], 4);
  expect(toPixel(near, size, toUnits(view, size, [50, 25]))).toEqual([expect.closeTo(50), expect.closeTo(25)]);
  expect(near[1] - near[0]).toBeCloseTo((view[1] - view[0]) / 4);
  const across = zoomed(view, view, size, [50, 25], 4, "x");
  expect([across[2], across[3]]).toEqual([view[2], view[3]]);
  expect(zoomed(view, view, size, [50, 25], 1e12)[1] - zoomed(view, view, size, [50, 25], 1e12)[0]).toBeGreaterThan(1e-6);
  expect(toPixel(moved(view, size, 10, 5), size, [3, 4])[0]).toBeCloseTo(toPixel(view, size, [3, 4])[0] + 10);
  expect(toPixel(moved(view, size, 10, 5), size, [3, 4])[1]).toBeCloseTo(toPixel(view, size, [3, 4])[1] + 5);
  expect(whole([4, 4], [0, 0])).toEqual([0, 8, -1, 1]);
  expect(ticks(0, 1, 5)).toEqual([[0, "0.0"], [expect.closeTo(0.2), "0.2"], [expect.closeTo(0.4), "0.4"], [expect.closeTo(0.6), "0.6"], [expect.closeTo(0.8), "0.8"], [1, "1.0"]]);
  expect(ticks(-3e6, 3e6, 3).map(([, text]) => text)).toEqual(["-2e6", "0e0", "2e6"]);
  expect(ticks(1, 1, 4)).toEqual([]);
});

it("finds the point under the pointer", () => {
  const places = Float32Array.from([0, 0, 0.5, 0.5, NaN, NaN, 1, 1]);
  const there = Uint8Array.from([1, 1, 1, 1]);
  const size = { width: 100, height: 100 };
  expect(nearest(places, there, [0, 1, 0, 1], size, [52, 50], 6)).toBe(1);
  expect(nearest(places, there, [0, 1, 0, 1], size, [70, 50], 6)).toBeNull();
  expect(nearest(places, Uint8Array.from([1, 0, 1, 1]), [0, 1, 0, 1], size, [52, 50], 6)).toBeNull();
});

it("draws in an order of chance that has each row once, and is the same again", () => {
  const found = shuffled(1000);
  expect([...found].sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
  expect([...shuffled(1000)]).toEqual([...found]);
  // The first tenth is a sample of all.
  const mean = found.slice(0, 100).reduce((sum, one) => sum + one, 0) / 100;
  expect(mean).toBeGreaterThan(400);
  expect(mean).toBeLessThan(600);
});

it("colours classes, small whole numbers as classes, and other numbers by their size", () => {
  const facts = { name: "w", unit: "nm", missing: 0, kind: "number", low: 0, high: 10 } as const;
  const classes = lookOf(words(["a", "b"], 0, 1, 1, 255), { ...facts, kind: "category" }, 4);
  expect([...(classes.classes ?? [])]).toEqual([0, 1, 1, 255]);
  expect(classes.legend).toMatchObject({ kind: "classes", entries: [{ name: "a", count: 1 }, { name: "b", count: 2 }, { name: "none", count: 1, code: 255 }] });
  expect(lookOf(numbers(3, 1, NaN), facts, 3).legend).toMatchObject({ entries: [{ name: "1", count: 1 }, { name: "3", count: 1 }, { name: "none", count: 1 }] });
  const sized = lookOf(numbers(0, 10, 2.5, NaN), facts, 4);
  expect(sized.legend).toEqual({ kind: "number", low: "0 nm", high: "10 nm" });
  expect([...sized.bytes.slice(0, 4)]).toEqual([68, 1, 84, 255]);
  expect([...sized.bytes.slice(12)]).toEqual([150, 156, 164, 255]);
  const many = lookOf(words("abcdefghij".split(""), 0, 9), { ...facts, kind: "category" }, 2);
  expect(many.legend).toMatchObject({ more: 3 });
  expect(lookOf(null, null, 2).legend).toEqual({ kind: "none" });
});

it("joins marks of a plot with rows, both ways", () => {
  const rows = ofRows(Int32Array.of(4, 2, 0));
  expect(rows.indices(Uint8Array.of(1, 0, 0, 0, 1), 2)).toEqual([0, 2]);
  expect([...(rows.mask([1], new Uint8Array(5)) ?? [])]).toEqual([0, 0, 1, 0, 0]);
  const groups = ofGroups([[0, 1], [2]]);
  expect(groups.indices(Uint8Array.of(0, 1, 0), 1)).toEqual([0]);
  expect([...(groups.mask([0], new Uint8Array(3)) ?? [])]).toEqual([1, 1, 0]);
  const value = numbers(0, 1, 1, 2, NaN, 1);
  const kind = words(["a", "b", "rare"], 0, 0, 1, 1, 0, 2);
  const marks = [Float64Array.of(0, 1, 1, 1), Float64Array.of(1, 2, 2, 2), ["a", "a", "b", "other"]] as const;
  const bars = ofRanges(...marks, 6, () => value, () => kind, () => Uint8Array.of(1, 1, 1, 1, 1, 1));
  const of = (...indices: number[]): number[] => [...rowsOf(bars.mask(indices, new Uint8Array(6)) ?? new Uint8Array(0))];
  expect([of(0), of(1), of(2), of(3), of(0, 2)]).toEqual([[0], [1], [2, 3], [5], [0, 2, 3]]);
  expect(bars.indices(new Uint8Array(6), 0)).toEqual([]);
  expect(bars.indices(new Uint8Array(6).fill(1), 6)).toBeNull();
  expect(ofRanges(...marks, 6, () => null, () => null, () => new Uint8Array(6)).mask([0], new Uint8Array(6))).toBeNull();
});

it("changes a state as people do", () => {
  expect(sortedBy(null, "a")).toEqual({ by: "a", down: false });
  expect(sortedBy({ by: "a", down: false }, "a")).toEqual({ by: "a", down: true });
  expect(sortedBy({ by: "a", down: true }, "a")).toBeNull();
  const one = { by: "a", low: 1, high: null, text: "" };
  expect(refiltered([one], "a", null)).toEqual([]);
  expect(refiltered([one], "b", { ...one, by: "b" })).toHaveLength(2);
  const key = (name: string): unknown => commandOf({ key: name, ctrlKey: false, metaKey: false, altKey: false });
  expect([key("r"), key("q"), commandOf({ key: "r", ctrlKey: true, metaKey: false, altKey: false })]).toEqual(["fit", null, null]);
  const names = KEYS.flatMap(({ on }) => Object.keys(on));
  expect(new Set(names).size).toBe(names.length);
});
