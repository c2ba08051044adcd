/** What is being drawn, and the message that it becomes. No DOM here. */

import { type Info, type Plane, type Vec3, planeAxes, voxelAt, voxelSize } from "./state";

export type Kind = "point" | "line" | "box" | "brush";

/** Not ended yet. */
export interface Draft {
  readonly kind: Kind;
  readonly plane: Plane;
  /** nm. */
  readonly points: readonly Vec3[];
  /** Half the width of a brush, nm. */
  readonly radius: number;
}

/** What was drawn, as the kernel tells. */
export interface DrawnShape {
  readonly id: string;
  readonly kind: "point" | "line" | "box";
  readonly points: readonly Vec3[];
}

/** A brush's layer, and the id that it paints. */
export interface Paint {
  readonly layer: string;
  readonly id: string;
}

export type Message = Readonly<Record<string, unknown>>;

/** The message for the kernel; null while there is too little to make a drawing. */
export function messageOf(draft: Draft, info: Info | null, paint: Paint | null): Message | null {
  const { kind, points, plane, radius } = draft;
  if (points.length < (kind === "line" || kind === "box" ? 2 : 1)) return null;
  if (kind === "box") return { t: "draw", kind, points: boxPoints(draft, info) };
  if (kind !== "brush") return { t: "draw", kind, points };
  return paint === null ? null : { t: "draw", kind, points, plane, radius, ...paint };
}

/** Two corners of a box as deep as the one plane that it is drawn on. */
export function boxPoints({ points, plane }: Draft, info: Info | null): readonly Vec3[] {
  const [a, b] = [points[0] as Vec3, points.at(-1) as Vec3];
  const level = info?.levels[0];
  if (info === null || level === undefined) return [a, b];
  const { depth } = planeAxes(plane);
  const size = voxelSize(level)[depth];
  const from = level.offset[depth] + voxelAt(info, a)[depth] * size;
  const end = (point: Vec3, value: number): Vec3 => point.map((own, axis) => (axis === depth ? value : own)) as unknown as Vec3;
  return [end(a, from), end(b, from + size)];
}

/** The draft with one more point; a box has two, a stroke only what lies apart. */
export function extended(draft: Draft, point: Vec3): Draft {
  const { kind, points } = draft;
  if (kind === "box") return { ...draft, points: [points[0] ?? point, point] };
  const last = points.at(-1);
  if (kind === "brush" && last !== undefined && distance(last, point) < draft.radius / 4) return draft;
  return { ...draft, points: [...points, point] };
}

/** The draft without its last point; null if it was the only one. */
export function shortened(draft: Draft): Draft | null {
  return draft.points.length > 1 && draft.kind === "line" ? { ...draft, points: draft.points.slice(0, -1) } : null;
}

/** Whether what was drawn meets the plane on show, give or take so many nm. */
export function meets(points: readonly Vec3[], plane: Plane, position: Vec3, slack: number): boolean {
  const { depth } = planeAxes(plane);
  const along = points.map((point) => point[depth]);
  return position[depth] >= Math.min(...along) - slack && position[depth] <= Math.max(...along) + slack;
}

/** The brush after a step of a key, CSS pixels. */
export function brushed(radius: number, by: number): number {
  const next = by > 0 ? Math.max(radius + 1, radius * 1.25) : Math.min(radius - 1, radius / 1.25);
  return Math.min(200, Math.max(1, Math.round(next)));
}

function distance(a: Vec3, b: Vec3): number {
  return Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}
