import { describe, expect, it } from "vitest";
import { type PanelPlan, panelsOf, plan, visibleWants } from "../src/image/planes";
import { depthAfter, lanesOf, stepLevel, stepsOf } from "../src/image/lanes";
import { nameOf, piece } from "../src/image/play";
import { rim } from "../src/image/rim";
import { Grid } from "../src/image/shapes";
import * as S from "../src/image/state";

function info(id: string, shape: S.Vec3, more: Partial<S.Info> = {}): S.Info {
  const level = (n: number): S.Level => ({
    shape: [shape[0], Math.ceil(shape[1] / 2 ** n), Math.ceil(shape[2] / 2 ** n)],
    voxel_size: [40, 4 * 2 ** n, 4 * 2 ** n], offset: [0, 0, 0], chunk: [1, 64, 64], missing: null,
  }); // prettier-ignore
  return { id, key: `${id}!`, name: id, kind: "image", dtype: "uint8", axes: [], times: 1, channels: [], levels: [level(0), level(1)], window: null, version: 3, ...more };
}

const INFOS = { em: info("em", [100, 2048, 2048]), ids: info("ids", [100, 2048, 2048], { kind: "labels", dtype: "uint64" }) };
const STATE = S.complete({ layers: [S.newLayer("em", "image"), S.newLayer("ids", "labels")], position: [420, 4096, 4096], scale: 4 });
const planned = (state: S.ViewState, infos: S.Infos = INFOS, width = 600, height = 400): ReturnType<typeof plan> =>
  plan(state, infos, panelsOf(state.layout, width, height), 1);
const keys = (state: S.ViewState, infos?: S.Infos): string[] => visibleWants(planned(state, infos)).map(({ key }) => key.split("|").at(-1) ?? "");

describe("what is asked for", () => {
  it("are the tiles of the plane, in the level that suits", () => {
    expect(keys({ ...STATE, layers: STATE.layers.slice(0, 1) }).sort()).toEqual(["10,1,1", "10,1,2", "10,2,1", "10,2,2"]);
    const [panel] = planned({ ...STATE, scale: 8 });
    expect(panel?.layers.map(({ level, source }) => [level, source.query["lod"], source.query["vol"]])).toEqual([[1, "1", "em!"], [1, "1", "ids!"]]);
  });

  it("follows every step, pan, zoom, plane and time", () => {
    const one = { ...STATE, layers: STATE.layers.slice(0, 1) };
    const depth = (state: S.ViewState): string | undefined => keys(state)[0]?.split(",")[0];
    expect([1, 10, 100, -10].map((n) => depth(S.stepZ(one, INFOS, n)))).toEqual(["11", "20", "99", "0"]);
    expect(keys(S.pan(one, "xy", 512, 0)).sort()).toEqual(["10,1,0", "10,1,1", "10,2,0", "10,2,1"]);
    expect(keys({ ...one, layout: "xz" }).map((key) => key.split(",")[0])).toEqual(["1024", "1024"]);
    const [main] = planned({ ...one, t: 7 }, { em: { ...INFOS.em, times: 5 } });
    expect(main?.layers[0]?.source.query["t"]).toBe("4");
  });

  it("in three planes is three planes, each through the same point", () => {
    const panels = planned({ ...STATE, layout: "three" });
    expect(panels.map(({ panel }) => panel.plane)).toEqual(["xy", "zy", "xz"]);
    expect(panels.map(({ layers }) => layers[0]?.depth)).toEqual([10, 1024, 1024]);
    const [xy, zy, xz] = panels.map(({ panel }) => panel);
    expect([zy?.y, zy?.height]).toEqual([xy?.y, xy?.height]);
    expect([xz?.x, xz?.width]).toEqual([xy?.x, xy?.width]);
  });

  it("leaves out what is not seen, and what lies outside", () => {
    expect(keys(S.setLayer(STATE, "ids", { visible: false })).length).toBe(4);
    expect(keys(S.setLayer(STATE, "ids", { opacity: 0 })).length).toBe(4);
    expect(keys({ ...STATE, position: [-1, 4096, 4096] })).toEqual([]);
    expect(keys({ ...STATE, position: [4000, 4096, 4096] })).toEqual([]);
  });

  it("runs ahead by the planes that a layer is told to", () => {
    const state = S.setLayer(STATE, "ids", { z_offset: 3 });
    expect(planned(state)[0]?.layers.map(({ depth }) => depth)).toEqual([10, 13]);
    const side = planned({ ...state, layout: "xz" })[0]?.layers.map(({ slice }) => slice.origin[1]);
    expect(side).toEqual([0, -120]);
  });

  it("is as quick for an endless volume", () => {
    const huge = info("em", [1e5, 1e6, 1e6]);
    const many = Array.from({ length: 12 }, (_, n) => ({ ...huge.levels[0], shape: [1e5, 1e6 >> n, 1e6 >> n] as S.Vec3, voxel_size: [40, 4 << n, 4 << n] as S.Vec3 }) as S.Level);
    for (const scale of [1, 100, 1e4]) expect(keys({ ...STATE, scale }, { em: { ...huge, levels: many } }).length).toBeLessThan(20);
  });
});

