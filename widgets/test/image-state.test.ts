import { describe, expect, it } from "vitest";
import * as S from "../src/image/state";

const INFO: S.Info = {
  id: "em", name: "em", kind: "image", dtype: "uint8", axes: ["z", "y", "x"], times: 3,
  channels: [{ name: "a", window: [5, 50], color: "FF0000" }, { name: "b", window: null, color: null }],
  levels: [0, 1].map((level) => ({
    shape: [20, 300 >> level, 400 >> level], voxel_size: [40, 4 << level, 4 << level], offset: [400, 40, 8], chunk: [1, 64, 64], missing: null,
  })),
  window: [1, 99], version: 1,
}; // prettier-ignore
const INFOS = { em: INFO };
const STATE = S.complete({ layers: [S.newLayer("em", "image"), S.newLayer("ids", "labels")], position: [420, 100, 200], scale: 2 });

describe("moving", () => {
  it("pans with the pointer, in every plane", () => {
    expect(S.pan(STATE, "xy", 10, -5).position).toEqual([420, 110, 180]);
    expect(S.pan(STATE, "xz", 10, -5).position).toEqual([430, 100, 180]);
    expect(S.pan(STATE, "yz", 10, -5).position).toEqual([430, 80, 200]);
    expect(S.pan(STATE, "zy", 10, -5).position).toEqual([400, 110, 200]);
  });

  it("zooms to the cursor: what is under it stays", () => {
    for (const plane of ["xy", "xz", "yz", "zy"] as const) {
      for (const factor of [0.1, 0.9, 1.25, 8]) {
        const cursor = [123, -77] as const;
        const after = S.zoomAt(STATE, plane, cursor, factor);
        S.positionAt(after, plane, cursor).forEach((nm, axis) => expect(nm).toBeCloseTo(S.positionAt(STATE, plane, cursor)[axis] ?? NaN, 9));
        expect(after.scale).toBeCloseTo(2 / factor);
      }
    }
    expect(S.zoomAt(STATE, "xy", [0, 0], 1e99).scale).toBeGreaterThan(0);
  });

  it("steps by planes, to their middle, not past the ends", () => {
    expect(S.stepZ(STATE, INFOS, 1).position).toEqual([460, 100, 200]);
    expect(S.stepZ(STATE, INFOS, -5).position).toEqual([420, 100, 200]);
    expect(S.stepZ(STATE, INFOS, 100).position[0]).toBe(400 + 19.5 * 40);
    expect(S.step(STATE, INFOS, "yz", 10).position).toEqual([420, 100, 8 + (48 + 10.5) * 4]);
    expect(S.stepZ({ ...STATE, layout: "xz" }, INFOS, 1).position).toEqual([420, 40 + 16.5 * 4, 200]);
    expect(S.stepZ(STATE, {}, 1)).toBe(STATE);
  });

  it("goes to voxels and back", () => {
    for (const voxel of [[0, 0, 0], [19, 299, 399], [7, 100, 3]] as const) {
      expect(S.voxelAt(INFO, S.gotoVoxel(STATE, INFOS, voxel).position)).toEqual(voxel);
    }
    expect(S.voxelAt(INFO, [400, 48, 8], 1)).toEqual([0, 1, 0]);
  });

  it("fits the volume into the picture", () => {
    const fitted = S.fit(STATE, INFOS, 800, 300);
    expect(fitted.position).toEqual([800, 640, 808]);
    expect(fitted.scale).toBe(4);
    expect(S.setZoom(STATE, INFOS, 2).scale).toBe(2);
  });

  it("keeps times among those that there are", () => {
    expect([-1, 1, 9].map((t) => S.setTime(STATE, INFOS, t).t)).toEqual([0, 1, 2]);
  });
});

describe("layers", () => {
  it("are changed one by one, and moved", () => {
    const after = S.setLayer(STATE, "ids", { opacity: 0.2 });
    expect(after.layers.map(({ opacity }) => opacity)).toEqual([1, 0.2]);
    expect(after.layers[0]).toBe(STATE.layers[0]);
    expect(S.moveLayer(STATE, "em", 1).layers.map(({ id }) => id)).toEqual(["ids", "em"]);
    expect(S.moveLayer(STATE, "em", -1).layers.map(({ id }) => id)).toEqual(["em", "ids"]);
  });

  it("have their own window, else the channel's, else the volume's", () => {
    const layer = S.newLayer("em", "image") as S.ImageLayer;
    expect(S.windowOf({ ...layer, window: [7, 8] }, INFO)).toEqual([7, 8]);
    expect(S.windowOf(layer, INFO)).toEqual([5, 50]);
    expect(S.windowOf({ ...layer, channel: 1 }, INFO)).toEqual([1, 99]);
    expect(S.windowOf({ ...layer, channel: 1 }, { ...INFO, window: null })).toEqual([0, 255]);
    expect([S.colorOf(layer, INFO), S.colorOf({ ...layer, channel: 1 }, INFO)]).toEqual(["FF0000", "FFFFFF"]);
  });
});

describe("ids", () => {
  const BIG = ["18446744073709551615", "9007199254740993"];

  it("are selected exactly, once each, never background", () => {
    expect(S.select(STATE, "ids", [...BIG, ...BIG, "0"]).selection["ids"]).toEqual(BIG);
    const one = S.select(STATE, "ids", ["5"]);
    expect(S.select(one, "ids", ["5", "6"], "add").selection["ids"]).toEqual(["5", "6"]);
    expect(S.select(one, "ids", ["5", "6"], "toggle").selection["ids"]).toEqual(["6"]);
    expect(S.clearSelection(one).selection).toEqual({});
  });

  it("are hidden and shown again", () => {
    const hidden = S.hide(S.hide(STATE, "ids", ["5", "6"]), "ids", ["6", "7"]);
    const ids = (state: S.ViewState): readonly string[] => (state.layers[1] as S.LabelsLayer).hidden;
    expect(ids(hidden)).toEqual(["5", "6", "7"]);
    expect(ids(S.unhide(hidden, "ids", ["6"]))).toEqual(["5", "7"]);
    expect(ids(S.unhide(hidden, "ids"))).toEqual([]);
    expect(S.hide(STATE, "em", ["5"])).toBe(STATE);
  });
});

it("completes what was left out, and keeps what was said", () => {
  const made = S.complete({ layers: [{ id: "a", kind: "labels", style: "outline" } as S.Layer], t: 2 });
  expect(made).toMatchObject({ v: 1, t: 2, layout: "xy", layers: [{ style: "outline", opacity: 0.5, hidden: [] }] });
  expect(S.same(S.complete(JSON.parse(JSON.stringify(made))), made)).toBe(true);
});

it("compares JSON", () => {
  expect(S.same({ a: [1, { b: null }] }, { a: [1, { b: null }] })).toBe(true);
  for (const other of [{ a: [1, { b: 0 }] }, { a: [1] }, { a: { 0: 1, 1: { b: null } } }, { a: [1, { b: null }], c: 1 }, null, 3]) {
    expect(S.same({ a: [1, { b: null }] }, other)).toBe(false);
  }
});
