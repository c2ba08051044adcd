/** Every sentence that an Image Explorer says of what it shows. No DOM here. */

import { count } from "../core/words";
import { lengthText } from "../core/units";
import type { Drawn, Pick, Status } from "./explorer";
import { valueText } from "./bins";
import { type Info, type Level, type Vec3, type ViewState, voxelAt, voxelSize } from "./state";

/** "x 512  y 300  z 12": voxels of the finest level. */
export function voxelWords(info: Info, position: Vec3): string {
  const [z, y, x] = voxelAt(info, position);
  return `x ${x}  y ${y}  z ${z}`;
}

/** "4.096, 2.4, 0.48 µm", in the order x, y, z and in one unit; nothing where nobody knows nm. */
export function nmWords(size: Vec3 | null, position: Vec3): string {
  if (size === null) return "";
  const most = Math.max(...position.map(Math.abs));
  const [unit, name, digits] = most >= 1e6 ? [1e6, "mm", 4] : most >= 1e4 ? [1e3, "µm", 3] : [1, "nm", 0];
  const [z, y, x] = position.map((nm) => (nm / unit).toFixed(digits));
  return `${x}, ${y}, ${z} ${name}`;
}

/** What lies under the pointer, in a word: "128", "id 7205…", "–" where nothing does. */
export function pickWords({ kind, value, id, absent }: Pick): string {
  if (absent) return "no data";
  if (kind === "image") return value === null ? "–" : valueText(value);
  return id === null || id === "0" ? "–" : id;
}

/** "finest level" or "level 2 of 5". */
export function levelWords({ level, levels }: Depth): string {
  if (level === 0) return levels > 1 ? "finest level" : "";
  return `level ${level} of ${levels - 1}`;
}

type Depth = Omit<Drawn, "trouble">;

/** "8 × 8 × 40 nm", x, y, z; nothing where nobody knows. */
export function sizeWords(info: Info, level: Level | undefined): string {
  if (level === undefined || info.calibrated === false || level.voxel_size === null) return "";
  const [z, y, x] = voxelSize(level);
  const most = Math.max(z, y, x);
  const [unit, name] = most >= 1e6 ? [1e6, "mm"] : most >= 1e4 ? [1e3, "µm"] : [1, "nm"];
  return `${[x, y, z].map((nm) => Number((nm / unit).toPrecision(4))).join(" × ")} ${name}`;
}

/** How tiles come. */
export function transportWords({ transport, lost }: Link): string {
  if (lost) return "graphics lost";
  if (transport === "http") return "streaming";
  if (transport === "zarr") return "from the store";
  return transport === "comm" ? "kernel messages" : "no kernel";
}

type Link = Omit<Status, "loading" | "layers" | "absent" | "playing">;

/** The same at length. */
export function transportAdvice({ transport, lost }: Link): string {
  if (lost) return "The browser took the graphics away; they come back by themselves.";
  if (transport === "http") return "Tiles come over HTTP from the server of this page.";
  if (transport === "comm") return "Tiles come as messages of the kernel, which is slower than HTTP.";
  if (transport === "zarr") return "The page reads the chunks itself from where they are stored; the kernel is not asked for them.";
  return "The kernel does not answer. What is loaded stays; run the cell again for the rest.";
}

/** "3 tiles to come". */
export function loadingWords(loading: number): string {
  return loading === 0 ? "" : `${count(loading)} ${loading === 1 ? "tile" : "tiles"} to come`;
}

/** What is wrong with what is shown, layer by layer; nothing if all is well. */
export function troubleWords(state: ViewState, status: Status): string {
  const troubles = state.layers.flatMap(({ id, visible }) => {
    const trouble = visible ? status.layers[id]?.trouble : null;
    return trouble ? [`${id}: ${trouble}`] : [];
  });
  return troubles.join("  ·  ");
}

/** The plane that stands in the middle: "z 12 of 64", counted from 0. */
export function planeWords(axis: string, at: number, planes: number): string {
  return `${axis} ${count(at)} / ${count(Math.max(0, planes - 1))}`;
}

/** What the tool at hand wants. */
export function toolWords(tool: ViewState["tool"], started: boolean): string {
  switch (tool) {
    case "point":
      return "Click to set a point";
    case "line":
      return started ? "Click on; Enter or a double click ends the line" : "Click along a line, or drag one";
    case "box":
      return "Drag from corner to corner";
    default:
      return "";
  }
}

/** How thick a brush is. */
export function brushWords(radius: number, scale: number, calibrated: boolean): string {
  return calibrated ? lengthText(Number((2 * radius * scale).toPrecision(2))) : `${radius * 2} px`;
}
