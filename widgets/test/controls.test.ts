import { describe, expect, it } from "vitest";
import { autoWindow, binned, heights, moved, quantile, spanOf, stepOf, valueText } from "../src/image/bins";
import { type Where, apply, firstLayer, hideSelected } from "../src/image/commands";
import { type Draft, boxPoints, brushed, extended, meets, messageOf, shortened } from "../src/image/drawing";
import { parsePosition, positionText } from "../src/image/goto";
import { idOf } from "../src/image/labelscard";
import * as say from "../src/image/say";
import { barOf } from "../src/image/scalebar";
import { type Info, type Vec3, type ViewState, complete } from "../src/image/state";

const BIG = "720575996132767246";
const em: Info = {
  id: "em", name: "em", kind: "image", dtype: "uint8", axes: ["z", "y", "x"], times: 1, channels: [], window: [0, 255], version: 1,
  levels: [
    { shape: [50, 600, 900], voxel_size: [40, 4, 4], offset: [400, 0, 80], chunk: [16, 128, 128], missing: null },
    { shape: [50, 300, 450], voxel_size: [40, 8, 8], offset: [400, 0, 80], chunk: [16, 128, 128], missing: null },
  ],
}; // prettier-ignore
const infos = { em, ids: { ...em, id: "ids", kind: "labels" as const, dtype: "uint64" } };
const state = complete({
  position: [420, 402, 282],
  scale: 2,
  layers: [{ id: "em", kind: "image" }, { id: "ids", kind: "labels" }] as unknown as ViewState["layers"],
  selection: { ids: [BIG, "7"] },
});
const where: Where = { infos, layer: "ids", pointer: null, size: [800, 480] };

describe("commands", () => {
  it("hide what is selected and select it no more; then show it again", () => {
    const hidden = apply({ do: "hide" }, state, where);
    expect(hidden.layers[1]).toMatchObject({ hidden: [BIG, "7"] });
    expect(hidden.selection["ids"]).toEqual([]);
    expect(apply({ do: "show" }, hidden, where).layers[1]).toMatchObject({ hidden: [], isolated: false });
    expect(hideSelected(hidden, "ids")).toBe(hidden);
  });

  it("isolate, and back; but never nothing at all", () => {
    const alone = apply({ do: "isolate" }, state, where);
    expect(alone.layers[1]).toMatchObject({ isolated: true });
    expect(apply({ do: "isolate" }, alone, where).layers[1]).toMatchObject({ isolated: false });
    const none = apply({ do: "clear" }, state, where);
    expect(apply({ do: "isolate" }, none, where)).toEqual(none);
  });

  it("act on the layer at hand: opacity within its ends, invert on an image even where labels are at hand", () => {
    expect(apply({ do: "opacity", by: -0.1 }, state, where).layers[1]?.opacity).toBe(0.4);
    expect(apply({ do: "opacity", by: 0.7 }, state, where).layers[1]?.opacity).toBe(1);
    expect(apply({ do: "opacity", by: -2 }, state, { ...where, layer: "em" }).layers[0]?.opacity).toBe(0);
    expect(apply({ do: "invert" }, state, where).layers[0]).toMatchObject({ invert: true });
    expect(apply({ do: "opacity", by: 1 }, state, { ...where, layer: null })).toBe(state);
  });

  it("step, pan, zoom and fit", () => {
    expect(apply({ do: "step", by: 10 }, state, where).position).toEqual([820, 402, 282]);
    expect(apply({ do: "step", by: 100 }, state, where).position[0]).toBe(400 + 49.5 * 40);
    expect(apply({ do: "pan", dx: 60, dy: 0 }, state, where).position).toEqual([420, 402, 162]);
    expect(apply({ do: "zoom", factor: 2 }, state, where)).toMatchObject({ scale: 1, position: state.position });
    expect(apply({ do: "reset" }, state, where)).toMatchObject({ scale: 5, position: [1400, 1200, 1880] });
  });

  it("set the marker under the pointer, else in the middle", () => {
    expect(apply({ do: "marker" }, state, where).marker).toEqual(state.position);
    expect(apply({ do: "marker" }, state, { ...where, pointer: [1, 2, 3] }).marker).toEqual([1, 2, 3]);
    expect(apply({ do: "unmark" }, { ...state, marker: [1, 2, 3] }, where).marker).toBeNull();
  });

  it("begin with the labels, where there are any", () => {
    expect(firstLayer(state)).toBe("ids");
    expect(firstLayer({ ...state, layers: state.layers.slice(0, 1) })).toBe("em");
    expect(firstLayer({ ...state, layers: [] })).toBeNull();
  });
});

