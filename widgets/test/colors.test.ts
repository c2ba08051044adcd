import { expect, it } from "vitest";
import { fromHex, labelColor } from "../src/core/colors";
import fixture from "./colors.json";

it("gives ids the colours that Python gives them", () => {
  const ids = Object.entries(fixture as Record<string, number[]>).filter(([id]) => id !== "0");
  expect(ids.length).toBeGreaterThan(20);
  for (const [id, rgb] of ids) expect([id, ...labelColor(BigInt(id))]).toEqual([id, ...rgb]);
});

it("tells ids apart that differ beyond 2^53", () => {
  expect(labelColor(2n ** 60n)).not.toEqual(labelColor(2n ** 60n + 1n));
});

it("reads colours", () => {
  expect(fromHex("FF8000")).toEqual([1, 128 / 255, 0]);
  expect(fromHex("#ff8000")).toEqual([1, 128 / 255, 0]);
  expect(fromHex("orange")).toEqual([1, 1, 1]);
});
