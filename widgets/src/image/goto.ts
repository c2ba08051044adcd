/** Positions as people type them: "512, 300, 12", "2 µm, 1.2 µm, 480 nm", "z 40". No DOM here. */

import { count } from "../core/words";
import { type Info, type Vec3, type ViewState, extent, reference, voxelAt, voxelSize } from "./state";
import type { Infos } from "./state";

export type Found = { readonly position: Vec3 } | { readonly error: string };

const NAMES = ["z", "y", "x"] as const;
const UNITS: Readonly<Record<string, number>> = { nm: 1, um: 1e3, µm: 1e3, μm: 1e3, mm: 1e6 };
const PART = /^(?:([xyz])\s*[=:]?\s*)?([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*(nm|um|µm|μm|mm)?$/i;
const EXAMPLE = "x, y, z in voxels (512, 300, 12) or with a unit (2 µm, 1.2 µm, 480 nm), or one alone (z 40)";

/** The position that a text means: in voxels of the finest level of the reference volume, or in nm. */
export function parsePosition(text: string, state: ViewState, infos: Infos): Found {
  const info = reference(state, infos);
  const level = info?.levels[0];
  if (info === null || level === undefined) return { error: "there is no volume to go to" };
  const parts = split(text);
  if (parts === null) return { error: `not a position: type ${EXAMPLE}` };
  const size = voxelSize(level);
  const position: [number, number, number] = [...state.position];
  for (const { axis, value, unit } of parts) {
    const [low, high] = [0, level.shape[axis]];
    const voxel = unit === null ? value : (value * unit - level.offset[axis]) / size[axis];
    if (!(voxel >= low && (unit === null ? voxel <= high - 1 : voxel <= high))) return { error: outside(info, axis, unit) };
    position[axis] = level.offset[axis] + (unit === null ? Math.floor(voxel) + 0.5 : voxel) * size[axis];
  }
  return { position };
}

/** The position in voxels, as the field shows it. */
export function positionText(state: ViewState, infos: Infos): string {
  const info = reference(state, infos);
  if (info === null) return "";
  const [z, y, x] = voxelAt(info, state.position);
  return `${x}, ${y}, ${z}`;
}

interface Part {
  readonly axis: 0 | 1 | 2;
  readonly value: number;
  /** nm; null for voxels. */
  readonly unit: number | null;
}

function split(text: string): readonly Part[] | null {
  const words = text.trim().replace(/^[([]|[)\]]$/g, "").split(/\s*[,;]\s*/).flatMap(unglue).filter(Boolean);
  const found = words.map((word) => PART.exec(word));
  if (found.length === 0 || found.some((part) => part === null)) return null;
  const named = found.every((part) => part?.[1] !== undefined);
  if (!named && (found.length !== 3 || found.some((part) => part?.[1] !== undefined))) return null;
  // A unit at the end of all counts for all.
  const units = found.map((part) => part?.[3]);
  const shared = units.slice(0, -1).every((unit) => unit === undefined) ? units.at(-1) : undefined;
  const parts = found.map((part, i) => {
    const unit = part?.[3] ?? shared;
    const axis = named ? NAMES.indexOf((part?.[1] ?? "").toLowerCase() as "z") : 2 - i;
    return { axis: axis as 0 | 1 | 2, value: Number(part?.[2]), unit: unit === undefined ? null : (UNITS[unit.toLowerCase()] ?? 1) };
  });
  return new Set(parts.map(({ axis }) => axis)).size === parts.length ? parts : null;
}

/** "512 300 12" -> three; "z 40" and "480 nm" stay whole. */
function unglue(word: string): string[] {
  return word.split(/(?<=[\dm.])\s+(?=[-+.\dxyz])/i);
}

function outside(info: Info, axis: 0 | 1 | 2, unit: number | null): string {
  const name = NAMES[axis];
  if (unit === null) return `${name} lies outside: 0 to ${count((info.levels[0]?.shape[axis] ?? 1) - 1)} voxels`;
  const [from, to] = extent(info);
  return `${name} lies outside: ${count(from[axis])} to ${count(to[axis])} nm`;
}