describe("playing", () => {
  const lanes = (state: S.ViewState, infos: S.Infos = INFOS, stride = 1): [string, number][] => {
    const main = planned(state, infos)[0] as PanelPlan;
    return lanesOf(main, stepsOf(state, infos, main, stride)).map((lane) => [lane.planes.map(({ layer }) => layer.id).join(), lane.stride]);
  };
  /** A volume of the same extent whose planes are so many nm thick. */
  const thick = (nm: number): S.Infos => {
    const level = (one: S.Level): S.Level => ({ ...one, voxel_size: [nm, 4, 4], shape: [Math.ceil(4000 / nm), 2048, 2048] });
    return { ...INFOS, ids: { ...INFOS.ids, levels: INFOS.ids.levels.slice(0, 1).map(level) } };
  };

  it("is one stream where layers lie voxel on voxel", () => {
    expect(lanes(STATE)).toEqual([["em,ids", 1]]);
    expect(lanes(STATE, INFOS, -1)).toEqual([["em,ids", -1]]);
  });

  it("is one for each grid, at the pace at which its planes pass", () => {
    expect(lanes(S.setLayer(STATE, "ids", { z_offset: 1 }))).toEqual([["em", 1], ["ids", 1]]);
    expect(lanes(STATE, { ...INFOS, ids: { ...INFOS.ids, levels: INFOS.ids.levels.slice(1) } })).toEqual([["em", 1], ["ids", 1]]);
    expect(lanes(STATE, thick(20))).toEqual([["em", 1], ["ids", 2]]);
    expect(lanes(STATE, thick(120), -1)).toEqual([["em", -1], ["ids", -1]]);
    expect(lanes(STATE, thick(16))).toEqual([["em", 1], ["ids", 0]]);
  });

  it("foresees what each step shows", () => {
    for (const [nm, stride] of [[40, 1], [20, 1], [120, 1], [16, 1], [70, -1], [40, -1]] as const) {
      const infos = thick(nm);
      // Off the middle of a plane, as a click leaves it.
      let state: S.ViewState = { ...STATE, position: [2011, 4096, 4096] };
      const before = planned(state, infos)[0] as PanelPlan;
      const steps = stepsOf(state, infos, before, stride);
      for (let i = 1; i <= 8; i++) {
        state = stepLevel(state, infos, planned(state, infos)[0] as PanelPlan, stride);
        const shown = planned(state, infos)[0]?.layers.map(({ depth }) => depth);
        expect([nm, i, before.layers.map((plane) => depthAfter(plane, i, steps))]).toEqual([nm, i, shown]);
      }
    }
  });

  it("goes on in the same stream until something else is shown", () => {
    const name = (state: S.ViewState): string => nameOf(planned(state)[0]?.layers ?? [], 1);
    expect(name(S.stepZ(STATE, INFOS, 5))).toBe(name(STATE));
    expect(name(S.pan(STATE, "xy", 600, 0))).not.toBe(name(STATE));
  });

  it("cuts planes into tiles", () => {
    const width = 700;
    const values = Uint8Array.from({ length: width * 600 }, (_, i) => (i % width) % 251);
    const found = piece({ kind: "values", height: 600, width, values, exact: true, absent: false, holes: [] }, 512, 512);
    expect(found).toMatchObject({ height: 88, width: 188 });
    if (found.kind === "values") expect([...found.values.subarray(188, 191)]).toEqual([512, 513, 514].map((x) => x % 251));
    const constant = { kind: "values", height: 600, width, values: new Uint8Array([9]), exact: true, absent: false, holes: [] } as const;
    expect(piece(constant, 0, 512)).toEqual({ ...constant, height: 512, width: 188 });
  });
});

