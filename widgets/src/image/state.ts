/** What an Image Explorer shows, as JSON, and every change to it as a pure function. No DOM here. */

import type { Volume } from "../zarr/protocol";

/** z, y, x; in nm unless said otherwise. */
export type Vec3 = readonly [number, number, number];

/** Columns, then rows. zy is yz on its side: what stands right of xy so that rows go on. */
export type Plane = "xy" | "xz" | "yz" | "zy";
export type Layout = "xy" | "xz" | "yz" | "three";
export type Blend = "normal" | "additive" | "subtractive" | "multiply";
export type LabelStyle = "fill" | "outline" | "both";
export type Tool = "pan" | "pick" | "point" | "line" | "box" | "brush";
export type Theme = "auto" | "dark" | "light";
/** Low and high: shown as black and as white. */
export type Window = readonly [number, number];

export interface Channel {
  readonly name: string;
  readonly window: Window | null;
  /** RRGGBB. */
  readonly color: string | null;
}

export interface Level {
  /** Voxels. */
  readonly shape: Vec3;
  /** nm; null where nobody knows. */
  readonly voxel_size: Vec3 | null;
  /** nm, of the outer corner of voxel 0. */
  readonly offset: Vec3;
  readonly chunk: Vec3;
  /** Why this level cannot be read; null if it can. */
  readonly missing: string | null;
}

/** What the kernel tells of a volume once. */
export interface Info {
  readonly id: string;
  readonly name: string;
  readonly kind: "image" | "labels";
  readonly dtype: string;
  readonly axes: readonly string[];
  readonly times: number;
  readonly channels: readonly Channel[];
  readonly levels: readonly Level[];
  readonly window: Window | null;
  readonly version: number | string;
  readonly calibrated?: boolean;
  /** The name that tiles are asked by; the id where it is missing. */
  readonly key?: string;
  /** Where a page can read it without a kernel; missing where it cannot. */
  readonly stored?: Volume;
  /** Colours of ids that are not their own: RRGGBB by id. */
  readonly colors?: Readonly<Record<string, string>>;
}

/** By layer id. Points and boxes have none. */
export type Infos = Readonly<Record<string, Info>>;

interface Common {
  readonly id: string;
  readonly visible: boolean;
  readonly opacity: number;
  readonly blend: Blend;
  readonly channel: number;
  /** Planes that this layer runs ahead of the position, in its own finest voxels. */
  readonly z_offset: number;
}

export interface ImageLayer extends Common {
  readonly kind: "image";
  /** null: the channel's own, else the volume's. */
  readonly window: Window | null;
  readonly gamma: number;
  readonly invert: boolean;
  /** RRGGBB; null is white. */
  readonly color: string | null;
}

export interface LabelsLayer extends Common {
  readonly kind: "labels";
  readonly style: LabelStyle;
  /** Ids as decimal strings, which is what they are everywhere. */
  readonly hidden: readonly string[];
  /** Show what is selected, and nothing else. */
  readonly isolated: boolean;
}

export interface ShapesLayer extends Common {
  readonly kind: "points" | "boxes";
  readonly color: string | null;
}

export type Layer = ImageLayer | LabelsLayer | ShapesLayer;
export type LayerPatch = Partial<Omit<ImageLayer, "id" | "kind">> &
  Partial<Omit<LabelsLayer, "id" | "kind">> &
  Partial<Omit<ShapesLayer, "id" | "kind">>;

export interface ViewState {
  readonly v: 1;
  /** The centre of the picture. */
  readonly position: Vec3;
  readonly t: number;
  /** nm for each CSS pixel. */
  readonly scale: number;
  readonly layout: Layout;
  /** Bottom to top. */
  readonly layers: readonly Layer[];
  readonly selection: Readonly<Record<string, readonly string[]>>;
  readonly marker: Vec3 | null;
  readonly tool: Tool;
  readonly theme: Theme;
}

