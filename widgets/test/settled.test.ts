import { expect, it } from "vitest";
import type { Model } from "../src/core/anywidget";
import type { GraphState } from "../src/graph/state";
import { Settled } from "../src/core/settled";

const STATE = { layout: "auto", centre: [0, 0], scale: null, selection: [] } as unknown as GraphState;

/** A model of one trait, as anywidget's: setting it tells of it. */
function kernel(): Model & { saved: number; says(state: GraphState): void } {
  let state: unknown = STATE;
  let heard: (() => void) | null = null;
  const found = {
    saved: 0,
    get: () => state,
    set: (_: string, value: unknown) => void (state = value),
    save_changes: () => void found.saved++,
    send: () => {},
    on: (_: string, callback: () => void) => void (heard = callback),
    off: () => void (heard = null),
    says: (value: GraphState) => {
      state = value;
      heard?.();
    },
  };
  return found as ReturnType<typeof kernel>;
}

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 130));
const at = (x: number): GraphState => ({ ...STATE, centre: [x, 0] });

it("sends the last of many changes, once, and nothing where nothing changed", async () => {
  const model = kernel();
  const sync = new Settled<GraphState>(model, "state", () => {});
  for (let x = 1; x <= 5; x++) sync.write(at(x));
  expect(model.saved).toBe(0);
  await settled();
  expect([model.saved, model.get("state")]).toEqual([1, at(5)]);
  sync.write(at(5));
  await settled();
  expect(model.saved).toBe(1);
  sync.write(at(6));
  sync.close();
  expect([model.saved, model.get("state")]).toEqual([2, at(6)]);
  model.says(at(7));
});

it("takes what the kernel says for its wish, and its own words, heard again while it moves, for an echo", async () => {
  const model = kernel();
  const told: GraphState[] = [];
  const sync = new Settled<GraphState>(model, "state", (state) => told.push(state));
  sync.write(at(1));
  await settled();
  sync.write(at(2));
  model.says(at(1));
  expect(told).toEqual([]);
  await settled();
  expect(model.get("state")).toEqual(at(2));
  sync.write(at(3));
  model.says(at(9));
  await settled();
  expect(told).toEqual([at(9)]);
  // What was not sent yet is older than that.
  expect(model.get("state")).toEqual(at(9));
  sync.close();
});
