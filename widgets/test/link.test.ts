import { expect, it } from "vitest";
import type { Model } from "../src/core/anywidget";
import { type Selection, bus, edgeId } from "../src/core/bus";
import { joins, lit } from "../src/graph/lit";
import { NOWHERE, pointed, pointedAt, said, told } from "../src/image/linked";
import { complete, newLayer } from "../src/image/state";
import { Hub } from "../src/link/hub";
import { Mapping, type Told } from "../src/link/mapping";
import { sentence } from "../src/link/words";
import FIXTURE from "./link.json";

const LARGE = "18446744073709551615";
const NONE = 0xffffffff;
const bytes = (numbers: ArrayLike<number> & ArrayBufferView): Uint8Array => new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
const names = (ids: readonly string[]): Uint8Array => new TextEncoder().encode(JSON.stringify(ids));

/** Two axons on two dendrites; synapse 4 has lost its axon. */
function table(rows: Told["rows"] = "synapses"): Told {
  return {
    synapses: bytes(new Uint8Array(new BigUint64Array([1n, 2n, 3n, BigInt(LARGE)]).buffer)),
    neurons: names(["a", "b", "c", "d"]),
    pre: bytes(new Uint32Array([0, 0, 1, NONE])),
    post: bytes(new Uint32Array([2, 2, 3, 3])),
    at: bytes(new Float32Array([0, 0, 0, 10, 0, 0, 40, 5, 5, 60, 5, 5])),
    rows,
    count: rows === "neurons" ? 3 : 0,
    whole: { synapses: true, neurons: false },
  };
}

it("lets edges follow from synapses, and synapses from neurons", () => {
  const mapping = new Mapping(table());
  expect(mapping.follows({ noun: "synapses", ids: ["2", "1", LARGE] })).toEqual({
    rows: ["2", "1", LARGE], synapses: ["2", "1", LARGE], neurons: [], edges: [edgeId("a", "c")],
  });
  expect(mapping.follows({ noun: "neurons", ids: ["d", "c"] })).toEqual({
    rows: ["1", "2", "3", LARGE], synapses: ["1", "2", "3", LARGE], neurons: ["d", "c"], edges: [],
  });
  expect(mapping.ends(["1", "2", LARGE])).toBe(3);
});

it("takes rows for what they are, edges for their synapses, and drops what it does not know", () => {
  expect(new Mapping(table()).chosen("rows", ["3", "77"])).toEqual({ noun: "synapses", ids: ["3"] });
  expect(new Mapping(table("neurons")).chosen("rows", ["b", "3"])).toEqual({ noun: "neurons", ids: ["b"] });
  expect(new Mapping(table()).chosen("edges", [edgeId("a", "c")])).toEqual({ noun: "synapses", ids: ["1", "2"] });
  expect(new Mapping(table()).chosen("columns", ["1"])).toBeNull();
  expect(new Mapping(table("neurons")).follows({ noun: "synapses", ids: ["1"] }).rows).toEqual([]);
  expect(new Mapping(table("neurons")).follows({ noun: "neurons", ids: ["d", "a"] }).rows).toEqual(["a"]);
});

it("flies to a synapse, and for a neuron to the one in the middle of its own", () => {
  const mapping = new Mapping(table());
  expect(mapping.place({ noun: "synapses", ids: [LARGE] })).toEqual([60, 5, 5]);
  expect(mapping.place({ noun: "neurons", ids: ["d"] })).toEqual([40, 5, 5]);
  expect(mapping.place({ noun: "neurons", ids: [] })).toBeNull();
  expect(new Mapping({ ...table(), at: new Uint8Array(0) }).place({ noun: "synapses", ids: ["1"] })).toBeNull();
});

it("says how much is selected", () => {
  expect(sentence({ noun: "synapses", ids: ["7"] }, 1, 2)).toBe("synapse 7 of 2 neurons");
  expect(sentence({ noun: "neurons", ids: ["a", "b"] }, 1700, 0)).toBe("2 neurons, 1,700 synapses");
  expect(sentence({ noun: "neurons", ids: [] }, 0, 0)).toBe("Nothing is selected");
});

it("lights up edges either way round where they have no direction", () => {
  const rows = new Map(["a", "b", "c"].map((name, row) => [name, row]));
  const ends = new Uint32Array([0, 1, 1, 2, 2, 0]);
  expect([...lit(ends, [edgeId("b", "a"), edgeId("c", "a"), edgeId("a", "x")], rows, true)]).toEqual([2, 0]);
  expect([...lit(ends, [edgeId("b", "a")], rows, false)]).toEqual([0, 1]);
  expect([joins(ends, 0, 1, true), joins(ends, 1, 0, true), joins(ends, 1, 0, false), joins(ends, 1, 1, false)]).toEqual([true, false, true, false]);
});

