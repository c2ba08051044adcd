/** The tree of groups beside the matrix: the kernel merges them, the page has them in its order. No DOM here. */

import type { Groups, Order } from "./blocks";

/** As the kernel sends it; see ndlab/explore/graph_tree.py. */
export interface ToldTree {
  readonly of?: string;
  readonly leaves?: readonly string[];
  readonly across?: readonly (readonly number[])[];
  readonly up?: readonly (readonly number[])[];
  readonly top?: number;
  readonly root?: number;
  /** Why there is none. */
  readonly none?: string;
}

export interface Tree {
  /** The groups, in the order of the leaves. */
  readonly codes: readonly number[];
  /** Four corners of each bracket: between which leaves, counted from 0, and how high, from 0 to 1. */
  readonly brackets: readonly (readonly (readonly [number, number])[])[];
  /** Chance of an edge where the first two are joined, and where all are. */
  readonly top: number;
  readonly root: number;
}

/** The tree of these very groups; null where the kernel has told none of them, or not yet. */
export function treeOf(told: ToldTree, of: string, groups: Groups | null): Tree | null {
  const { leaves = [], across = [], up = [], top = 0, root = 0 } = told;
  if (groups === null || told.of !== of || across.length === 0 || leaves.length !== groups.names.length) return null;
  const known = new Map(groups.names.map((name, code) => [name, code]));
  const codes = leaves.flatMap((name) => known.get(name) ?? []);
  if (codes.length !== leaves.length) return null;
  // scipy has leaves at 5, 15, 25 …
  const brackets = across.map((xs, i) => xs.map((x, k) => [(x - 5) / 10, up[i]?.[k] ?? 0] as const));
  return { codes, brackets, top, root };
}

/** The row at a place among the leaves: the middle of a group, and in between as far as it is between the middles. */
export function rowAt({ begins }: Order, place: number): number {
  const middle = (group: number): number => ((begins[group] ?? 0) + (begins[group + 1] ?? 0)) / 2;
  const low = Math.floor(place);
  return middle(low) + (place - low) * (place > low ? middle(low + 1) - middle(low) : 0);
}
