/** Which volumes of a view a page can read without a kernel. No DOM here. */

import type { Stores } from "../core/net";
import { ZarrTransport } from "../core/zarr";
import type { Volumes } from "../zarr/protocol";
import type { Files } from "../zarr/reach";
import type { Infos } from "./state";

/** The stores of volumes that say where they lie; null if none does, or nobody sent what reads them. */
export function storesOf(infos: () => Infos, reader: string, first: boolean, files: Files | null = null): Stores | null {
  const names = Object.keys(volumesOf(infos()));
  if (names.length === 0 || reader === "") return null;
  return { names, first, open: (others) => new ZarrTransport(reader, () => volumesOf(infos()), others, files) };
}

/** By the name that tiles are asked by. */
export function volumesOf(infos: Infos): Volumes {
  const stored = Object.values(infos).flatMap((info) => (info.stored === undefined ? [] : [[info.key ?? info.id, info.stored] as const]));
  return Object.fromEntries(stored);
}