it("says what Python says", () => {
  const every = [...new Set([...FIXTURE.neurons, ...FIXTURE.pre, ...FIXTURE.post])].filter((name) => name !== "");
  const row = (name: string): number => (name === "" ? NONE : every.indexOf(name));
  const mapping = new Mapping({
    ...table(), synapses: bytes(new Uint8Array(new BigUint64Array(FIXTURE.synapses.map(BigInt)).buffer)), neurons: names(every),
    pre: bytes(new Uint32Array(FIXTURE.pre.map(row))), post: bytes(new Uint32Array(FIXTURE.post.map(row))),
  });
  for (const { noun, ids, edges, synapses, neurons } of FIXTURE.cases) {
    const found = mapping.follows({ noun: noun as "synapses" | "neurons", ids });
    expect(found).toEqual({ rows: synapses, synapses, neurons, edges: edges.map(([a, b]) => edgeId(a as string, b as string)) });
  }
});

// --- the hub ----------------------------------------------------------------------------------------------------------

function model(channel: string): Model & { traits: Map<string, unknown>; saved: number; heard: Map<string, () => void> } {
  const traits = new Map<string, unknown>([["channel", channel], ["mapping", table()], ["chosen", { noun: "synapses", ids: [] }]]);
  const heard = new Map<string, () => void>();
  const found = {
    traits, heard, saved: 0,
    get: (name: string) => traits.get(name),
    set: (name: string, value: unknown) => void traits.set(name, value),
    save_changes: () => void found.saved++,
    send: () => {},
    on: (event: string, callback: () => void) => void heard.set(event, callback),
    off: (event: string) => void heard.delete(event),
  };
  return found as ReturnType<typeof model>;
}

const click = (noun: string, ids: string[], kind: Selection["kind"] = "select"): Selection => ({ kind, noun, ids, source: "test" });

it("tells every other view at once, and the kernel once it has settled", async () => {
  const kernel = model("hub");
  const hub = new Hub(kernel);
  const heard: Selection[] = [];
  bus("hub").subscribe((one) => heard.push(one));
  bus("hub").publish(click("neurons", ["a"]));
  expect(heard.filter(({ source }) => source !== "test").map(({ noun, ids }) => [noun, ids])).toEqual([
    ["rows", ["1", "2"]], ["synapses", ["1", "2"]], ["edges", []], ["neurons", ["a"]],
  ]);
  // A neuron that is shown alone is brought into sight.
  expect(heard.at(-1)).toMatchObject({ kind: "fly", at: [0, 0, 0] });
  bus("hub").publish(click("rows", ["3"]));
  expect(bus("hub").current("neurons")?.ids).toEqual([]);
  expect(bus("hub").current("edges")?.ids).toEqual([edgeId("b", "d")]);
  expect(kernel.saved).toBe(0);
  await new Promise((resolve) => setTimeout(resolve, 130));
  expect([kernel.saved, kernel.traits.get("chosen")]).toEqual([1, { noun: "synapses", ids: ["3"] }]);

  kernel.traits.set("chosen", { noun: "neurons", ids: ["b"] });
  kernel.heard.get("change:chosen")?.();
  expect(bus("hub").current("rows")?.ids).toEqual(["3"]);
  expect(bus("hub").current("neurons")?.ids).toEqual(["b"]);

  bus("hub").publish(click("rows", ["3"], "fly"));
  expect(heard.at(-1)).toMatchObject({ kind: "fly", noun: "synapses", ids: ["3"], at: [40, 5, 5] });
  hub.close();
  bus("hub").publish(click("neurons", ["a"]));
  expect(heard.at(-1)?.source).toBe("test");
});

it("tells what passes of every noun, and nothing of it stays", async () => {
  const kernel = model("passing");
  const hub = new Hub(kernel);
  const heard: Selection[] = [];
  bus("passing").subscribe((one) => heard.push(one));
  const said = (): unknown[] => heard.splice(0).filter(({ source }) => source !== "test").map(({ kind, noun, ids, at }) => [kind, noun, ids, at]);
  bus("passing").publish(click("rows", ["3"], "hover"));
  const place = [40, 5, 5];
  expect(said()).toEqual([
    ["hover", "rows", ["3"], place], ["hover", "synapses", ["3"], place], ["hover", "neurons", [], place],
    ["hover", "edges", [edgeId("b", "d")], place],
  ]);
  bus("passing").publish(click("neurons", ["a"], "hover"));
  expect(said()).toEqual([
    ["hover", "rows", ["1", "2"], undefined], ["hover", "synapses", ["1", "2"], undefined], ["hover", "neurons", ["a"], undefined],
    ["hover", "edges", [], undefined],
  ]);
  bus("passing").publish(click("synapses", [], "hover"));
  expect(said().map((one) => (one as unknown[])[2])).toEqual([[], [], [], []]);
  await new Promise((resolve) => setTimeout(resolve, 130));
  expect([hub.chosen.ids, bus("passing").current("rows")?.ids, kernel.saved]).toEqual([[], [], 0]);
  hub.alone(["a"]);
  expect(said()).toEqual([["alone", "neurons", ["a"], undefined]]);
  hub.close();
});

