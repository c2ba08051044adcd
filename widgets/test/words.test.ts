import { describe, expect, it } from "vitest";
import { count, counted, duration, length, percent, rate } from "../src/core/words";

describe("numbers as people read them", () => {
  it.each([
    [0, "0"],
    [999, "999"],
    [1234, "1234"],
    [12345, "12\u2009345"],
    [1234567, "1\u2009234\u2009567"],
  ])("counts %d", (n, text) => expect(count(n)).toBe(text));

  it.each([
    [0, "0 s"],
    [0.04, "0 s"],
    [1.25, "1.3 s"],
    [2, "2 s"],
    [59.4, "59 s"],
    [59.6, "1 min"],
    [125, "2 min 5 s"],
    [3600, "1 h"],
    [12000, "3 h 20 min"],
    [187200, "2 d 4 h"],
    [Infinity, "–"],
    [NaN, "–"],
    [-1, "–"],
  ])("says that %d seconds are %s", (seconds, text) => expect(duration(seconds)).toBe(text));

  it("turns slow rates round", () => {
    expect(rate(1234.5)).toBe("1235 blocks/s");
    expect(rate(12.34)).toBe("12.3 blocks/s");
    expect(rate(0.25)).toBe("4 s a block");
    expect(rate(0)).toBe("–");
  });

  it("never calls unfinished work finished, nor begun work not begun", () => {
    expect(percent(999_999, 1_000_000)).toBe(">99 %");
    expect(percent(1_000_000, 1_000_000)).toBe("100 %");
    expect(percent(1, 1_000_000)).toBe("<1 %");
    expect(percent(0, 1_000_000)).toBe("0 %");
    expect(percent(0, 0)).toBe("–");
  });

  it("finds the unit of a length", () => {
    expect(length(8)).toBe("8 nm");
    expect(length(1234.56)).toBe("1.235 µm");
    expect(length(2.5e6)).toBe("2.5 mm");
  });

  it("has one noun for one", () => {
    expect(counted(1, "block")).toBe("1 block");
    expect(counted(0, "block")).toBe("0 blocks");
  });
});