/** Where the axes of a plane stand in (z, y, x). */
export interface PlaneAxes {
  readonly col: 0 | 1 | 2;
  readonly row: 0 | 1 | 2;
  readonly depth: 0 | 1 | 2;
}

const AXES: Readonly<Record<Plane, PlaneAxes>> = {
  xy: { col: 2, row: 1, depth: 0 },
  xz: { col: 2, row: 0, depth: 1 },
  yz: { col: 1, row: 0, depth: 2 },
  zy: { col: 0, row: 1, depth: 2 },
};

/** Which of z, y, x run along the columns, the rows and into a plane. */
export function planeAxes(plane: Plane): PlaneAxes {
  return AXES[plane];
}

/** The plane that keys and wheel step through. */
export function mainPlane(layout: Layout): Plane {
  return layout === "three" ? "xy" : layout;
}

/** The planes that a layout shows, the main one first. */
export function planesOf(layout: Layout): readonly Plane[] {
  return layout === "three" ? ["xy", "zy", "xz"] : [layout];
}

const ONE: Vec3 = [1, 1, 1];

/** The size of a voxel of a level; 1 nm where nobody knows. */
export function voxelSize(level: Level): Vec3 {
  return level.voxel_size ?? ONE;
}

/** The volume that voxels are counted in: the first image, else the first of any kind. */
export function reference(state: ViewState, infos: Infos): Info | null {
  const known = state.layers.map((layer) => infos[layer.id]).filter((info) => info !== undefined);
  return known.find((info) => info.kind === "image") ?? known[0] ?? null;
}

/** The voxel of a level (default: the finest) that holds a position; not clamped. */
export function voxelAt(info: Info, position: Vec3, level = 0): Vec3 {
  const at = info.levels[level];
  if (at === undefined) return [0, 0, 0];
  const size = voxelSize(at);
  return map3((axis) => Math.floor((position[axis] - at.offset[axis]) / size[axis] + 1e-9));
}

/** The centre of a voxel of a level (default: the finest). */
export function centreOf(info: Info, voxel: Vec3, level = 0): Vec3 {
  const at = info.levels[level];
  if (at === undefined) return [0, 0, 0];
  const size = voxelSize(at);
  return map3((axis) => at.offset[axis] + (voxel[axis] + 0.5) * size[axis]);
}

/** Where a volume begins and ends, in nm. */
export function extent(info: Info): readonly [Vec3, Vec3] {
  const at = info.levels[0];
  if (at === undefined) return [[0, 0, 0], [0, 0, 0]];
  const size = voxelSize(at);
  return [at.offset, map3((axis) => at.offset[axis] + at.shape[axis] * size[axis])];
}

/** The window that an image layer is shown in. */
export function windowOf(layer: ImageLayer, info: Info | undefined): Window {
  return layer.window ?? info?.channels[layer.channel]?.window ?? info?.window ?? [0, info?.dtype === "uint8" ? 255 : 1];
}

/** The colour that an image layer is tinted with, RRGGBB. */
export function colorOf(layer: ImageLayer | ShapesLayer, info: Info | undefined): string {
  const fallback = layer.kind === "image" ? (info?.channels[layer.channel]?.color ?? "FFFFFF") : "FFB000";
  return layer.color ?? fallback;
}

/** Drag the picture by CSS pixels: what was under the pointer stays under it. */
export function pan(state: ViewState, plane: Plane, dx: number, dy: number): ViewState {
  return { ...state, position: shifted(state.position, plane, -dx * state.scale, -dy * state.scale) };
}

const FINEST = 1e-3;
const COARSEST = 1e9;

/**
 * Zoom by a factor (> 1: closer); what is under the cursor stays there.
 *
 * @param cursor CSS pixels right of and below the centre of the panel
 */
export function zoomAt(state: ViewState, plane: Plane, cursor: readonly [number, number], factor: number): ViewState {
  const scale = Math.min(COARSEST, Math.max(FINEST, state.scale / factor));
  const moved = state.scale - scale;
  return { ...state, scale, position: shifted(state.position, plane, cursor[0] * moved, cursor[1] * moved) };
}

