import { describe, expect, it } from "vitest";
import { type Layout, cellAt, cellOf, corner, covered, layout, size } from "../src/run/layout";

type Case = readonly [counts: readonly [number, number, number], lead: number, width: number, height: number];

// Small, flat, long, deep, with time points, a million, and wider than high enough.
const CASES: readonly Case[] = [
  [[1, 1, 1], 1, 500, 260],
  [[2, 3, 4], 1, 500, 260],
  [[1, 1, 5000], 1, 500, 260],
  [[5000, 1, 1], 1, 500, 260],
  [[1, 900, 2], 1, 300, 200],
  [[100, 100, 100], 1, 560, 264],
  [[13, 7, 11], 9, 400, 264],
  [[1, 2, 2], 4000, 400, 264],
  [[10, 250, 400], 1, 120, 80],
];

function blocks(found: Layout): number {
  return found.counts.reduce((a, b) => a * b, 1);
}

describe.each(CASES)("the map of %j blocks, %d times, in %d by %d px", (counts, lead, width, height) => {
  const found = layout(counts, lead, width, height);

  it("fits", () => {
    expect(found.width).toBeLessThanOrEqual(width);
    expect(found.height).toBeLessThanOrEqual(height);
    expect(found.cell).toBeGreaterThanOrEqual(3);
  });

  it("gives every block exactly one cell, and cells the blocks that they say they cover", () => {
    const tally = new Uint32Array(size(found));
    for (let number = 0; number < blocks(found); number++) {
      const cell = cellOf(found, number);
      tally[cell] = (tally[cell] ?? 0) + 1;
    }
    tally.forEach((n, cell) => {
      expect(n).toBe(covered(found, cell).reduce((product, [a, b]) => product * (b - a), 1));
      expect(n).toBeGreaterThan(0);
    });
  });

  it("finds each cell again where it was drawn, and inside the picture", () => {
    for (let cell = 0; cell < size(found); cell += Math.max(1, Math.floor(size(found) / 500))) {
      const { x, y } = corner(found, cell);
      expect(x + found.cell).toBeLessThanOrEqual(found.width);
      expect(y + found.cell).toBeLessThanOrEqual(found.height);
      expect(cellAt(found, x, y)).toBe(cell);
      expect(cellAt(found, x + found.cell - 0.01, y + found.cell - 0.01)).toBe(cell);
    }
  });
});

describe("the map", () => {
  it("does not bin what fits", () => {
    expect(layout([4, 5, 6], 1, 500, 260).bin).toEqual([1, 1, 1, 1]);
  });

  it("bins a million blocks into cells that the eye can tell", () => {
    const found = layout([100, 100, 100], 1, 560, 264);
    expect(size(found)).toBeGreaterThan(2000);
    expect(size(found)).toBeLessThan(20000);
  });

  it("has nothing between slabs or outside", () => {
    const found = layout([2, 3, 4], 1, 500, 260);
    expect(cellAt(found, 4 * found.cell + found.gap / 2, 1)).toBeNull();
    expect(cellAt(found, -1, 1)).toBeNull();
    expect(cellAt(found, 1, found.height + 1)).toBeNull();
    expect(cellAt(found, found.width + found.gap + 1, 1)).toBeNull();
  });

  it("reads slabs from left to right, blocks with x fastest", () => {
    const found = layout([2, 2, 3], 1, 500, 260);
    expect([0, 1, 3, 6].map((number) => corner(found, cellOf(found, number)))).toEqual([
      { x: 0, y: 0 },
      { x: found.cell, y: 0 },
      { x: 0, y: found.cell },
      { x: 3 * found.cell + found.gap, y: 0 },
    ]);
  });
});
