import { expect, it } from "vitest";
import { Pulse } from "../src/core/pulse";

function watched(ask: () => void = () => undefined): { pulse: Pulse; told: boolean[]; asked: () => number } {
  const told: boolean[] = [];
  let asked = 0;
  const pulse = new Pulse(
    () => {
      asked++;
      ask();
    },
    (alive) => told.push(alive),
    0,
  );
  return { pulse, told, asked: () => asked };
}

it("asks once after a silence and gives up after a longer one", () => {
  const { pulse, told, asked } = watched();
  for (const now of [1, 4.9]) pulse.check(now, true);
  expect(asked()).toBe(0);
  for (const now of [6, 7, 14]) pulse.check(now, true);
  expect([asked(), told]).toEqual([1, []]);
  for (const now of [16, 17]) pulse.check(now, true);
  expect(told).toEqual([false]);
});

it("takes any message as life, also afterwards", () => {
  const { pulse, told } = watched();
  pulse.check(6, true);
  pulse.heard(7);
  pulse.check(20, true);
  expect(told).toEqual([]);
  pulse.check(23, true);
  pulse.heard(24);
  expect(told).toEqual([false, true]);
});

it("expects nothing of a Run that does not run", () => {
  const { pulse, told, asked } = watched();
  for (let now = 0; now < 1000; now += 10) pulse.check(now, false);
  expect([asked(), told]).toEqual([0, []]);
  pulse.check(994, true);
  expect(asked()).toBe(0);
});

it("says at once that a connection was cut, and that it is back", () => {
  const { pulse, told, asked } = watched();
  pulse.cut();
  expect([asked(), told]).toEqual([1, [false]]);
  pulse.heard(1);
  expect(told).toEqual([false, true]);
});

it("survives a connection that refuses to send", () => {
  const { pulse, told } = watched(() => {
    throw new Error("cannot send");
  });
  pulse.cut();
  expect(told).toEqual([false]);
});
