import { expect, it } from "vitest";
import type { Model } from "../src/core/anywidget";
import { bus } from "../src/core/bus";
import { Explorer } from "../src/table/explorer";
import { frame } from "./frames";

const FIRST = 2n ** 60n;

/** A model as the kernel opens it: three rows, ids of 64 bits. */
function model(channel: string): Model & { readonly sent: unknown[]; says(name: string, value: unknown): void } {
  const traits: Record<string, unknown> = {
    offers: { count: 3, id: "id", tabs: [], name: "" }, ids_kind: "u8", ids_bytes: new BigUint64Array([FIRST, FIRST + 1n, FIRST + 2n]),
    columns: [], facts: [], picked: new Uint8Array(0), plot: {}, status: { busy: [], trouble: "" }, noun: "rows", ids: "", channel,
    state: { tab: "points", filters: [], sort: null, shown: [], features: [], points: {} },
  };
  const listeners = new Map<string, Set<() => void>>();
  const sent: unknown[] = [];
  const found = {
    sent,
    get: (name: string) => traits[name],
    set: (name: string, value: unknown) => found.says(name, value),
    save_changes: () => void sent.push("saved"),
    send: (content: unknown) => void sent.push(content),
    on: (event: string, callback: () => void) => void listeners.set(event, (listeners.get(event) ?? new Set()).add(callback)),
    off: (event: string, callback: () => void) => void listeners.get(event)?.delete(callback),
    says: (name: string, value: unknown) => {
      traits[name] = value;
      for (const callback of listeners.get(`change:${name}`) ?? []) callback();
    },
  };
  return found as unknown as ReturnType<typeof model>;
}

it("selects in every table of a channel, exactly, and says nothing to the kernel before it rests", () => {
  const [a, b, c] = [model("flowers"), model(""), model("trees")];
  const [one, two, three] = [new Explorer(a), new Explorer(b), new Explorer(c)];
  b.says("channel", "flowers");
  one.select(Uint8Array.of(0, 1, 1));
  expect([[...two.mask], [...three.mask], a.sent, b.sent]).toEqual([[0, 1, 1], [0, 0, 0], [], []]);
  one.hover(2);
  expect(two.hovered).toBeNull();
  frame();
  expect([two.hovered, three.hovered, one.pointed]).toEqual([2, null, []]);
  two.fly(0);
  expect([one.aim.row, three.aim.row]).toEqual([0, -1]);
  // What the kernel of one selects is told to the others.
  a.says("picked", new DataView(new Uint8Array([1]).buffer));
  expect([...two.mask]).toEqual([0, 1, 1]);
  one.close();
  a.says("picked", new DataView(new Uint8Array([1]).buffer));
  for (const view of [two, three]) view.close();
  // A view that comes later sees what was selected last.
  const late = new Explorer(model("flowers"));
  expect([...late.mask]).toEqual([0, 1, 1]);
  late.close();
});

it("tells what the kernel selects once nothing of its own is under way", async () => {
  const [a, b] = [model("pond"), model("pond")];
  const [one, two] = [new Explorer(a), new Explorer(b)];
  a.says("picked", new DataView(new Uint8Array([5]).buffer));
  expect([[...one.mask], [...two.mask]]).toEqual([[1, 0, 1], [1, 0, 1]]);
  await new Promise((resolve) => setTimeout(resolve, 130));
  expect([a.sent, b.sent]).toEqual([[], ["saved"]]);
  one.close();
  two.close();
});

it("lights the rows that another view points at, and says something of one alone", () => {
  const one = new Explorer(model("meadow"));
  const told: string[] = [];
  one.on((change) => told.push(change));
  const point = (...ids: bigint[]): void => bus("meadow").publish({ kind: "hover", noun: "rows", ids: ids.map(String), source: "test" });
  point(FIRST, FIRST + 2n);
  expect([one.pointed, one.hovered, [...one.mask]]).toEqual([[0, 2], null, [0, 0, 0]]);
  point(FIRST + 2n);
  expect([one.pointed, one.hovered]).toEqual([[2], 2]);
  // Its own pointer comes first, and what the others make of that is known here.
  one.hover(1);
  frame();
  point(FIRST + 1n);
  expect([one.pointed, one.hovered]).toEqual([[], 1]);
  one.hover(null);
  frame();
  expect([one.hovered, new Set(told)]).toEqual([null, new Set(["hover"])]);
  one.close();
});
