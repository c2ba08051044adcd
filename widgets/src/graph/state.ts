/** What a view of a graph shows; the same names as in ndlab/explore/graph_state.py. */

import type { Theme } from "../image/state";

export { same } from "../core/same";

export type Pair = readonly [number, number];

export type View = "nodes" | "matrix" | "table";
export type Tab = "look" | "groups" | "numbers" | "graph";
/** First row, first column, and how many of each. */
export type Cells = readonly [number, number, number];

export interface Filter {
  readonly of: "nodes" | "edges";
  readonly by: string;
  readonly low: number | null;
  readonly high: number | null;
}

export interface GraphState {
  readonly layout: string;
  readonly dim: number;
  readonly seed: number;
  readonly centre: Pair;
  readonly scale: number | null;
  readonly turn: Pair;
  readonly color: string;
  readonly size: string;
  readonly label: string;
  readonly named: "selected" | "all";
  readonly grow: number;
  readonly edges: number;
  readonly edge_color: string;
  readonly edge_width: string;
  readonly view: View;
  readonly panel: Tab;
  readonly groups: string;
  readonly against: string;
  readonly compared: boolean;
  readonly tree: boolean;
  readonly parts: number | null;
  readonly dims: number | null;
  readonly cells: Cells | null;
  readonly plot: readonly [string, string];
  readonly statistics: readonly string[];
  readonly filters: readonly Filter[];
  readonly selection: readonly string[];
  readonly theme: Theme;
}

/** The selection after a click: with `more`, a node that was in it leaves it, and one that was not joins it. */
export function selected(before: readonly string[], names: readonly string[], more: boolean): readonly string[] {
  if (!more) return names;
  const [one] = names;
  if (names.length === 1 && one !== undefined && before.includes(one)) return before.filter((name) => name !== one);
  return [...new Set([...before, ...names])];
}

/** The filters after one was changed; a filter without bounds is none. */
export function refiltered(filters: readonly Filter[], next: Filter): readonly Filter[] {
  const others = filters.filter(({ of, by }) => of !== next.of || by !== next.by);
  return next.low === null && next.high === null ? others : [...others, next];
}
