/** Answers what a page asks of tiles and of planes to play, as the kernel's tile service would. */

import type { Query } from "../core/net";
import { type Kept, keep } from "./array";
import { type Cut, type Made, Planes } from "./planes";
import type { Volumes } from "./protocol";
import { type Files, Reach } from "./reach";

/** Tiles of one request that are read at a time. */
const AT_ONCE = 4;

export type Send = (frame: Made, index: number) => Promise<void>;

export class Answers {
  /** Stores that came with the page. */
  files: Files = {};
  private readonly kept: Kept = keep();
  private volumes: Volumes = {};
  private readonly planes = new Map<string, Planes>();
  private readonly versions = new Map<string, string>();

  /** These can be read from now on. */
  set(volumes: Volumes): void {
    this.volumes = volumes;
    this.planes.clear();
  }

  /** Send a frame for each key or plane; `send` is waited for. */
  async answer(op: "tiles" | "play", query: Query, send: Send, signal: AbortSignal): Promise<void> {
    if (op === "tiles") await this.tiles(query, send, signal);
    else await this.play(query, send, signal);
  }

  private async tiles(query: Query, send: Send, signal: AbortSignal): Promise<void> {
    const planes = this.of(query["vol"] ?? "", query["v"] ?? "");
    const side = Number(query["s"] ?? 512);
    const keys = (query["k"] ?? "").split(";").map((key) => key.split(",").map(Number) as [number, number, number]);
    let next = 0;
    const work = async (): Promise<void> => {
      for (let index = next++; index < keys.length && !signal.aborted; index = next++) {
        const [depth, row, column] = keys[index] as [number, number, number];
        const cut = { ...place(query), depth, rows: [row * side, (row + 1) * side], columns: [column * side, (column + 1) * side] } as const;
        const frame = await planes.frame(cut);
        if (!signal.aborted) await send(frame, index);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  }

  private async play(query: Query, send: Send, signal: AbortSignal): Promise<void> {
    const layers = (query["vol"] ?? "").split(",").map((name) => this.of(name, query["v"] ?? ""));
    const [from, to, step] = ["from", "to", "step"].map((name) => Number(query[name])) as [number, number, number];
    const [r0, r1, c0, c1] = (query["box"] ?? "").split(",").map(Number) as [number, number, number, number];
    const frames = (depth: number): Promise<Made>[] => layers.map((planes) => planes.frame({ ...place(query), depth, rows: [r0, r1], columns: [c0, c1] }));
    const last = Math.floor((to - from) / step);
    // One plane is read while the one before is taken.
    let coming = frames(from);
    for (let number = 0; number <= last && !signal.aborted; number++) {
      const ready = await Promise.all(coming);
      if (number < last) coming = frames(from + (number + 1) * step);
      for (const [layer, frame] of ready.entries()) if (!signal.aborted) await send({ ...frame, flags: frame.flags | (layer << 8) }, number & 0xffff);
    }
  }

  private of(name: string, version: string): Planes {
    const volume = this.volumes[name];
    if (volume === undefined) throw new Error("this layer has no address that a page can read, and the kernel does not answer");
    const key = `${name}|${version}`;
    // What was written since the page began may be kept by the browser as it was.
    const first = this.versions.get(name) ?? version;
    this.versions.set(name, first);
    const known = this.planes.get(key);
    if (known !== undefined) return known;
    for (const old of this.planes.keys()) if (old.startsWith(`${name}|`)) this.planes.delete(old);
    const made = new Planes(volume, version, this.kept, new Reach(version !== first, this.files));
    this.planes.set(key, made);
    return made;
  }
}

function place(query: Query): Pick<Cut, "level" | "axis" | "t" | "c"> {
  return { level: Number(query["lod"] ?? 0), axis: query["axis"] ?? "xy", t: Number(query["t"] ?? 0), c: Number(query["c"] ?? 0) };
}
