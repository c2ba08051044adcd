/** What a picture that was drawn can say of itself. */

import { around } from "../core/holes";
import type { Drawn } from "./explorer";
import type { Loader, Tile } from "./loader";
import { type LayerPlane, type PanelPlan, lowestImage, want } from "./planes";

/** Values that a histogram is made of, at most about so many. */
const SAMPLE = 65536;

/** Level and trouble of each layer in the main panel. */
export function drawnOf(plans: readonly PanelPlan[], loader: Loader): Record<string, Drawn> {
  const layers = plans[0]?.layers ?? [];
  return Object.fromEntries(
    layers.map((plane) => {
      const { layer, level, choice, info } = plane;
      return [layer.id, { level: level ?? choice.wanted, levels: info.levels.length, trouble: choice.trouble ?? reason(plane, loader) }];
    }),
  );
}

/** Whether a place on show is hatched because nothing was stored there. */
export function absentIn(plans: readonly PanelPlan[], loader: Loader): boolean {
  const lowest = plans.map(lowestImage).filter((plane) => plane !== undefined);
  return lowest.some((plane) => pictures(plane, loader).some((picture) => picture.kind === "values" && (picture.absent || picture.holes.length > 0)));
}

/** Values of the tiles on show of an image layer, evenly thinned out. */
export function sampleOf(plans: readonly PanelPlan[], loader: Loader, layer: string): Float32Array {
  const planes = plans.flatMap(({ layers }) => layers.filter((one) => one.layer.id === layer));
  const tiles = planes.flatMap((plane) => pictures(plane, loader).flatMap((one) => (one.kind === "values" && !one.absent ? [stored(one)] : [])));
  const total = tiles.reduce((sum, values) => sum + values.length, 0);
  const every = Math.max(1, Math.floor(total / SAMPLE));
  const found = new Float32Array(tiles.reduce((sum, values) => sum + Math.ceil(values.length / every), 0));
  let at = 0;
  for (const values of tiles) for (let i = 0; i < values.length; i += every) found[at++] = values[i] ?? 0;
  return found;
}

/** The values of a tile but those of its holes. */
function stored({ values, holes, width, height }: Tile["picture"] & { kind: "values" }): Float32Array | Uint8Array | Uint16Array {
  if (holes.length === 0 || values.length === 1) return values;
  const rows = around(holes, width, height).flatMap(({ top, bottom, left, right }) =>
    Array.from({ length: bottom - top }, (_, i) => values.subarray((top + i) * width + left, (top + i) * width + right)),
  );
  const found = new Float32Array(rows.reduce((sum, row) => sum + row.length, 0));
  let at = 0;
  for (const row of rows) {
    found.set(row, at);
    at += row.length;
  }
  return found;
}

/** Where everything is, for tests. */
export function placesOf(plans: readonly PanelPlan[]): unknown[] {
  return plans.map(({ panel, rect, view, layers }) => ({
    plane: panel.plane,
    rect,
    view,
    layers: layers.map(({ layer, level, depth, slice, cells }) => ({ id: layer.id, level, depth, slice, tiles: cells.length })),
  }));
}

/** Why a tile on show could not be read; null if all could. */
function reason(plane: LayerPlane, loader: Loader): string | null {
  const failed = pictures(plane, loader).find((picture) => picture.kind === "error");
  return failed?.kind === "error" ? failed.message : null;
}

function pictures({ cells, source, depth }: LayerPlane, loader: Loader): Tile["picture"][] {
  return cells
    .map(({ row, col }) => loader.cache.peek(want(source, depth, row, col, true).key)?.picture)
    .filter((picture) => picture !== undefined);
}