describe("a position as it is typed", () => {
  it.each([
    ["50, 100, 0", [420, 402, 282]],
    ["50 100 0", [420, 402, 282]],
    ["(50; 100; 0)", [420, 402, 282]],
    ["z 3", [540, 402, 282]],
    ["x=0, z=1", [460, 402, 82]],
    ["1000, 500, 640 nm", [640, 500, 1000]],
    ["1 µm, 0.5 um, 640 nm", [640, 500, 1000]],
    ["y 0.5 µm", [420, 500, 282]],
  ])("%s", (text, position) => expect(parsePosition(text, state, infos)).toEqual({ position }));

  it.each([
    ["", "not a position"],
    ["1, 2", "not a position"],
    ["1, 2, 3, 4", "not a position"],
    ["x 1, 2, 3", "not a position"],
    ["z 1, z 2", "not a position"],
    ["here", "not a position"],
    ["900, 0, 0", "x lies outside: 0 to 899 voxels"],
    ["0, -1, 0", "y lies outside: 0 to 599 voxels"],
    ["z 100 nm", "z lies outside: 400 to 2400 nm"],
  ])("refuses %s", (text, error) => expect((parsePosition(text, state, infos) as { error: string }).error).toContain(error));

  it("is shown in voxels, x first, and reads back", () => {
    expect(positionText(state, infos)).toBe("50, 100, 0");
    expect(parsePosition(positionText(state, infos), state, infos)).toEqual({ position: state.position });
  });

  it("says so where there is no volume", () => {
    expect(parsePosition("1, 2, 3", { ...state, layers: [] }, infos)).toEqual({ error: "there is no volume to go to" });
  });
});

describe("a histogram", () => {
  it("counts each finite value once, as numpy does", () => {
    const bins = binned([0, 0, 1, 2, 2, 2, 4, NaN, Infinity], 4);
    expect(bins).toEqual({ counts: [2, 1, 3, 1], edges: [0, 1, 2, 3, 4] });
    expect(binned([NaN], 4)).toBeNull();
    expect(binned([7, 7], 2)).toEqual({ counts: [2, 0], edges: [7, 7.5, 8] });
  });

  it("knows its quantiles within a bin", () => {
    const bins = binned(Float32Array.from({ length: 1001 }, (_, i) => i), 100);
    if (bins === null) throw new Error("nothing was counted");
    for (const share of [0.01, 0.5, 0.99]) expect(Math.abs(quantile(bins, share) - 1000 * share)).toBeLessThanOrEqual(10);
    const [low, high] = autoWindow(bins);
    expect([Math.round(low / 10), Math.round(high / 10)]).toEqual([1, 99]);
    // One value that nearly all have leaves no window between its percentiles.
    expect(autoWindow({ counts: [1, 0, 999], edges: [0, 1, 2, 2] })).toEqual([0, 2]);
  });

  it("has handles that do not cross, and an axis that holds both", () => {
    expect(moved([10, 20], 0, 30, 1)).toEqual([19, 20]);
    expect(moved([10, 20], 1, 0, 1)).toEqual([10, 11]);
    expect(spanOf({ counts: [1], edges: [0, 100] }, [-20, 50])).toEqual([-20, 100]);
    expect(stepOf([0, 255], "uint8")).toBe(1);
    expect(stepOf([0, 1], "float32")).toBeCloseTo(0.01);
    expect(Math.max(...heights({ counts: [0, 4, 16], edges: [0, 1, 2, 3] }))).toBe(1);
    expect([valueText(128), valueText(0.123456)]).toEqual(["128", "0.1235"]);
  });
});

