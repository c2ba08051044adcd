import { describe, expect, it } from "vitest";
import { fromHex, labelColor } from "../src/core/colors";
import { Palette } from "../src/image/palette";
import { LUT, LUT_WIDTH } from "../src/image/shaders";
import type { Info, LabelsLayer } from "../src/image/state";

const IDS = [7n, 0n, 2n ** 53n + 1n, 720575996132767246n, 2n ** 64n - 1n, 2n ** 32n, 12n];
const layer = (more: Partial<LabelsLayer>): LabelsLayer => ({ hidden: [], isolated: false, ...more }) as LabelsLayer;
const info = (colors?: Record<string, string>): Info => ({ ...(colors && { colors }) }) as Info;

/** What each id looks like, told one by one by its name. */
function wanted(id: bigint, shown: LabelsLayer, selection: readonly string[], colors: Record<string, string>): number[] {
  if (id === 0n) return [0, 0, 0, 0];
  const name = id.toString();
  const given = colors[name];
  const rgb = given === undefined ? labelColor(id) : fromHex(given).map((v) => Math.round(255 * v));
  const selected = selection.includes(name);
  if (shown.hidden.includes(name) || (shown.isolated && !selected)) return [...rgb, LUT.hidden];
  return [...rgb, selected && !shown.isolated ? LUT.selected : LUT.shown];
}

describe.each([
  ["nothing is said of them", {}, [], {}],
  ["some are hidden", { hidden: ["7", "18446744073709551615", "no id"] }, [], {}],
  ["some are selected", {}, ["720575996132767246", "12", ""], {}],
  ["those that are selected are alone", { isolated: true, hidden: ["12"] }, ["12", "4294967296"], {}],
  ["none of them is selected, and it is alone", { isolated: true }, [], {}],
  ["some have colours of their own", {}, ["7"], { "7": "FF8000", "9007199254740993": "#102030", x: "FFFFFF" }],
] as const)("ids of which %s", (_, more, selection, colors) => {
  it("look as each of them would alone", () => {
    const [shown, palette] = [layer(more), new Palette()];
    palette.follow(shown, selection, info(colors));
    // A table within a larger one, as it lies in a frame.
    const ids = new BigUint64Array([1n, ...IDS, 1n]).subarray(1, IDS.length + 1);
    const table = palette.table(ids);
    expect(table.length).toBe(4 * LUT_WIDTH);
    IDS.forEach((id, i) => expect([id, ...table.subarray(4 * i, 4 * i + 4)]).toEqual([id, ...wanted(id, shown, selection, colors)]));
  });
});

it("has a new version only where something was said anew", () => {
  const [palette, shown, facts, none] = [new Palette(), layer({}), info(), []];
  palette.follow(shown, none, facts);
  palette.follow({ ...shown, opacity: 0.2 }, none, facts);
  expect(palette.version).toBe(1);
  palette.follow({ ...shown, hidden: ["3"] }, none, facts);
  palette.follow({ ...shown, hidden: ["3"] }, ["4"], facts);
  expect(palette.version).toBe(3);
});
