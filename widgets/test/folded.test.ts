import { expect, it } from "vitest";
import { Folded } from "../src/core/folded";
import { piece } from "../src/image/play";

const SIDE = 1024;

/** One label from a row on, which is numbered 1; all before it is 0. Each plane takes a mebibyte or two. */
function below(row: number, size: 1 | 2 = 1): Folded {
  const skip: number[] = [];
  for (let left = row * SIDE - 31; left >= 0; left = left < 128 ? -1 : Math.floor(left / 128)) skip.push((left & 127) | (left < 128 ? 0 : 128));
  // Passes over the rows, then fills one; those after it are copies.
  const code = Uint8Array.from([(6 << 5) | 31, ...skip, ((SIDE - 2) & 127) | 128, (SIDE - 2) >> 7, 1]);
  return new Folded(SIDE, SIDE, BigUint64Array.of(0n, 9n), false, code, size);
}

const first = (picture: Folded): number => picture.values.indexOf(1) / SIDE;

it("unfolds labels whenever somebody looks, whatever was looked at before", () => {
  const pictures = Array.from({ length: 60 }, (_, i) => below(1 + 17 * i, i % 3 === 0 ? 2 : 1));
  for (const step of [1, 7, 59, 31]) {
    for (let i = 0; i < 60; i++) {
      const at = (i * step) % 60;
      const picture = pictures[at] as Folded;
      expect([at, first(picture)]).toEqual([at, 1 + 17 * at]);
      expect(picture.values.length).toBe(SIDE * SIDE);
      expect(picture.bytes).toBe(picture.values.byteLength);
    }
  }
});

it("holds what was looked at last, and gives the room of the oldest to the next", () => {
  const one = below(5);
  const values = one.values;
  for (let i = 0; i < 10; i++) {
    void below(100 + i).values;
    expect(one.values).toBe(values);
  }
  const rooms = new Set(Array.from({ length: 200 }, (_, i) => below(1 + i).values));
  expect(rooms.size).toBeLessThanOrEqual(25);
});

it("is cut into tiles that stay", () => {
  const tile = piece(below(600), 512, 0);
  for (let i = 0; i < 50; i++) void below(1 + i).values;
  expect(Object.keys(tile).sort()).toEqual(["absent", "height", "ids", "kind", "values", "width"]);
  if (tile.kind === "labels") expect([tile.values.length, tile.values.indexOf(1)]).toEqual([512 * 512, 88 * 512]);
});