/** The position under a point of a panel, CSS pixels from its centre. */
export function positionAt(state: ViewState, plane: Plane, cursor: readonly [number, number]): Vec3 {
  return shifted(state.position, plane, cursor[0] * state.scale, cursor[1] * state.scale);
}

/** Go on by planes of the finest level, to the centre of one, and not past the ends of the volume. */
export function step(state: ViewState, infos: Infos, plane: Plane, planes: number): ViewState {
  const info = reference(state, infos);
  const level = info?.levels[0];
  if (info === null || level === undefined) return state;
  const axis = AXES[plane].depth;
  const now = voxelAt(info, state.position)[axis];
  const to = Math.min(level.shape[axis] - 1, Math.max(0, now + planes));
  return { ...state, position: replaced(state.position, axis, level.offset[axis] + (to + 0.5) * voxelSize(level)[axis]) };
}

/** Step through the main plane of the layout. */
export function stepZ(state: ViewState, infos: Infos, planes: number): ViewState {
  return step(state, infos, mainPlane(state.layout), planes);
}

/** Go to a position. */
export function goto(state: ViewState, position: Vec3): ViewState {
  return { ...state, position };
}

/** Go to the centre of a voxel of the reference volume. */
export function gotoVoxel(state: ViewState, infos: Infos, voxel: Vec3): ViewState {
  const info = reference(state, infos);
  return info === null ? state : goto(state, centreOf(info, voxel));
}

/** Show a time point, not past the last of any volume. */
export function setTime(state: ViewState, infos: Infos, t: number): ViewState {
  const times = Math.max(1, ...Object.values(infos).map((info) => info.times));
  return { ...state, t: Math.min(times - 1, Math.max(0, Math.round(t))) };
}

/** Change a layer. */
export function setLayer(state: ViewState, id: string, patch: LayerPatch): ViewState {
  const layers = state.layers.map((layer) => (layer.id === id ? ({ ...layer, ...patch } as Layer) : layer));
  return { ...state, layers };
}

/** Show an image between two values; null: in its own window. */
export function setWindow(state: ViewState, id: string, window: Window | null): ViewState {
  return setLayer(state, id, { window });
}

/** Move a layer up (+1) or down (-1) in the stack. */
export function moveLayer(state: ViewState, id: string, by: number): ViewState {
  const from = state.layers.findIndex((layer) => layer.id === id);
  if (from < 0) return state;
  const layers = [...state.layers];
  const [layer] = layers.splice(from, 1);
  if (layer !== undefined) layers.splice(Math.min(layers.length, Math.max(0, from + by)), 0, layer);
  return { ...state, layers };
}

/** Select ids of a layer: only these, these too, or the other way round than before. */
export function select(
  state: ViewState,
  layer: string,
  ids: readonly string[],
  how: "only" | "add" | "toggle" = "only",
): ViewState {
  const before = state.selection[layer] ?? [];
  const had = new Set(before);
  const more = ids.filter((id) => id !== "0" && !had.has(id));
  if (how === "only") return { ...state, selection: withIds(state, layer, [...new Set(ids.filter((id) => id !== "0"))]) };
  if (how === "add") return { ...state, selection: withIds(state, layer, [...before, ...more]) };
  const out = new Set(ids);
  return { ...state, selection: withIds(state, layer, [...before.filter((id) => !out.has(id)), ...more]) };
}

/** Select nothing anywhere. */
export function clearSelection(state: ViewState): ViewState {
  return { ...state, selection: {} };
}

/** Show only what is selected of a layer, or everything again. */
export function isolate(state: ViewState, layer: string, isolated: boolean): ViewState {
  return setLayer(state, layer, { isolated });
}

/** Hide ids of a labels layer. */
export function hide(state: ViewState, id: string, ids: readonly string[]): ViewState {
  const layer = labelsLayer(state, id);
  return layer === null ? state : setLayer(state, id, { hidden: [...new Set([...layer.hidden, ...ids])] });
}

