import { expect, it } from "vitest";
import type { Model } from "../src/core/anywidget";
import { Joint, type Selection, bus } from "../src/core/bus";
import { Pointing } from "../src/core/pointing";
import { frame } from "./frames";

function joint(channel: string): Joint {
  const model = { get: () => channel, set: () => {}, save_changes: () => {}, send: () => {}, on: () => {}, off: () => {} } as unknown as Model;
  return new Joint(model, "table", () => {});
}

it("tells the latest once a frame, nothing twice, and the end of it", () => {
  const heard: Selection[] = [];
  bus("pointing").subscribe((one) => heard.push(one));
  const pointing = new Pointing(joint("pointing"));
  pointing.at("rows", ["1"]);
  pointing.at("rows", ["2"]);
  expect([heard.length, pointing.there]).toEqual([0, false]);
  expect([frame(), heard.map(({ kind, ids }) => [kind, ...ids]), pointing.there]).toEqual([1, [["hover", "2"]], true]);
  pointing.at("rows", ["2"]);
  expect([frame(), heard.length]).toEqual([1, 1]);
  // The same number of another noun is another thing.
  pointing.at("neurons", ["2"]);
  frame();
  expect(heard.at(-1)).toMatchObject({ noun: "neurons", ids: ["2"] });
  pointing.at("rows", []);
  frame();
  pointing.at("neurons", []);
  frame();
  expect([heard.length, heard.at(-1)?.ids, pointing.there]).toEqual([3, [], false]);
  expect(bus("pointing").current()).toBeUndefined();
});

it("takes back what it pointed at when it goes, and waits for nothing then", () => {
  const heard: Selection[] = [];
  bus("gone").subscribe((one) => heard.push(one));
  const pointing = new Pointing(joint("gone"));
  pointing.at("rows", ["1"]);
  frame();
  pointing.at("rows", ["2"]);
  pointing.close();
  expect([frame(), heard.map(({ ids }) => ids)]).toEqual([0, [["1"], []]]);
  pointing.close();
  expect(heard.length).toBe(2);
});

it("costs no frame where nobody listens", () => {
  const pointing = new Pointing(joint(""));
  pointing.at("rows", ["1"]);
  expect(frame()).toBe(0);
});
