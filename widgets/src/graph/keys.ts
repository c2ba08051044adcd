/** What keys and pointer do in a graph: one table, which the help is written from. No DOM here. */

export type Command = "fit" | "lasso" | "closer" | "farther" | "left" | "right" | "up" | "down" | "search" | "clear" | "theme" | "help" | "panel" | "edges" | "neighbours" | "flat" | "nodes" | "matrix" | "table";

export interface Row {
  readonly group: string;
  readonly keys: readonly string[];
  readonly does: string;
  readonly on: Readonly<Record<string, Command>>;
}

export const KEYS: readonly Row[] = [
  { group: "Move", keys: ["← ↑ → ↓"], does: "move", on: { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down" } },
  { group: "Move", keys: ["+", "−"], does: "closer, farther", on: { "+": "closer", "=": "closer", "-": "farther" } },
  { group: "Move", keys: ["r"], does: "show all of it", on: { r: "fit" } },
  { group: "Move", keys: ["0"], does: "undo the turn", on: { "0": "flat" } },
  { group: "Select", keys: ["s"], does: "select by drawing round nodes", on: { s: "lasso" } },
  { group: "Select", keys: ["n"], does: "add the neighbours of what is selected", on: { n: "neighbours" } },
  { group: "Select", keys: ["/"], does: "search", on: { "/": "search" } },
  { group: "Select", keys: ["Esc"], does: "select nothing", on: { Escape: "clear" } },
  { group: "Show", keys: ["1", "2", "3"], does: "nodes, matrix, table", on: { "1": "nodes", "2": "matrix", "3": "table" } },
  { group: "Show", keys: ["e"], does: "edges on, off", on: { e: "edges" } },
  { group: "Show", keys: ["y"], does: "panel on, off", on: { y: "panel" } },
  { group: "Show", keys: ["d"], does: "dark, light", on: { d: "theme" } },
  { group: "Show", keys: ["?"], does: "these keys", on: { "?": "help" } },
];

export const POINTER: readonly (readonly [string, string])[] = [
  ["drag", "move"],
  ["wheel", "zoom about the pointer"],
  ["Alt+drag", "turn positions in 3-D"],
  ["click", "select a node"],
  ["Shift+click", "add it, or take it out"],
  ["Shift+drag", "draw round nodes to add them"],
];

/** What a key asks for; null where it is none of ours, or belongs to the browser. */
export function commandOf(press: { readonly key: string; readonly ctrlKey: boolean; readonly metaKey: boolean; readonly altKey: boolean }): Command | null {
  if (press.ctrlKey || press.metaKey || press.altKey) return null;
  for (const { on } of KEYS) if (Object.hasOwn(on, press.key)) return on[press.key] ?? null;
  return null;
}
