import { describe, expect, it } from "vitest";
import { type Fingers, pinched } from "../src/image/pinch";
import { complete, positionAt } from "../src/image/state";
import { freeName, without } from "../src/image/views";

describe("two fingers", () => {
  const state = complete({ position: [100, 200, 300], scale: 4 });

  it("keep under them what lay under them", () => {
    for (const plane of ["xy", "xz", "zy"] as const) {
      const before: Fingers = [[-50, 20], [70, 20]];
      const now: Fingers = [[-90, 55], [150, 55]];
      const after = pinched(state, plane, before, now);
      expect(after.scale).toBeCloseTo(2);
      before.forEach((finger, i) => {
        const [want, found] = [positionAt(state, plane, finger), positionAt(after, plane, now[i] ?? [0, 0])];
        found.forEach((nm, axis) => expect(nm).toBeCloseTo(want[axis] ?? NaN));
      });
    }
  });

  it("that come together to a point do not make it infinite", () => {
    expect(pinched(state, "xy", [[0, 0], [100, 0]], [[50, 0], [50, 0]]).scale).toBe(400);
  });
});

it("names views that nobody named", () => {
  expect(freeName({})).toBe("view 1");
  expect(freeName({ "view 1": {}, "view 3": {} })).toBe("view 2");
  expect(without({ a: { t: 1 }, b: {} }, "a")).toEqual({ b: {} });
});
