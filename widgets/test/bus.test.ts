import { expect, it, vi } from "vitest";
import type { Model } from "../src/core/anywidget";
import { Joint, type Selection, bus } from "../src/core/bus";

const said = (noun: string, ids: string[], source = "test"): Selection => ({ kind: "select", noun, ids, source });

/** A model whose channel can be changed, as anywidget's. */
function model(channel: string): Model & { move(channel: string): void } {
  const heard = new Map<string, () => void>();
  return {
    get: () => channel,
    set: () => {},
    save_changes: () => {},
    send: () => {},
    on: (event, callback) => void heard.set(event, callback as () => void),
    off: (event) => void heard.delete(event),
    move: (to) => {
      channel = to;
      heard.get("change:channel")?.();
    },
  };
}

it("tells everybody on a channel, and nobody on another", () => {
  const [here, there] = [[] as Selection[], [] as Selection[]];
  const leave = bus("a").subscribe((one) => here.push(one));
  bus("b").subscribe((one) => there.push(one));
  bus("a").publish(said("rows", ["9007199254740993"]));
  expect(here.map(({ ids }) => ids)).toEqual([["9007199254740993"]]);
  expect(there).toEqual([]);
  leave();
  bus("a").publish(said("rows", []));
  expect(here.length).toBe(1);
});

it("is shared by copies of the module", async () => {
  vi.resetModules();
  const copy = await import("../src/core/bus");
  expect(copy.bus).not.toBe(bus);
  const heard: Selection[] = [];
  copy.bus("copies").subscribe((one) => heard.push(one));
  bus("copies").publish(said("rows", ["1"]));
  expect(heard.length).toBe(1);
  expect(copy.bus("copies").current()?.ids).toEqual(["1"]);
});

it("keeps what is selected, of each noun, and not what passes", () => {
  const one = bus("kept");
  expect(one.current()).toBeUndefined();
  one.publish(said("neurons", ["7"]));
  one.publish(said("synapses", ["1", "2"]));
  one.publish({ ...said("synapses", ["5"]), kind: "hover" });
  expect(one.current()?.ids).toEqual(["1", "2"]);
  expect(one.current("neurons")?.ids).toEqual(["7"]);
  one.publish(said("neurons", ["8"]));
  expect(one.current()?.ids).toEqual(["8"]);
});

it("tells what is said meanwhile afterwards, so that all hear one order", () => {
  const [first, last] = [[] as string[], [] as string[]];
  bus("order").subscribe(({ noun }) => {
    first.push(noun);
    if (noun === "neurons") bus("order").publish(said("synapses", []));
  });
  bus("order").subscribe(({ noun }) => last.push(noun));
  bus("order").publish(said("neurons", []));
  expect([first, last]).toEqual([["neurons", "synapses"], ["neurons", "synapses"]]);
});

it("goes on where one listener fails", () => {
  const complaint = vi.spyOn(console, "error").mockImplementation(() => {});
  const heard: Selection[] = [];
  bus("fails").subscribe(() => {
    throw new Error("no");
  });
  bus("fails").subscribe((one) => heard.push(one));
  bus("fails").publish(said("rows", []));
  bus("fails").publish(said("rows", []));
  expect([heard.length, complaint.mock.calls.length]).toEqual([2, 2]);
  complaint.mockRestore();
});

it("has a view follow its model's channel, hear the others and not itself", () => {
  const [own, other] = [model(""), model("joint")];
  const [heard, theirs] = [[] as Selection[], [] as Selection[]];
  const joint = new Joint(own, "table", (one) => heard.push(one));
  const beside = new Joint(other, "graph", (one) => theirs.push(one));
  joint.say("select", "rows", ["1"]);
  expect([joint.linked, theirs]).toEqual([false, []]);
  own.move("joint");
  joint.say("select", "rows", ["1"]);
  expect([joint.linked, theirs.length, heard.length]).toEqual([true, 1, 0]);
  beside.say("fly", "synapses", ["4"], [1, 2, 3]);
  expect(heard.map(({ kind, at }) => [kind, at])).toEqual([["fly", [1, 2, 3]]]);
  own.move("elsewhere");
  beside.say("select", "neurons", ["4"]);
  expect(heard.length).toBe(1);
  own.move("joint");
  joint.close();
  beside.say("select", "neurons", ["5"]);
  expect(heard.length).toBe(1);
  beside.close();
});
