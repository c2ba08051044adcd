import { expect, it } from "vitest";
import { mix } from "../src/run/palette";

it("shows begun and unfinished cells as neither empty nor full", () => {
  expect(mix("#000000", "#ffffff", 0)).toBe("#000000");
  expect(mix("#000000", "#ffffff", 1)).toBe("#ffffff");
  expect(mix("#000000", "#ffffff", 0.001)).toBe("#262626");
  expect(mix("#000000", "#ffffff", 0.999)).toBe("#e5e5e5");
});

it("falls back to whole colours where a theme has others than #rrggbb", () => {
  expect(mix("red", "#ffffff", 0.2)).toBe("red");
  expect(mix("red", "#ffffff", 0.8)).toBe("#ffffff");
});
