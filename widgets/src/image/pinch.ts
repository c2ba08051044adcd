/** Two fingers on the picture: what lay under each stays under it, as far as a picture that does not turn can. No DOM here. */

import { type Plane, type ViewState, pan, zoomAt } from "./state";

/** CSS pixels from the centre of a panel. */
export type Point = readonly [number, number];
export type Fingers = readonly [Point, Point];

/** The state after two fingers moved. */
export function pinched(state: ViewState, plane: Plane, before: Fingers, now: Fingers): ViewState {
  const [from, to] = [middle(before), middle(now)];
  const factor = Math.max(1, span(now)) / Math.max(1, span(before));
  return pan(zoomAt(state, plane, from, factor), plane, to[0] - from[0], to[1] - from[1]);
}

function middle([a, b]: Fingers): Point {
  return [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
}

function span([a, b]: Fingers): number {
  return Math.hypot(a[0] - b[0], a[1] - b[1]);
}
