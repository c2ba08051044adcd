/** What lies under a point of the picture, read from the tiles on show: exact, and without asking anybody. */

import { within } from "../core/holes";
import { type Rect, toNm } from "../core/viewport";
import type { Pick, Place } from "./explorer";
import type { Tile } from "./loader";
import type { LayerPlane, PanelPlan } from "./planes";
import { SIDE } from "./planes";
import { idAt } from "./rim";
import type { Scene } from "./scene";
import type { Shapes } from "./shapes";
import { type Infos, type Vec3, type ViewState, planeAxes } from "./state";

/** A point of the canvas, in device pixels, as a place of the picture. */
export function placeOf(state: ViewState, plans: readonly PanelPlan[], x: number, y: number, ratio: number): Place | null {
  const plan = plans.find(({ rect }) => inside(rect, x, y));
  if (plan === undefined) return null;
  const { col, row } = planeAxes(plan.panel.plane);
  const position: [number, number, number] = [...state.position];
  position[col] = toNm(plan.view, 0, x);
  position[row] = toNm(plan.view, 1, y);
  const { rect } = plan;
  const cursor = [(x - rect.x - rect.width / 2) / ratio, (y - rect.y - rect.height / 2) / ratio] as const;
  return { panel: plan.panel, cursor, position };
}

/** Everything of every layer at a position of a panel, top to bottom. */
export function pick(
  state: ViewState,
  infos: Infos,
  plan: PanelPlan,
  position: Vec3,
  scene: Scene,
  shapes: Shapes,
): Pick[] {
  const found: Pick[] = [];
  for (const layer of state.layers) {
    const plane = plan.layers.find((one) => one.layer.id === layer.id);
    if (plane !== undefined) {
      const hit = voxel(plan, plane, position, scene);
      if (hit !== null) found.push(hit);
    } else if (layer.visible && (layer.kind === "points" || layer.kind === "boxes")) {
      const id = shapes.pick(state, infos, layer.id, plan.panel.plane, position);
      if (id !== null) found.push({ layer: layer.id, kind: layer.kind, voxel: [0, 0, 0], level: 0, value: null, id });
    }
  }
  return found.reverse();
}

function voxel(plan: PanelPlan, plane: LayerPlane, position: Vec3, scene: Scene): Pick | null {
  const { slice, layer } = plane;
  const { col, row, depth } = planeAxes(plan.panel.plane);
  const x = Math.floor((position[col] - slice.origin[0]) / slice.size[0] + 1e-9);
  const y = Math.floor((position[row] - slice.origin[1]) / slice.size[1] + 1e-9);
  const out = x < 0 || y < 0 || x >= slice.shape[0] || y >= slice.shape[1] || plane.depth < 0 || plane.depth >= plane.count;
  if (out || plane.level === null) return null;
  const tile = scene.shown(plan, plane, Math.floor(y / SIDE), Math.floor(x / SIDE));
  const at: [number, number, number] = [0, 0, 0];
  [at[col], at[row], at[depth]] = [x, y, plane.depth];
  const current = tile?.want.depth === plane.depth && tile.want.source.name === plane.source.name ? tile : undefined;
  return {
    layer: layer.id,
    kind: layer.kind,
    voxel: at,
    level: plane.level,
    value: current === undefined ? null : valueAt(current, x % SIDE, y % SIDE),
    ...(current !== undefined && isAbsent(current, x % SIDE, y % SIDE) ? { absent: true as const } : {}),
    id: current === undefined ? null : idText(current, x % SIDE, y % SIDE),
  };
}

/** Whether nothing was ever stored at a pixel of an image's tile. */
function isAbsent({ picture }: HasPicture, x: number, y: number): boolean {
  return picture.kind === "values" && (picture.absent || within(picture.holes, x, y));
}

/** The value of an image at a pixel of a tile; null where it is not known exactly. */
export function valueAt({ picture }: HasPicture, x: number, y: number): number | null {
  if (picture.kind !== "values" || !picture.exact) return null;
  return picture.values[picture.values.length === 1 ? 0 : y * picture.width + x] ?? null;
}

/** The id at a pixel of a tile, as decimal text; null where there are no labels. */
function idText({ picture }: HasPicture, x: number, y: number): string | null {
  return picture.kind === "labels" ? (idAt(picture, x, y)?.toString() ?? null) : null;
}

type HasPicture = { readonly picture: Tile["picture"] };

function inside(rect: Rect, x: number, y: number): boolean {
  return x >= rect.x && y >= rect.y && x < rect.x + rect.width && y < rect.y + rect.height;
}
