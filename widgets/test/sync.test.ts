import { describe, expect, it } from "vitest";
import type { Model } from "../src/core/anywidget";
import { complete, newLayer, type ViewState } from "../src/image/state";
import { Sync, type Told } from "../src/image/sync";

const STATE = complete({ layers: [newLayer("em", "image")] });

/** A model of traits, as anywidget's: setting one tells of it. */
function model(traits: Record<string, unknown>): Model & { saved: number; set(name: string, value: unknown): void; tell(event: string, ...values: unknown[]): void } {
  const heard = new Map<string, Set<(...values: never[]) => void>>();
  const tell = (event: string, ...values: unknown[]): void => heard.get(event)?.forEach((callback) => callback(...(values as never[])));
  const found = {
    saved: 0,
    get: (name: string) => traits[name],
    set: (name: string, value: unknown) => ((traits[name] = value), tell(`change:${name}`)),
    save_changes: () => void found.saved++,
    send: () => {},
    on: (event: string, callback: (...values: never[]) => void) => void heard.set(event, (heard.get(event) ?? new Set()).add(callback)),
    off: (event: string, callback: (...values: never[]) => void) => void heard.get(event)?.delete(callback),
    tell,
  };
  return found;
}

function setup(): { sync: Sync; page: { state: ViewState }; kernel: ReturnType<typeof model>; news: unknown[] } {
  const kernel = model({ state: STATE, infos: {}, selection: {}, position: [0, 0, 0], status: { other: 1 } });
  const page = { state: STATE };
  const news: unknown[] = [];
  const told: Told = {
    state: (change) => void (page.state = change(page.state)),
    infos: (infos) => news.push(["infos", infos]),
    shapes: () => news.push("shapes"),
    endpoint: () => news.push("endpoint"),
    changed: (layer, version) => news.push(["changed", layer, version]),
    facts: (facts) => news.push(facts),
    shoot: (n) => news.push(["shoot", n]),
  };
  return { sync: new Sync(kernel, told), page, kernel, news };
}

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 130));

describe("the state", () => {
  it("goes out once it settled, with the parts that have traits of their own", async () => {
    const { sync, kernel } = setup();
    for (let z = 1; z <= 5; z++) sync.write({ ...STATE, position: [z, 0, 0], selection: { em: [String(z)] } });
    expect(kernel.saved).toBe(0);
    await settled();
    expect([kernel.saved, kernel.get("position"), kernel.get("selection")]).toEqual([1, [5, 0, 0], { em: ["5"] }]);
    sync.write({ ...STATE, position: [5, 0, 0], selection: { em: ["5"] } });
    await settled();
    expect(kernel.saved).toBe(1);
  });

  it("comes in at once, also one that was there before", async () => {
    const { sync, page, kernel } = setup();
    sync.write({ ...STATE, scale: 9 });
    await settled();
    page.state = { ...STATE, scale: 9 };
    kernel.set("state", { ...STATE });
    expect(page.state.scale).toBe(STATE.scale);
    kernel.set("state", { ...STATE, scale: 9 });
    expect(page.state.scale).toBe(9);
  });

  it("is not thrown back by the echo of what it was, while it moves", async () => {
    const { sync, page, kernel } = setup();
    sync.write({ ...STATE, scale: 2 });
    await settled();
    page.state = { ...STATE, scale: 3 };
    sync.write(page.state);
    kernel.set("state", { ...STATE, scale: 2 });
    expect(page.state.scale).toBe(3);
    kernel.set("state", { ...STATE, scale: 77 });
    expect(page.state.scale).toBe(77);
    await settled();
    expect((kernel.get("state") as ViewState).scale).toBe(77);
  });

  it("takes a position or a selection that was set alone", () => {
    const { page, kernel } = setup();
    kernel.set("position", [1, 2, 3]);
    kernel.set("selection", { em: ["18446744073709551615"] });
    expect([page.state.position, page.state.selection]).toEqual([[1, 2, 3], { em: ["18446744073709551615"] }]);
  });
});

it("says how large the picture is, beside what else is told", async () => {
  const { sync, kernel } = setup();
  sync.size(0, 0);
  sync.size(640, 480);
  await settled();
  expect(kernel.get("status")).toEqual({ other: 1, size: [640, 480] });
  sync.size(0, 0);
  await settled();
  expect([kernel.saved, kernel.get("status")]).toEqual([1, { other: 1, size: [640, 480] }]);
});

it("passes the kernel's messages on, until it is closed", () => {
  const { sync, kernel, news } = setup();
  kernel.tell("msg:custom", { t: "shoot", n: 4 });
  kernel.tell("msg:custom", { t: "changed", layer: "em", version: 2 });
  kernel.tell("msg:custom", { t: "facts", layer: "em", id: "7", values: { a: 1 } });
  kernel.set("endpoint", { path: "x/" });
  expect(news).toEqual([["shoot", 4], ["changed", "em", 2], { layer: "em", id: "7", values: { a: 1 } }, "endpoint"]);
  expect(sync.endpoint()).toEqual({ path: "x/" });
  sync.close();
  kernel.tell("msg:custom", { t: "shoot", n: 5 });
  expect(news.length).toBe(4);
});
