/** What keys and pointer do in a table: one table, which the help is written from. No DOM here. */

export type Command = "fit" | "lasso" | "closer" | "farther" | "left" | "right" | "up" | "down" | "clear" | "invert" | "theme" | "help" | "rows";

interface Row {
  readonly group: string;
  readonly keys: readonly string[];
  readonly does: string;
  readonly on: Readonly<Record<string, Command>>;
}

export const KEYS: readonly Row[] = [
  { group: "Points", keys: ["← ↑ → ↓"], does: "move", on: { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down" } },
  { group: "Points", keys: ["+", "−"], does: "closer, farther", on: { "+": "closer", "=": "closer", "-": "farther" } },
  { group: "Points", keys: ["r"], does: "show all of it", on: { r: "fit" } },
  { group: "Select", keys: ["s"], does: "select by drawing round points", on: { s: "lasso" } },
  { group: "Select", keys: ["i"], does: "select the others that pass the filters", on: { i: "invert" } },
  { group: "Select", keys: ["Esc"], does: "select nothing", on: { Escape: "clear" } },
  { group: "Show", keys: ["y"], does: "rows on, off", on: { y: "rows" } },
  { group: "Show", keys: ["d"], does: "dark, light", on: { d: "theme" } },
  { group: "Show", keys: ["?"], does: "these keys", on: { "?": "help" } },
];

export const POINTER: readonly (readonly [string, string])[] = [
  ["drag", "move the points"],
  ["wheel", "zoom about the pointer; with Shift across, with Alt up and down"],
  ["Shift+drag", "draw round points to select them, with Ctrl to add them"],
  ["click", "select a row; with Ctrl add it, or take it out"],
  ["Shift+click", "in the rows: select up to there"],
  ["double click", "show the row in all linked views"],
  ["heading", "sort: up, down, as it was"],
];

/** What a key asks for; null where it is none of ours, or belongs to the browser. */
export function commandOf(press: { readonly key: string; readonly ctrlKey: boolean; readonly metaKey: boolean; readonly altKey: boolean }): Command | null {
  if (press.ctrlKey || press.metaKey || press.altKey) return null;
  for (const { on } of KEYS) if (Object.hasOwn(on, press.key)) return on[press.key] ?? null;
  return null;
}
