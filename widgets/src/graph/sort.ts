/** Rows in the order of a property. No DOM here. */

import { type Column, NONE } from "./data";

export interface Sorting {
  /** A property; "" are the ids. */
  readonly by: string;
  readonly down: boolean;
}

/** The rows in order; what has no value stands last, and equal ones as they stood. */
export function sorted(rows: Uint32Array, sorting: Sorting | null, of: (name: string) => Column | readonly string[] | null): Uint32Array {
  const column = sorting === null ? null : of(sorting.by);
  if (sorting === null || column === null) return rows;
  const way = sorting.down ? -1 : 1;
  if (Array.isArray(column)) return rows.slice().sort((a, b) => way * byWords(column[a], column[b]) || a - b);
  const { kind, values, categories } = column as Column & { readonly categories?: readonly string[] };
  const none = (value: number | undefined): boolean => value === undefined || Number.isNaN(value) || (kind === "category" && value === NONE);
  return rows.slice().sort((a, b) => {
    const [x, y] = [values[a], values[b]];
    if (none(x) || none(y)) return Number(none(x)) - Number(none(y)) || a - b;
    if (kind === "category") return way * byWords(categories?.[x ?? 0], categories?.[y ?? 0]) || a - b;
    return way * ((x ?? 0) - (y ?? 0)) || a - b;
  });
}

/** Words as people order them: 9 before 10. */
const WORDS = new Intl.Collator("en", { numeric: true });

export function byWords(a = "", b = ""): number {
  return WORDS.compare(a, b);
}
