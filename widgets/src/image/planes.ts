/** What each panel shows of each layer: level, plane, tiles, and what to ask for. No DOM here. */

import type { Query } from "../core/net";
import { type Choice, type Projection, type Rect, type Slice, type TileCell } from "../core/viewport";
import { chooseLevel, countTiles, projection, visibleTiles } from "../core/viewport";
import type { Panel } from "./explorer";
import {
  type Info,
  type Infos,
  type Layer,
  type Layout,
  type Level,
  type Plane,
  type Vec3,
  type ViewState,
  planeAxes,
  reference,
  voxelSize,
} from "./state";

/** Pixels of a tile's side. */
export const SIDE = 512;
const GAP = 2;
const SIDE_SHARE = 0.36;

/** Where the planes of a layout stand in a picture of so many CSS pixels. */
export function panelsOf(layout: Layout, width: number, height: number): Panel[] {
  if (layout !== "three") return [{ plane: layout, x: 0, y: 0, width, height }];
  const [right, below] = [Math.round(width * SIDE_SHARE), Math.round(height * SIDE_SHARE)];
  const [w, h] = [Math.max(1, width - right - GAP), Math.max(1, height - below - GAP)];
  return [
    { plane: "xy", x: 0, y: 0, width: w, height: h },
    { plane: "zy", x: w + GAP, y: 0, width: right, height: h },
    { plane: "xz", x: 0, y: h + GAP, width: w, height: below },
  ];
}

/** One volume's tiles of one level, direction, time and channel: what a single request can ask for. */
export interface Source {
  /** Tells sources apart. */
  readonly name: string;
  readonly query: Query;
  /** Bytes of a whole tile, as far as one can tell. */
  readonly bytes: number;
  /** Low and high, for values that a JPEG cannot hold. */
  readonly window: readonly [number, number] | null;
  readonly labels: boolean;
}

/** What a panel shows of a layer that has voxels. */
export interface LayerPlane {
  readonly layer: Layer;
  readonly info: Info;
  readonly choice: Choice;
  /** The level drawn: its number, plane and how many planes it has. Null if none can be. */
  readonly level: number | null;
  readonly slice: Slice;
  /** Index of the plane; outside 0…count-1 nothing is drawn. */
  readonly depth: number;
  readonly count: number;
  readonly source: Source;
  readonly cells: readonly TileCell[];
  /** The index of the plane so many nm further along the depth. */
  readonly ahead: (nm: number) => number;
  /** The same of the next coarser level; null if there is none. */
  readonly coarser: () => LayerPlane | null;
}

export interface PanelPlan {
  readonly panel: Panel;
  /** Device pixels. */
  readonly rect: Rect;
  readonly view: Projection;
  /** Bottom to top, only what is visible. */
  readonly layers: readonly LayerPlane[];
}

/** What to draw of a state in a picture, panel by panel. `ratio`: device pixels for a CSS pixel. */
export function plan(state: ViewState, infos: Infos, panels: readonly Panel[], ratio: number): PanelPlan[] {
  const base = reference(state, infos)?.levels[0]?.offset ?? ([0, 0, 0] as const);
  return panels.map((panel) => {
    const rect = devicePixels(panel, ratio);
    const { col, row } = planeAxes(panel.plane);
    const pair = (vec: Vec3): readonly [number, number] => [vec[col], vec[row]];
    const view = projection(rect, pair(state.position), pair(base), state.scale / ratio);
    const layers = state.layers
      .filter((layer) => layer.visible && layer.opacity > 0)
      .map((layer) => layerPlane(state, layer, infos[layer.id], panel.plane, rect, view))
      .filter((found) => found !== null);
    return { panel, rect, view, layers };
  });
}

function devicePixels(panel: Panel, ratio: number): Rect {
  const [x, y] = [Math.round(panel.x * ratio), Math.round(panel.y * ratio)];
  return {
    x,
    y,
    width: Math.round((panel.x + panel.width) * ratio) - x,
    height: Math.round((panel.y + panel.height) * ratio) - y,
  };
}

