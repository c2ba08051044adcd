import { describe, expect, it } from "vitest";
import { CODEC, FLAG, decodeQuick } from "../src/core/frames";
import { type Hole, around, cropped, joined, parted, within } from "../src/core/holes";
import { piece } from "../src/image/play";

const hole = (top: number, bottom: number, left: number, right: number): Hole => ({ top, bottom, left, right });

/** Holes of a grid of chunks, as they come: whole ones, cut at the edges. */
function some(seed: number): Hole[] {
  const found: Hole[] = [];
  for (let y = 0; y < 4; y++) for (let x = 0; x < 5; x++) if ((seed >> ((y * 5 + x) % 19)) & 1) found.push(hole(y * 7, Math.min(25, y * 7 + 7), x * 6, Math.min(28, x * 6 + 6)));
  return found;
}

describe("holes", () => {
  it.each([0, 1, 0b1011010, 0x3ffff, 0x2aaaa, 0x15555, 0x700e3])("and what is around them are the tile, each place once (%i)", (seed) => {
    const holes = some(seed);
    const count = new Uint8Array(28 * 25);
    for (const { top, bottom, left, right } of [...holes, ...around(holes, 28, 25)]) {
      for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) count[y * 28 + x] = (count[y * 28 + x] ?? 0) + 1;
    }
    expect(count.every((n) => n === 1)).toBe(true);
  });

  it("go onto a payload and come off it", () => {
    const payload = Uint8Array.of(1, 2, 3);
    const holes = [hole(0, 512, 65535, 1), hole(1, 2, 3, 4)];
    expect(parted(joined(payload, holes))).toEqual([payload, holes]);
    // In the middle of a message, at an odd place.
    const shifted = new Uint8Array([9, ...joined(payload, holes)]).subarray(1);
    expect(parted(shifted)).toEqual([payload, holes]);
  });

  it("come with the picture that they are in, and with its pieces", () => {
    const payload = joined(new Uint8Array(600 * 4).fill(5), [hole(1, 3, 500, 600)]);
    const picture = decodeQuick({ index: 0, codec: CODEC.raw, dtype: 0, height: 4, width: 600, flags: FLAG.holes, payload });
    expect(picture).toMatchObject({ kind: "values", holes: [hole(1, 3, 500, 600)] });
    expect(picture.kind === "values" && picture.values.length).toBe(2400);
    expect(piece(picture, 0, 0)).toMatchObject({ width: 512, holes: [hole(1, 3, 500, 512)] });
    expect(piece(picture, 0, 512)).toMatchObject({ width: 88, holes: [hole(1, 3, 0, 88)] });
  });

  it("are cut to a part, and left out of parts that they do not reach", () => {
    expect(cropped([hole(0, 10, 0, 10), hole(20, 30, 0, 5)], hole(5, 20, 8, 30))).toEqual([hole(0, 5, 0, 2)]);
    expect([within([hole(2, 4, 2, 4)], 3, 3), within([hole(2, 4, 2, 4)], 4, 3)]).toEqual([true, false]);
  });
});
