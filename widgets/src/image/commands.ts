/** What commands make of the state. No DOM here. */

import type { Command } from "./keys";
import {
  type ImageLayer,
  type Infos,
  type Layer,
  type Vec3,
  type ViewState,
  clearSelection,
  fit,
  hide,
  isolate,
  mainPlane,
  pan,
  setLayer,
  setLayout,
  setMarker,
  setTheme,
  setTool,
  stepZ,
  unhide,
  zoomAt,
} from "./state";
import { nextTheme } from "./theme";

/** What a command has to know beside the state. */
export interface Where {
  readonly infos: Infos;
  /** The layer that the controls act on. */
  readonly layer: string | null;
  /** Under the pointer, where it is over the picture. */
  readonly pointer: Vec3 | null;
  /** CSS pixels of the main panel. */
  readonly size: readonly [number, number];
}

/** The state after a command; the same one where it means nothing. */
export function apply(command: Command, state: ViewState, where: Where): ViewState {
  switch (command.do) {
    case "pan":
      return pan(state, mainPlane(state.layout), command.dx, command.dy);
    case "zoom":
      return zoomAt(state, mainPlane(state.layout), [0, 0], command.factor);
    case "step":
      return stepZ(state, where.infos, command.by);
    case "layout":
      return setLayout(state, command.layout);
    case "tool":
      return setTool(state, command.tool);
    case "opacity":
      return opacity(state, where.layer, command.by);
    case "reset":
      return fit(state, where.infos, ...where.size);
    case "invert":
      return invert(state, where.layer);
    case "marker":
      return setMarker(state, where.pointer ?? state.position);
    case "theme":
      return setTheme(state, nextTheme(state.theme));
    case "unmark":
      return setMarker(state, null);
    case "clear":
      return clearSelection(state);
    case "hide":
      return labelled(state, where.layer).reduce((now, id) => hideSelected(now, id), state);
    case "show":
      return labelled(state, where.layer).reduce((now, id) => isolate(unhide(now, id), id, false), state);
    case "isolate":
      return labelled(state, where.layer).reduce(toggleIsolated, state);
    default:
      return state;
  }
}

/** Hide what is selected of a layer, and select it no more. */
export function hideSelected(state: ViewState, id: string): ViewState {
  const ids = state.selection[id] ?? [];
  if (ids.length === 0) return state;
  return { ...hide(state, id, ids), selection: { ...state.selection, [id]: [] } };
}

/** The layer that controls act on first: the topmost with ids, else the topmost. */
export function firstLayer(state: ViewState): string | null {
  const layers = [...state.layers].reverse();
  return (layers.find((layer) => layer.kind === "labels") ?? layers[0])?.id ?? null;
}

function opacity(state: ViewState, id: string | null, by: number): ViewState {
  const layer = state.layers.find((one) => one.id === id);
  if (layer === undefined) return state;
  return setLayer(state, layer.id, { opacity: Math.min(1, Math.max(0, Math.round((layer.opacity + by) * 100) / 100)) });
}

function invert(state: ViewState, id: string | null): ViewState {
  const image = (layer: Layer | undefined): layer is ImageLayer => layer?.kind === "image";
  const own = state.layers.find((layer) => layer.id === id);
  const layer = image(own) ? own : state.layers.find(image);
  return layer === undefined ? state : setLayer(state, layer.id, { invert: !layer.invert });
}

/** The layer that is meant if it has ids, else all that have. */
function labelled(state: ViewState, id: string | null): readonly string[] {
  const all = state.layers.filter((layer) => layer.kind === "labels").map((layer) => layer.id);
  return id !== null && all.includes(id) ? [id] : all;
}

function toggleIsolated(state: ViewState, id: string): ViewState {
  const layer = state.layers.find((one) => one.id === id);
  if (layer?.kind !== "labels") return state;
  // Only nothing would be an empty picture.
  return layer.isolated || (state.selection[id] ?? []).length > 0 ? isolate(state, id, !layer.isolated) : state;
}
