import { expect, it } from "vitest";
import { lengthText, roundLength } from "../src/core/units";

it("says lengths with a unit that fits", () => {
  expect([4, 999, 1000, 1500, 2.5e6, 0.5].map(lengthText)).toEqual(["4 nm", "999 nm", "1 µm", "1.5 µm", "2.5 mm", "0.5 nm"]);
});

it("makes scale bars of round lengths that fit", () => {
  for (let power = -3; power < 7; power += 0.1) {
    const { nm } = roundLength(10 ** power, 120);
    expect(nm).toBeLessThanOrEqual(120 * 10 ** power * (1 + 1e-9));
    expect(nm).toBeGreaterThan((120 * 10 ** power) / 2.6);
    expect([1, 2, 5]).toContain(Number((nm / 10 ** Math.floor(Math.log10(nm) + 1e-9)).toFixed(6)));
  }
  expect(roundLength(4, 100)).toEqual({ nm: 200, text: "200 nm" });
});
