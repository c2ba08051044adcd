/** What the page and its reader of stores say to each other. */

import type { Query } from "../core/net";
import type { Made } from "./planes";
import type { Files } from "./reach";

/** Where one level of a volume lies. */
export interface Level {
  /** Of the array. */
  readonly url: string;
  /** Voxels that the volume shows of it, z, y, x. */
  readonly shape: readonly number[];
  /** For each axis of the volume, (t)(c)zyx, which axis of the array it is; null: none. */
  readonly order: readonly (number | null)[];
  /** For each axis of the volume, where what it shows begins in the array. */
  readonly start: readonly number[];
}

export interface Volume {
  readonly labels: boolean;
  /** The axes before z: "t", "c". */
  readonly lead: readonly string[];
  readonly levels: readonly Level[];
}

/** By the name that tiles are asked by. */
export type Volumes = Readonly<Record<string, Volume>>;

export type ToReader =
  | { readonly t: "files"; readonly files: Files }
  | { readonly t: "volumes"; readonly volumes: Volumes }
  | { readonly t: "ask"; readonly id: number; readonly op: "tiles" | "play"; readonly query: Query }
  /** A frame was taken; the next may come. */
  | { readonly t: "taken"; readonly id: number }
  | { readonly t: "cancel"; readonly id: number };

export type FromReader =
  | { readonly t: "frame"; readonly id: number; readonly frame: Made & { readonly index: number } }
  | { readonly t: "end"; readonly id: number; readonly error?: string };