function layerPlane(
  state: ViewState,
  layer: Layer,
  info: Info | undefined,
  plane: Plane,
  rect: Rect,
  view: Projection,
): LayerPlane | null {
  if (info === undefined || (layer.kind !== "image" && layer.kind !== "labels") || info.levels.length === 0) return null;
  const ahead = layer.z_offset * voxelSize(info.levels[0] as Level)[0];
  const slices = info.levels.map((level) => sliceOf(level, plane, ahead));
  const missing = info.levels.map((level) => level.missing);
  const count = (level: number): number => countTiles(rect, view, slices[level] as Slice, SIDE);
  const choice = chooseLevel(slices, missing, view.scale, count);
  const { depth: axis } = planeAxes(plane);
  const at = (number: number): LayerPlane => {
    const level = info.levels[number] as Level;
    const start = level.offset[axis] - (axis === 0 ? ahead : 0);
    const further = (nm: number): number => Math.floor((state.position[axis] + nm - start) / voxelSize(level)[axis] + 1e-9);
    const depth = further(0);
    const slice = slices[number] as Slice;
    const inside = depth >= 0 && depth < level.shape[axis] && level.missing === null;
    return {
      layer,
      info,
      choice,
      level: level.missing === null ? number : null,
      slice,
      depth,
      count: level.shape[axis],
      source: sourceOf(info, layer.channel, number, plane, state.t),
      cells: inside ? visibleTiles(rect, view, slice, SIDE) : [],
      ahead: further,
      coarser: () => (number + 1 < info.levels.length ? at(number + 1) : null),
    };
  };
  return at(choice.level ?? choice.wanted);
}

/** A plane of a level; `ahead` nm of z are skipped. */
function sliceOf(level: Level, plane: Plane, ahead: number): Slice {
  const { col, row } = planeAxes(plane);
  const size = voxelSize(level);
  const origin = (axis: 0 | 1 | 2): number => level.offset[axis] - (axis === 0 ? ahead : 0);
  return { shape: [level.shape[col], level.shape[row]], size: [size[col], size[row]], origin: [origin(col), origin(row)] };
}

const BYTES: Readonly<Record<string, number>> = { uint8: 1, bool: 1, uint16: 2 };

/** What to ask for a plane. A volume without times or channels shows the only one it has. */
export function sourceOf(info: Info, channel: number, level: number, plane: Plane, time: number): Source {
  const t = Math.min(Math.max(0, time), Math.max(1, info.times) - 1);
  const c = Math.min(Math.max(0, channel), Math.max(1, info.channels.length) - 1);
  const query: Query = {
    vol: info.key ?? info.id,
    lod: String(level),
    axis: plane,
    t: String(t),
    c: String(c),
    s: String(SIDE),
    v: String(info.version),
  };
  const labels = info.kind === "labels";
  return {
    name: Object.values(query).join("|"),
    query,
    bytes: SIDE * SIDE * (labels ? 1 : (BYTES[info.dtype] ?? 4)),
    window: info.dtype === "uint8" || labels ? null : (info.channels[c]?.window ?? info.window),
    labels,
  };
}

/** A tile that is wanted. */
export interface Want {
  readonly key: string;
  readonly source: Source;
  readonly depth: number;
  readonly row: number;
  readonly col: number;
  /** Needed for the picture, not for what may come next. */
  readonly visible: boolean;
}

export function want(source: Source, depth: number, row: number, col: number, visible: boolean): Want {
  return { key: `${source.name}|${depth},${row},${col}`, source, depth, row, col, visible };
}

/** The image that has no other below it: where nothing was stored of that, there is nothing at all to show. */
export function lowestImage({ layers }: PanelPlan): LayerPlane | undefined {
  return layers.find(({ layer }) => layer.kind === "image");
}

/** Everything that the picture needs, the middle of the main panel first. */
export function visibleWants(plans: readonly PanelPlan[]): Want[] {
  return plans.flatMap(({ layers }) =>
    layers.flatMap(({ source, depth, cells }) => cells.map(({ row, col }) => want(source, depth, row, col, true))),
  );
}
