import { describe, expect, it } from "vitest";
import { Bins } from "../src/run/bins";
import { layout, size } from "../src/run/layout";
import { rgba, fit } from "../src/run/preview";
import { advice, cell, pace, phase, progress } from "../src/run/say";
import { RunState } from "../src/run/state";
import { BEFORE, DONE, FAILED, type Facts, type Phase, RUNNING, type Status, WAITING, numbers } from "../src/run/wire";
import wire from "./wire.json";

const facts = wire.facts as unknown as Facts;
const status = { ...wire.status, phase: wire.status.phase as Phase } as Status;

function hex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** As ipywidgets hands buffers over: a view somewhere in a larger message. */
function inside(data: Uint8Array): DataView {
  const message = new Uint8Array(data.length + 3);
  message.set(data, 3);
  return new DataView(message.buffer, 3, data.length);
}

function loaded(): RunState {
  const state = new RunState(status);
  state.receive({ t: "states", status }, [inside(hex(wire.states_hex))]);
  return state;
}

describe("the wire", () => {
  it("is what the kernel packs", () => {
    expect([...loaded().states]).toEqual(wire.states);
    const [which, what] = wire.tick_hex.map((text) => inside(hex(text)));
    expect([...numbers(which as DataView)]).toEqual(wire.tick.map(([number]) => number));
    expect([...hex(wire.tick_hex[1] ?? "")]).toEqual(wire.tick.map(([, state]) => state));
    expect(what?.byteLength).toBe(wire.tick.length);
  });
});

describe("the state of a Run", () => {
  it("takes in what changed and says what was before", () => {
    const state = loaded();
    const change = state.receive({ t: "tick", status: { ...status, done: 4 } }, wire.tick_hex.map((text) => inside(hex(text))));
    expect(state.status.done).toBe(4);
    expect([...state.states.slice(4, 8)]).toEqual([RUNNING, DONE, RUNNING, WAITING]);
    expect(change?.kind === "blocks" && [...change.before]).toEqual([RUNNING, WAITING, WAITING]);
  });

  it("keeps its own copy of the states", () => {
    const buffer = hex(wire.states_hex);
    const state = new RunState(status);
    state.receive({ t: "states", status }, [buffer]);
    buffer.fill(9);
    expect(state.states[0]).toBe(BEFORE);
  });

  it("takes a tick without changes, and failures", () => {
    const state = loaded();
    expect(state.receive({ t: "tick", status }, [])).toMatchObject({ kind: "blocks" });
    expect(state.receive({ t: "failures", failures: [{ key: "0:1", error: "x" }], more: 2 }, [])).toEqual({ kind: "failures" });
    expect([state.failures.length, state.moreFailures]).toEqual([1, 2]);
  });

  it("ignores what it does not know", () => {
    expect(loaded().receive({ t: "later" } as never, [])).toBeNull();
  });
});

describe("bins", () => {
  const plan = layout([100, 100, 100], 1, 560, 264);

  it("after any changes are those of the states themselves", () => {
    const states = new Uint8Array(1e6);
    const bins = new Bins(plan, states);
    let seed = 7;
    for (let i = 0; i < 5000; i++) {
      seed = (seed * 48271) % 2147483647;
      const [number, to] = [seed % 1e6, seed % 5];
      bins.change(number, states[number] ?? 0, to);
      states[number] = to;
    }
    const fresh = new Bins(plan, states);
    for (let at = 0; at < size(plan); at++) {
      for (const state of [WAITING, BEFORE, RUNNING, DONE, FAILED]) expect(bins.count(at, state)).toBe(fresh.count(at, state));
    }
  });

  it("add up to a million blocks", () => {
    expect(new Bins(plan, new Uint8Array(1e6)).total.reduce((a, b) => a + b, 0)).toBe(1e6);
  });
});