describe("what is drawn", () => {
  const draft = (kind: Draft["kind"], ...points: Vec3[]): Draft => ({ kind, plane: "xy", points, radius: 8 });

  it("becomes the message that the kernel takes", () => {
    expect(messageOf(draft("point", [420, 1, 2]), em, null)).toEqual({ t: "draw", kind: "point", points: [[420, 1, 2]] });
    expect(messageOf(draft("line", [420, 1, 2]), em, null)).toBeNull();
    expect(messageOf(draft("brush", [420, 1, 2]), em, null)).toBeNull();
    expect(messageOf(draft("brush", [420, 1, 2]), em, { layer: "ids", id: BIG })).toEqual({
      t: "draw", kind: "brush", points: [[420, 1, 2]], plane: "xy", radius: 8, layer: "ids", id: BIG,
    }); // prettier-ignore
  });

  it("makes a box as deep as the plane it is drawn on", () => {
    expect(boxPoints(draft("box", [470, 10, 20], [470, 30, 40]), em)).toEqual([[440, 10, 20], [480, 30, 40]]);
    expect(boxPoints({ ...draft("box", [470, 10, 84], [500, 10, 99]), plane: "xz" }, em)).toEqual([[470, 8, 84], [500, 12, 99]]);
  });

  it("grows by its kind: a box keeps two corners, a stroke what lies apart, a line everything", () => {
    const [a, b, c]: Vec3[] = [[0, 0, 0], [0, 0, 1], [0, 0, 9]] as [Vec3, Vec3, Vec3];
    if (a === undefined || b === undefined || c === undefined) throw new Error("three points");
    expect(extended(extended(draft("box", a), b), c).points).toEqual([a, c]);
    expect(extended(extended(draft("brush", a), b), c).points).toEqual([a, c]);
    expect(extended(extended(draft("line", a), b), c).points).toEqual([a, b, c]);
    expect(shortened(draft("line", a, b))?.points).toEqual([a]);
    expect(shortened(draft("line", a))).toBeNull();
  });

  it("is seen on the planes that it meets", () => {
    const box: Vec3[] = [[440, 0, 0], [480, 9, 9]];
    expect(meets(box, "xy", [460, 500, 500], 0)).toBe(true);
    expect(meets(box, "xy", [500, 500, 500], 10)).toBe(false);
    expect(meets(box, "yz", [0, 0, 9], 0)).toBe(true);
  });

  it("takes a brush of 1 to 200 pixels", () => {
    expect([brushed(8, 1), brushed(8, -1), brushed(1, -1), brushed(1, 1), brushed(199, 1)]).toEqual([10, 6, 1, 2, 200]);
  });
});

describe("what is said", () => {
  it("gives positions in voxels and in nm, x first", () => {
    expect(say.voxelWords(em, [420, 402, 282])).toBe("x 50  y 100  z 0");
    expect(say.nmWords([40, 4, 4], [420, 402, 282])).toBe("282, 402, 420 nm");
    expect(say.nmWords([40, 4, 4], [42_000, 402, 282])).toBe("0.282, 0.402, 42.000 µm");
    expect(say.nmWords(null, [420, 402, 282])).toBe("");
  });

  it("names the level and the size of its voxels", () => {
    expect(say.levelWords({ level: 0, levels: 2 })).toBe("finest level");
    expect(say.levelWords({ level: 1, levels: 2 })).toBe("level 1 of 1");
    expect(say.sizeWords(em, em.levels[1])).toBe("8 × 8 × 40 nm");
    expect(say.sizeWords({ ...em, calibrated: false }, em.levels[1])).toBe("");
  });

  it("gives ids whole, and nothing for background", () => {
    const pick = { layer: "ids", kind: "labels", voxel: [0, 0, 0], level: 0, value: null } as const;
    expect(say.pickWords({ ...pick, id: BIG })).toBe(BIG);
    expect(say.pickWords({ ...pick, id: "0" })).toBe("–");
    expect(say.pickWords({ ...pick, kind: "image", value: 128, id: null })).toBe("128");
  });

  it("says what is missing, of layers that are meant to be seen", () => {
    const layers = { em: { level: 1, levels: 2, trouble: "level 0 is missing" } };
    const status = { transport: "http", loading: 0, absent: false, playing: false, lost: false, layers };
    expect(say.troubleWords(state, status)).toBe("em: level 0 is missing");
    const unseen = { ...state, layers: state.layers.map((layer) => ({ ...layer, visible: false })) };
    expect(say.troubleWords(unseen, status)).toBe("");
    expect(say.transportWords({ ...status, transport: null })).toBe("no kernel");
  });

  it("draws a bar of a round length that fits", () => {
    const panel = { plane: "xy", x: 0, y: 0, width: 800, height: 480 } as const;
    expect(barOf(8, panel, true)).toEqual({ nm: 1000, text: "1 µm", pixels: 125 });
    expect(barOf(1, panel, false).text).toBe("100 voxels");
  });

  it("takes ids of 64 bits, and no others", () => {
    expect(idOf(` ${BIG} `)).toBe(BIG);
    expect(idOf("18446744073709551615")).toBe("18446744073709551615");
    for (const text of ["18446744073709551616", "0", "-1", "1.5", "", "id"]) expect(idOf(text)).toBeNull();
  });
});
