import { describe, expect, it } from "vitest";
import { Lru } from "../src/core/lru";

function filled(capacity: number, pinned: (key: string) => boolean = () => false): { lru: Lru<string>; gone: string[] } {
  const gone: string[] = [];
  const lru = new Lru<string>(capacity, (value) => gone.push(value), pinned);
  for (let i = 0; i < 10; i++) lru.set(`k${i}`, `v${i}`, 10);
  return { lru, gone };
}

describe("a cache of 100 bytes", () => {
  it("keeps what fits", () => {
    const { lru, gone } = filled(100);
    expect([lru.size, lru.bytes, gone]).toEqual([10, 100, []]);
  });

  it("goes down to nine tenths, the longest unused first", () => {
    const { lru, gone } = filled(100);
    lru.get("k0");
    lru.set("new", "new", 10);
    expect(gone).toEqual(["v1", "v2"]);
    expect(lru.bytes).toBe(90);
    expect(lru.get("k0")).toBe("v0");
    expect(lru.get("k1")).toBeUndefined();
  });

  it("looks without using", () => {
    const { lru, gone } = filled(100);
    expect(lru.peek("k0")).toBe("v0");
    lru.set("new", "new", 10);
    expect(gone).toContain("v0");
  });

  it("never drops what is on show, nor what just came", () => {
    const { lru, gone } = filled(100, (key) => key === "k0");
    lru.set("large", "large", 500);
    expect(gone).not.toContain("v0");
    expect(gone).not.toContain("large");
    expect(lru.size).toBe(2);
  });

  it("counts a key that is set again once, and tells of the value before", () => {
    const { lru, gone } = filled(100);
    lru.set("k3", "other", 4);
    expect([lru.bytes, gone]).toEqual([94, ["v3"]]);
  });

  it("clears what is asked for, telling of each", () => {
    const { lru, gone } = filled(100);
    lru.clear((key) => key < "k5");
    expect(gone).toEqual(["v0", "v1", "v2", "v3", "v4"]);
    lru.clear();
    expect([lru.size, lru.bytes]).toEqual([0, 0]);
  });
});