describe("what is said", () => {
  const grid = layout([2, 2, 3], 1, 500, 260);

  it("names the box of a cell in voxels and in nm, clipped to the volume", () => {
    const bins = new Bins(grid, loaded().states);
    expect(cell(facts, bins, 3)).toBe("z 0–20  y 32–60  x 0–32  ·  800 nm × 224 nm × 256 nm  ·  failed");
    expect(cell(facts, bins, 5)).toBe("z 0–20  y 32–60  x 64–80  ·  800 nm × 224 nm × 128 nm  ·  running");
    expect(cell(facts, bins, 0)).toMatch(/ {2}done$/);
    expect(cell(facts, bins, 11)).toMatch(/ {2}waiting$/);
  });

  it("counts the blocks of a binned cell", () => {
    const binned = layout([2, 2, 3], 1, 9, 3);
    expect(binned.bin).not.toEqual([1, 1, 1, 1]);
    expect(cell(facts, new Bins(binned, loaded().states), 0)).toMatch(/\d of \d+ blocks done/);
  });

  it("names time points and channels", () => {
    const found: Facts = { ...facts, grid: facts.grid && { ...facts.grid, lead: ["t0 c0", "t0 c1"] } };
    const bins = new Bins(layout([2, 2, 3], 2, 500, 260), new Uint8Array(24));
    expect(cell(found, bins, 12)).toMatch(/^t0 c1 {2}·/);
  });

  it("mentions failures, retries and earlier work only where there are any", () => {
    expect(progress(status, 12)).toEqual(["3 of 12 blocks", "25 %", "1 failed", "1 done before"]);
    expect(progress({ ...status, failed: 0, skipped: 0 }, 12)).toEqual(["3 of 12 blocks", "25 %"]);
    expect(progress({ ...status, retried: 2 }, 12)).toContain("2 retried");
  });

  it("speaks of a rate only while there is one", () => {
    expect(pace(status)).toEqual(["2.0 blocks/s", "4 s left", "1.5 s so far"]);
    expect(pace({ ...status, phase: "done" })).toEqual(["took 1.5 s"]);
    expect(pace({ ...status, phase: "ready", seconds: 0 })).toEqual([]);
  });

  it("speaks of another process as of this one", () => {
    expect(pace({ ...status, phase: "elsewhere" })).toEqual(["2.0 blocks/s", "4 s left", "1.5 s so far"]);
  });

  it("gives the code to go on with where there is more to do, and it is known", () => {
    const stopped = { ...status, phase: "stopped" } as Status;
    expect(advice(stopped, "code", true)).toMatch(/in any kernel, run:$/);
    expect(advice({ ...stopped, phase: "failed" }, "code", true)).not.toBe("");
    expect(advice(stopped, null, true)).toBe("");
    expect(advice(status, "code", true)).toBe("");
    expect(advice(status, "code", false)).toMatch(/^The kernel that ran this is gone; .* run:$/);
    expect(advice(status, null, false)).toMatch(/Run the cell again\.$/);
    expect(advice({ ...status, phase: "done" }, "code", false)).toBe("");
  });

  it("says when the kernel is gone, unless nothing is left to do", () => {
    expect(phase(status, true)).toBe("Running");
    expect(phase(status, false)).toBe("Kernel gone");
    expect(phase({ ...status, phase: "done" }, false)).toBe("Done");
  });
});

describe("the preview", () => {
  it("makes grey and coloured patches opaque", () => {
    expect([...rgba({ y: 0, x: 0, h: 1, w: 2, pixels: Uint8Array.of(7, 9) })]).toEqual([7, 7, 7, 255, 9, 9, 9, 255]);
    expect([...rgba({ y: 0, x: 0, h: 1, w: 1, pixels: Uint8Array.of(1, 2, 3) })]).toEqual([1, 2, 3, 255]);
  });

  it("keeps the shape that the tissue has", () => {
    expect(fit({ height: 50, width: 100, aspect: 1, label: "" }, 280)).toEqual({ width: 280, height: 140 });
    expect(fit({ height: 50, width: 100, aspect: 4, label: "" }, 280)).toEqual({ width: 132, height: 264 });
  });
});
