/** What a view of a table shows; the same names as in ndlab/explore/table_state.py. */

import type { Theme } from "../image/state";

export interface Filter {
  /** A column; empty for the ids. */
  readonly by: string;
  readonly low: number | null;
  readonly high: number | null;
  readonly text: string;
}

export interface Sort {
  readonly by: string;
  readonly down: boolean;
}

/** Left, right, bottom, top, in units of the columns. */
export type View = readonly [number, number, number, number];
export type Value = string | number | boolean;
export type Options = Readonly<Record<string, Value>>;

export interface TableState {
  readonly tab: string;
  readonly classes: string;
  readonly missing: string;
  readonly features: readonly string[];
  readonly shown: readonly string[];
  readonly sort: Sort | null;
  readonly filters: readonly Filter[];
  readonly view: View | null;
  readonly split: number;
  readonly theme: Theme;
  readonly points: Options;
  readonly [tab: string]: unknown;
}

/** One thing that a tab can be asked; see ndlab/explore/table_options.py. */
export interface Option {
  readonly name: string;
  readonly label: string;
  readonly kind: "choice" | "number" | "measure" | "tick";
  readonly choices: readonly (readonly [string, string])[];
  readonly span: readonly [number, number, number];
  readonly only: readonly [string, readonly string[]] | null;
}

export interface Tab {
  readonly name: string;
  readonly title: string;
  readonly options: readonly Option[];
}

export function optionsOf(state: TableState, tab: string): Options {
  return (state[tab] ?? {}) as Options;
}

/** How sorting goes on when a heading is pressed: up, down, as it was. */
export function sortedBy(before: Sort | null, by: string): Sort | null {
  if (before?.by !== by) return { by, down: false };
  return before.down ? null : { by, down: true };
}

/** The filters after that of a column was changed. */
export function refiltered(filters: readonly Filter[], by: string, next: Filter | null): readonly Filter[] {
  const others = filters.filter((one) => one.by !== by);
  return next === null ? others : [...others, next];
}
