/** Layers that move together while planes are played. Those of one grid share a lane, and each lane goes its own pace. */

import type { LayerPlane, PanelPlan } from "./planes";
import { type Infos, type ViewState, mainPlane, planeAxes, reference, step, voxelSize } from "./state";

/** Layers that lie voxel on voxel, and how many of their planes one step goes; 0 if that is no whole number. */
export interface Lane {
  readonly planes: readonly LayerPlane[];
  readonly stride: number;
}

/** How far the next step goes along the depth, and how far each after it, in nm. */
export interface Steps {
  readonly first: number;
  readonly each: number;
}

/** The lanes of what a panel shows, the bottom layer's first. */
export function lanesOf(plan: PanelPlan, steps: Steps): Lane[] {
  const grids = new Map<string, LayerPlane[]>();
  for (const plane of plan.layers) {
    if (plane.cells.length === 0) continue;
    const { level, slice, depth, count, source } = plane;
    const grid = JSON.stringify([level, slice, depth, count, source.query["t"], source.query["c"]]);
    grids.set(grid, [...(grids.get(grid) ?? []), plane]);
  }
  return [...grids.values()].map((planes) => ({ planes, stride: strideOf(planes[0] as LayerPlane, plan, steps) }));
}

/** Where a plane stays for several steps, the next one is the next; where planes are passed over, they are not sent. */
function strideOf({ info, level }: LayerPlane, plan: PanelPlan, { each }: Steps): number {
  const shown = info.levels[level ?? 0];
  if (shown === undefined || each === 0) return 0;
  const ratio = Math.abs(each) / voxelSize(shown)[planeAxes(plan.panel.plane).depth];
  const whole = Math.max(1, Math.round(ratio));
  return ratio < 1 || Math.abs(ratio - whole) < 1e-6 ? Math.sign(each) * whole : 0;
}

/** The plane that a layer shows after so many steps. */
export function depthAfter(plane: LayerPlane, count: number, { first, each }: Steps): number {
  return plane.ahead(first + (count - 1) * each);
}

/** How far steps go from a state: from one middle of a plane to the next, so the first may go less. */
export function stepsOf(state: ViewState, infos: Infos, main: PanelPlan, stride: number): Steps {
  const { depth } = planeAxes(main.panel.plane);
  const finest = reference(state, infos)?.levels[0];
  const first = stepLevel(state, infos, main, stride).position[depth] - state.position[depth];
  return { first, each: finest === undefined ? 0 : stride * planesOf(main) * voxelSize(finest)[depth] };
}

/** One plane on of the level that is drawn; the same state where there is none. */
export function stepLevel(state: ViewState, infos: Infos, main: PanelPlan, stride: number): ViewState {
  const lead = main.layers[0];
  if (lead === undefined || lead.depth + stride < 0 || lead.depth + stride >= lead.count) return state;
  return step(state, infos, mainPlane(state.layout), stride * planesOf(main));
}

/** How many planes of the finest level one of the level that is drawn is. */
function planesOf({ layers: [lead], panel }: PanelPlan): number {
  const [finest, level] = [lead?.info.levels[0], lead?.info.levels[lead.level ?? 0]];
  if (finest === undefined || level === undefined) return 1;
  const { depth } = planeAxes(panel.plane);
  return Math.max(1, Math.round(voxelSize(level)[depth] / voxelSize(finest)[depth]));
}