// --- the picture ------------------------------------------------------------------------------------------------------

const PARTS = { neurons: "cells", synapses: "synapses" };
const STATE = complete({ layers: [newLayer("cells", "labels"), newLayer("synapses", "points")] });

it("shows a neuron alone that another view selected, synapses among the rest, and flies", () => {
  const alone = told(STATE, PARTS, click("neurons", ["7"]));
  expect([alone.selection["cells"], alone.layers[0]]).toEqual([["7"], { ...STATE.layers[0], isolated: true }]);
  const lightened = told(alone, PARTS, click("synapses", ["1", "2"]));
  expect(lightened.selection).toEqual({ cells: ["7"], synapses: ["1", "2"] });
  expect(told(lightened, PARTS, click("neurons", [])).layers).toEqual(STATE.layers);
  expect(told(lightened, PARTS, click("synapses", ["1", "2"]))).toBe(lightened);
  expect(told(STATE, PARTS, click("rows", ["1"]))).toBe(STATE);
  const there = told(STATE, PARTS, { ...click("synapses", ["1"], "fly"), at: [1, 2, 3] });
  expect([there.position, there.marker]).toEqual([[1, 2, 3], [1, 2, 3]]);
});

it("tells what was picked in it, and nothing where nothing was", () => {
  const picked = { ...STATE, selection: { synapses: ["5"] } };
  expect(said(STATE, picked, PARTS)).toEqual({ noun: "synapses", ids: ["5"] });
  expect(said(picked, { ...picked, t: 1 }, PARTS)).toBeNull();
  expect(said(picked, { ...picked, selection: { ...picked.selection, other: ["1"] } }, PARTS)).toBeNull();
  expect(said({ ...STATE, selection: { cells: ["1"], synapses: ["5"] } }, STATE, PARTS)).toEqual({ noun: "neurons", ids: [] });
});

it("shows neurons alone when asked, and all again with those that were hidden", () => {
  const picked = { ...STATE, selection: { cells: ["7"] } };
  const alone = told(picked, PARTS, { ...click("neurons", ["7"]), kind: "alone" });
  expect([alone.layers[0], alone.selection]).toEqual([{ ...STATE.layers[0], isolated: true }, { cells: ["7"] }]);
  const hidden = { ...alone, layers: alone.layers.map((one) => (one.kind === "labels" ? { ...one, hidden: ["3"] } : one)) };
  const all = told(hidden, PARTS, { ...click("neurons", []), kind: "alone" });
  expect([all.layers, all.selection]).toEqual([STATE.layers, { cells: ["7"] }]);
  expect(told(picked, {}, { ...click("neurons", ["7"]), kind: "alone" })).toBe(picked);
});

it("takes of what passes the segment, and the place of one synapse", () => {
  const one = pointed(NOWHERE, { ...click("neurons", ["7"], "hover") });
  expect(one).toEqual({ segments: ["7"], at: null });
  expect(pointed(one, { ...click("neurons", ["7"], "hover") })).toBe(one);
  expect(pointed(one, { ...click("synapses", ["1"], "hover"), at: [1, 2, 3] })).toEqual({ segments: ["7"], at: [1, 2, 3] });
  expect(pointed(one, { ...click("synapses", ["1", "2"], "hover"), at: [1, 2, 3] })).toBe(one);
  expect(told(STATE, PARTS, click("neurons", ["7"], "hover"))).toBe(STATE);
});

it("points at the topmost thing that others know", () => {
  const hit = (layer: string, id: string | null) => ({ layer, id, kind: "labels", voxel: [0, 0, 0], level: 0, value: null }) as const;
  expect(pointedAt([hit("synapses", "5"), hit("cells", "7")], PARTS)).toEqual({ noun: "synapses", ids: ["5"] });
  expect(pointedAt([hit("other", "5"), hit("synapses", null), hit("cells", "7")], PARTS)).toEqual({ noun: "neurons", ids: ["7"] });
  expect(pointedAt([hit("cells", "0")], PARTS).ids).toEqual([]);
});