describe("the rim of a tile", () => {
  const labels = (ids: bigint[], values: number[], width: number) =>
    ({ kind: "labels", height: values.length / width, width, ids: BigUint64Array.from(ids), values: Uint8Array.from(values), absent: false }) as const;

  it("compares ids and not their numbers", () => {
    const tile = labels([5n, 6n], [0, 1, 0, 1], 2);
    const right = labels([6n, 5n], [0, 0, 1, 0], 2);
    const { width, bytes } = rim(tile, [undefined, right, undefined, undefined]);
    expect(width).toBe(2);
    expect([...bytes]).toEqual([0, 0, 0, 1, 0, 0, 0, 0]);
  });

  it("tells ids apart by either half of them", () => {
    const tile = labels([5n, 5n + 2n ** 32n, 6n], [0, 1, 2], 1);
    const left = labels([5n, 5n + 2n ** 32n], [0, 0, 1], 1);
    expect([...rim(tile, [left, undefined, undefined, undefined]).bytes].slice(0, 3)).toEqual([0, 1, 1]);
  });

  it("knows tiles of one id, and those cut short", () => {
    const one = { ...labels([7n], [0], 1), height: 3, width: 2 } as const;
    const below = labels([7n, 8n], [0, 1], 2);
    expect([...rim(one, [undefined, undefined, undefined, below]).bytes].slice(9)).toEqual([0, 1, 0]);
    expect([...rim(one, [one, one, one, undefined]).bytes].every((n) => n === 0)).toBe(true);
  });
});

describe("shapes under a point", () => {
  const random = (seed: number): (() => number) => () => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648;

  it("are those that a look at each would find", () => {
    const next = random(7);
    const count = 3000;
    const points = Float32Array.from({ length: 3 * count }, () => 1000 * next());
    const grid = new Grid("points", points, count, "xy");
    for (let trial = 0; trial < 300; trial++) {
      const at: S.Vec3 = [1000 * next(), 1000 * next(), 1000 * next()];
      let best = -1;
      let least = 20;
      for (let i = 0; i < count; i++) {
        const far = Math.hypot((points[3 * i + 1] ?? 0) - at[1], (points[3 * i + 2] ?? 0) - at[2]);
        if (Math.abs((points[3 * i] ?? 0) - at[0]) <= 50 && far <= least) [best, least] = [i, far];
      }
      expect(grid.nearest(at, 20, 50)).toBe(best < 0 ? null : best);
    }
  });

  it("of boxes in boxes are the innermost", () => {
    const boxes = Float32Array.from([0, 0, 0, 9, 100, 100, 0, 40, 40, 9, 60, 60, 20, 0, 0, 29, 100, 100]);
    const grid = new Grid("boxes", boxes, 3, "xy");
    expect(grid.nearest([4, 50, 50], 2, 0)).toBe(1);
    expect(grid.nearest([4, 10, 10], 2, 0)).toBe(0);
    expect(grid.nearest([24, 50, 50], 2, 0)).toBe(2);
    expect(grid.nearest([14, 50, 50], 2, 0)).toBeNull();
  });
});