/** Show ids of a labels layer that were hidden; without ids, all of them. */
export function unhide(state: ViewState, id: string, ids?: readonly string[]): ViewState {
  const layer = labelsLayer(state, id);
  if (layer === null) return state;
  const back = new Set(ids ?? layer.hidden);
  return setLayer(state, id, { hidden: layer.hidden.filter((hidden) => !back.has(hidden)) });
}

export function setLayout(state: ViewState, layout: Layout): ViewState {
  return { ...state, layout };
}

export function setTool(state: ViewState, tool: Tool): ViewState {
  return { ...state, tool };
}

export function setTheme(state: ViewState, theme: Theme): ViewState {
  return { ...state, theme };
}

export function setMarker(state: ViewState, marker: Vec3 | null): ViewState {
  return { ...state, marker };
}

/** Show all of the reference volume in a picture of so many CSS pixels. */
export function fit(state: ViewState, infos: Infos, width: number, height: number): ViewState {
  const info = reference(state, infos);
  if (info === null || width <= 0 || height <= 0) return state;
  const [from, to] = extent(info);
  const { col, row } = AXES[mainPlane(state.layout)];
  const scale = Math.max((to[col] - from[col]) / width, (to[row] - from[row]) / height);
  return { ...state, scale: scale > 0 ? scale : 1, position: map3((axis) => (from[axis] + to[axis]) / 2) };
}

/** Zoom so that one voxel of the finest level takes so many CSS pixels. */
export function setZoom(state: ViewState, infos: Infos, pixels: number): ViewState {
  const level = reference(state, infos)?.levels[0];
  if (level === undefined || pixels <= 0) return state;
  return { ...state, scale: voxelSize(level)[AXES[mainPlane(state.layout)].col] / pixels };
}

const COMMON = { visible: true, opacity: 1, blend: "normal", channel: 0, z_offset: 0 } as const;

/** A layer as it is shown where nobody said how. */
export function newLayer(id: string, kind: Layer["kind"]): Layer {
  if (kind === "image") return { id, kind, ...COMMON, window: null, gamma: 1, invert: false, color: null };
  if (kind === "labels") return { id, kind, ...COMMON, opacity: 0.5, style: "fill", hidden: [], isolated: false };
  return { id, kind, ...COMMON, color: null };
}

const EMPTY: ViewState = {
  v: 1,
  position: [0, 0, 0],
  t: 0,
  scale: 1,
  layout: "xy",
  layers: [],
  selection: {},
  marker: null,
  tool: "pan",
  theme: "auto",
};

/** A whole state from one that leaves things out, as the kernel or a link may give it. */
export function complete(given: Partial<ViewState>): ViewState {
  const layers = (given.layers ?? []).map((layer) => ({ ...newLayer(layer.id, layer.kind), ...layer }) as Layer);
  return { ...EMPTY, ...given, v: 1, layers };
}

/** Whether two states, or any two pieces of JSON, say the same. */
export function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>];
  const keys = Object.keys(left);
  return keys.length === Object.keys(right).length && keys.every((key) => key in right && same(left[key], right[key]));
}

function map3(value: (axis: 0 | 1 | 2) => number): Vec3 {
  return [value(0), value(1), value(2)];
}

function replaced(position: Vec3, axis: 0 | 1 | 2, value: number): Vec3 {
  return map3((k) => (k === axis ? value : position[k]));
}

function shifted(position: Vec3, plane: Plane, columns: number, rows: number): Vec3 {
  const { col, row } = AXES[plane];
  return map3((axis) => position[axis] + (axis === col ? columns : axis === row ? rows : 0));
}

function withIds(state: ViewState, layer: string, ids: readonly string[]): ViewState["selection"] {
  return { ...state.selection, [layer]: ids };
}

function labelsLayer(state: ViewState, id: string): LabelsLayer | null {
  const layer = state.layers.find((one) => one.id === id);
  return layer?.kind === "labels" ? layer : null;
}
