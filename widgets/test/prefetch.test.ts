import { describe, expect, it } from "vitest";
import { Motion } from "../src/core/prefetch";

/** Step through planes, so many ms apart. */
function steady(from: number, stride: number, steps: number, every: number): { motion: Motion; depth: number; now: number } {
  const motion = new Motion();
  let [depth, now] = [from, 0];
  for (let i = 0; i < steps; i++, depth += stride, now += every) motion.saw(depth, now);
  return { motion, depth: depth - stride, now: now - every };
}

describe("what comes next", () => {
  it("is both neighbours at rest", () => {
    const motion = new Motion();
    motion.saw(10, 0);
    expect(motion.next(10, 100, 50)).toEqual([11, 9]);
    expect(motion.next(0, 1, 50)).toEqual([]);
  });

  it("is where a scroll goes, the farther the faster", () => {
    const slow = steady(10, 1, 6, 100);
    const fast = steady(10, 1, 30, 20);
    expect(slow.motion.next(slow.depth, 1000, slow.now)).toEqual([16, 17, 18, 19, 20]);
    const found = fast.motion.next(fast.depth, 1000, fast.now);
    expect(found.length).toBe(16);
    expect(found[0]).toBe(fast.depth + 1);
  });

  it("goes back where the scroll goes back, and not past the ends", () => {
    const { motion, depth, now } = steady(8, -1, 6, 50);
    expect(depth).toBe(3);
    expect(motion.next(depth, 1000, now)).toEqual([2, 1, 0]);
  });

  it("takes the steps that the scroll takes", () => {
    const { motion, depth, now } = steady(0, 10, 6, 100);
    expect(motion.next(depth, 1000, now)).toEqual([60, 70, 80, 90, 100]);
  });

  it("is the neighbours again a moment later, and after a leap", () => {
    const { motion, depth, now } = steady(0, 1, 6, 100);
    expect(motion.speed(now)).toBeCloseTo(10);
    expect(motion.next(depth, 1000, now + 700)).toEqual([depth + 1, depth - 1]);
    motion.saw(700, now + 20);
    expect(motion.next(700, 1000, now + 20)).toEqual([701, 699]);
  });
});
