/** From positions to CSS pixels: a turn about the middle, then a plane under a centre and a scale. No DOM here. */

import type { Pair } from "./state";

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Bounds {
  readonly low: Pair;
  readonly high: Pair;
}

export interface Camera {
  /** What stands in the middle of the picture, after the turn. */
  readonly centre: Pair;
  /** Units of the positions for each CSS pixel. */
  readonly scale: number;
}

/** Room around all of it, as a share of the picture. */
const MARGIN = 0.06;
const CLOSEST = 1e-9;

/** Positions (x, y, z each) -> x and y after the turn about the middle of their box. */
export function turned(places: Float32Array, turn: Pair): Float32Array {
  const n = places.length / 3;
  const found = new Float32Array(2 * n);
  const [ax, ay, az, bx, by, bz] = rows(turn);
  const [mx, my, mz] = middle(places);
  for (let i = 0; i < n; i++) {
    const [x, y, z] = [(places[3 * i] ?? 0) - mx, (places[3 * i + 1] ?? 0) - my, (places[3 * i + 2] ?? 0) - mz];
    found[2 * i] = mx + ax * x + ay * y + az * z;
    found[2 * i + 1] = my + bx * x + by * y + bz * z;
  }
  return found;
}

/** The first two rows of the rotation: yaw about the vertical axis, then pitch about the horizontal one. */
function rows([yaw, pitch]: Pair): readonly [number, number, number, number, number, number] {
  const [c, s, d, t] = [Math.cos(yaw), Math.sin(yaw), Math.cos(pitch), Math.sin(pitch)];
  return [c, 0, s, s * t, d, -c * t];
}

function middle(places: Float32Array): readonly [number, number, number] {
  if (places.length === 0) return [0, 0, 0];
  const along = (axis: number): number => {
    let [low, high] = [Infinity, -Infinity];
    for (let i = axis; i < places.length; i += 3) {
      const value = places[i] ?? 0;
      if (value < low) low = value;
      if (value > high) high = value;
    }
    return (low + high) / 2;
  };
  return [along(0), along(1), along(2)];
}

/** The box of x, y pairs; of those alone whose entry in `among` is not 0. Null where there is none. */
export function bounds(flat: Float32Array, among?: Uint8Array): Bounds | null {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let i = 0; 2 * i < flat.length; i++) {
    if (among !== undefined && !among[i]) continue;
    const [x, y] = [flat[2 * i] ?? 0, flat[2 * i + 1] ?? 0];
    left = Math.min(left, x);
    right = Math.max(right, x);
    top = Math.min(top, y);
    bottom = Math.max(bottom, y);
  }
  return left > right ? null : { low: [left, top], high: [right, bottom] };
}

/** The camera that shows all of a box. */
export function fit(box: Bounds | null, { width, height }: Size): Camera {
  if (box === null) return { centre: [0, 0], scale: 1 };
  const [w, h] = [box.high[0] - box.low[0], box.high[1] - box.low[1]];
  const room = 1 - 2 * MARGIN;
  const scale = Math.max(w / Math.max(1, width * room), h / Math.max(1, height * room));
  return { centre: [(box.low[0] + box.high[0]) / 2, (box.low[1] + box.high[1]) / 2], scale: scale > 0 ? scale : 1 };
}

/** CSS pixel from the top left corner -> position. */
export function toPlace({ centre, scale }: Camera, size: Size, [x, y]: Pair): Pair {
  return [centre[0] + (x - size.width / 2) * scale, centre[1] + (y - size.height / 2) * scale];
}

/** Position -> CSS pixel. */
export function toPixel({ centre, scale }: Camera, size: Size, [x, y]: Pair): Pair {
  return [size.width / 2 + (x - centre[0]) / scale, size.height / 2 + (y - centre[1]) / scale];
}

/** Zoom so that what is under the pixel stays there; a factor above 1 comes closer. */
export function zoomAbout(camera: Camera, size: Size, at: Pair, factor: number): Camera {
  const [x, y] = toPlace(camera, size, at);
  const scale = Math.max(CLOSEST, camera.scale / factor);
  return { centre: [x - (at[0] - size.width / 2) * scale, y - (at[1] - size.height / 2) * scale], scale };
}

/** Move what is seen by CSS pixels. */
export function moved({ centre, scale }: Camera, dx: number, dy: number): Camera {
  return { centre: [centre[0] - dx * scale, centre[1] - dy * scale], scale };
}
