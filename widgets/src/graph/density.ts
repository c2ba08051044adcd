/** What the kernel says of how densely edges lie, and what it is asked. No DOM here. */

import { type Camera, type Size, toPlace } from "./camera";
import { bytesOf } from "./data";

export interface Density {
  readonly values: Uint8Array;
  readonly size: readonly [number, number];
  /** Left, top, right, bottom, in units of the positions. */
  readonly box: readonly [number, number, number, number];
  readonly edges: number;
  /** The most lines that a pixel has. */
  readonly most: number;
}

/** What came; null where nothing did. */
export function densityOf(given: unknown): Density | null {
  const found = given as Partial<Density> & { readonly values?: unknown };
  if (found.values === undefined || found.size === undefined || found.box === undefined) return null;
  return { values: new Uint8Array(bytesOf(found.values)), size: found.size, box: found.box, edges: found.edges ?? 0, most: found.most ?? 0 };
}

/** A little beyond what is seen, so that a small motion needs nothing new. */
const BEYOND = 0.2;
const LARGEST = 2048;

/** The box and the pixels to ask for. */
export function wanted(camera: Camera, size: Size, ratio: number): { readonly box: readonly number[]; readonly size: readonly number[] } {
  const [dx, dy] = [size.width * BEYOND, size.height * BEYOND];
  const [left, top] = toPlace(camera, size, [-dx, -dy]);
  const [right, bottom] = toPlace(camera, size, [size.width + dx, size.height + dy]);
  const pixels = (long: number): number => Math.max(1, Math.min(LARGEST, Math.round(long * (1 + 2 * BEYOND) * ratio)));
  return { box: [left, top, right, bottom], size: [pixels(size.width), pixels(size.height)] };
}
