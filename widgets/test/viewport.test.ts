import { describe, expect, it } from "vitest";
import { MOST_TILES, type Slice, chooseLevel, countTiles, overlap, projection, rectOf, toNm, toPixel, visibleTiles, within } from "../src/core/viewport";

const slice = (columns: number, rows: number, size: number): Slice => ({ shape: [columns, rows], size: [size, size], origin: [0, 0] });
const PYRAMID = [slice(8000, 6000, 4), slice(4000, 3000, 8), slice(2000, 1500, 16)];
const PANEL = { x: 0, y: 0, width: 640, height: 480 };

describe("a projection", () => {
  it("finds its way back", () => {
    const view = projection(PANEL, [1234.5, 77], [3, 5], 1.7);
    for (const axis of [0, 1] as const) for (const pixel of [0, 17.25, 480]) {
      expect(toPixel(view, axis, toNm(view, axis, pixel))).toBeCloseTo(pixel, 9);
    }
  });

  it("has the centre in the middle, to half a pixel, and corners of voxels on pixels", () => {
    for (const centre of [0, 2, 3.99, 1e6 + 2]) {
      const view = projection({ ...PANEL, x: 10 }, [centre, centre], [0, 0], 4);
      expect(Math.abs(toPixel(view, 0, centre) - 330)).toBeLessThanOrEqual(0.5);
      expect(Number.isInteger(toPixel(view, 0, 4 * 12345))).toBe(true);
    }
  });
});

describe("the level", () => {
  const all = [null, null, null];
  const few = (): number => 4;

  it("is the coarsest whose voxels are no larger than a pixel", () => {
    const at = (scale: number): number | null => chooseLevel(PYRAMID, all, scale, few).level;
    expect([0.5, 4, 7.9, 8, 15.9, 16, 1000].map(at)).toEqual([0, 0, 0, 1, 1, 2, 2]);
  });

  it("goes by the finer axis of a plane", () => {
    const flat = (size: number): Slice => ({ shape: [9, 9], size: [size, 40], origin: [0, 0] });
    expect(chooseLevel([flat(4), flat(8), flat(16)], all, 9, few).level).toBe(1);
  });

  it("is another one where one is missing, and says so", () => {
    const found = chooseLevel(PYRAMID, [null, "not made", null], 8, few);
    expect(found).toEqual({ wanted: 1, level: 0, trouble: "level 1: not made; level 0 is shown" });
    const many = chooseLevel(PYRAMID, [null, "not made", null], 8, (level) => (level === 0 ? 9999 : 4));
    expect(many.level).toBe(2);
    expect(chooseLevel(PYRAMID, ["a", "b", "c"], 8, few)).toEqual({ wanted: 1, level: null, trouble: "level 1: b" });
  });

  it("says when nothing coarse enough is there", () => {
    expect(chooseLevel([slice(1e6, 1e6, 4)], [null], 1000, () => 9999)).toMatchObject({ level: 0, trouble: expect.stringContaining("zoom in") });
  });
});

describe("the tiles", () => {
  const view = projection(PANEL, [16000, 12000], [0, 0], 4);
  const found = visibleTiles(PANEL, view, PYRAMID[0] as Slice, 512);

  it("cover the panel, each once", () => {
    const covered = new Uint8Array(640 * 480);
    for (const cell of found) {
      const rect = overlap(rectOf(view, PYRAMID[0] as Slice, cell), PANEL);
      expect(rect).not.toBeNull();
      if (rect === null) continue;
      for (let y = rect.y; y < rect.y + rect.height; y++) for (let x = rect.x; x < rect.x + rect.width; x++) {
        covered[640 * y + x] = (covered[640 * y + x] ?? 0) + 1;
      }
    }
    expect(covered.every((n) => n === 1)).toBe(true);
    expect(found.length).toBe(countTiles(PANEL, view, PYRAMID[0] as Slice, 512));
  });

  it("come from the centre outwards", () => {
    const far = found.map((cell) => {
      const rect = rectOf(view, PYRAMID[0] as Slice, cell);
      return Math.hypot(rect.x + rect.width / 2 - 320, rect.y + rect.height / 2 - 240);
    });
    expect(far).toEqual([...far].sort((a, b) => a - b));
  });

  it("are cropped at the ends and none beyond", () => {
    const small = slice(700, 300, 4);
    const at = projection(PANEL, [1400, 600], [0, 0], 8);
    expect(visibleTiles(PANEL, at, small, 512).map(({ right, bottom }) => [right, bottom])).toEqual([[512, 300], [700, 300]]);
    expect(visibleTiles(PANEL, projection(PANEL, [1e6, 1e6], [0, 0], 8), small, 512)).toEqual([]);
  });

  it("of an endless plane are few, around the centre", () => {
    const huge = slice(1e6, 1e6, 4);
    const at = projection(PANEL, [2e6, 2e6], [0, 0], 5000);
    const few = visibleTiles(PANEL, at, huge, 512);
    expect(few.length).toBeLessThanOrEqual(MOST_TILES);
    expect(few.length).toBeGreaterThan(MOST_TILES / 2);
    expect(Math.abs((few[0]?.row ?? 0) - 976)).toBeLessThanOrEqual(1);
  });
});

it("knows rectangles", () => {
  expect(overlap({ x: 0, y: 0, width: 4, height: 4 }, { x: 2, y: 3, width: 9, height: 9 })).toEqual({ x: 2, y: 3, width: 2, height: 1 });
  expect(overlap({ x: 0, y: 0, width: 4, height: 4 }, { x: 4, y: 0, width: 1, height: 1 })).toBeNull();
  expect(within(PANEL, { x: 1, y: 1, width: 9, height: 9 })).toBe(true);
  expect(within(PANEL, { x: 635, y: 1, width: 9, height: 9 })).toBe(false);
});
