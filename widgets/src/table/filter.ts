/** Filters as people write them in the heading of a column, and the rows that pass. No DOM here. */

import { type Column, type Ids, noneOf, numberAt, textAt } from "./data";
import type { Filter } from "./state";

const NUMBER = "[-+]?(?:\\d+\\.?\\d*|\\.\\d+)(?:e[-+]?\\d+)?";
const RANGE = new RegExp(`^(${NUMBER})?\\s*(?:\\.\\.|…)\\s*(${NUMBER})?$`, "i");
const COMPARE = new RegExp(`^(>=|<=|≥|≤|>|<|=)\\s*(${NUMBER})$`, "i");

/** What was written: "2..5", ">2", "<= 5", "= 3" are of numbers, all else is part of a text. Null for nothing. */
export function parsed(by: string, written: string, numbers: boolean): Filter | null {
  const words = written.trim();
  if (words === "") return null;
  const range = RANGE.exec(words);
  const number = (text: string | undefined): number | null => (text === undefined ? null : Number(text));
  if (numbers && range !== null) {
    const [low, high] = [number(range[1]), number(range[2])];
    return low === null && high === null ? null : { by, low, high, text: "" };
  }
  const compare = COMPARE.exec(words);
  if (numbers && compare !== null) {
    const [sign, value] = [compare[1] ?? "", Number(compare[2])];
    if (sign === "=") return { by, low: value, high: value, text: "" };
    // The next number that a float64 can hold: "more than" is "at least that".
    if (sign.startsWith(">") || sign === "≥") return { by, low: sign === ">" ? beside(value, 1) : value, high: null, text: "" };
    return { by, low: null, high: sign === "<" ? beside(value, -1) : value, text: "" };
  }
  return { by, low: null, high: null, text: words };
}

/** The float64 next to a number. */
export function beside(value: number, side: 1 | -1): number {
  if (value === 0) return side * Number.MIN_VALUE;
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  view.setBigInt64(0, view.getBigInt64(0) + (value > 0 === side > 0 ? 1n : -1n));
  return view.getFloat64(0);
}

/** A filter as it would be written. */
export function written(filter: Filter | undefined): string {
  if (filter === undefined) return "";
  if (filter.text !== "") return filter.text;
  const { low, high } = filter;
  if (low !== null && low === high) return `= ${low}`;
  const strict = (value: number, side: 1 | -1): string | null => {
    const near = beside(value, side);
    return String(near).length < String(value).length - 4 ? String(near) : null;
  };
  if (low !== null && high === null) return strict(low, -1) === null ? `>= ${low}` : `> ${strict(low, -1)}`;
  if (high !== null && low === null) return strict(high, 1) === null ? `<= ${high}` : `< ${strict(high, 1)}`;
  return `${low ?? ""}..${high ?? ""}`;
}

/** 1 for each row that passes all of them; null where a column that one needs is not there yet. */
export function passing(count: number, filters: readonly Filter[], ids: Ids, column: (name: string) => Column | null): Uint8Array | null {
  const found = new Uint8Array(count).fill(1);
  for (const filter of filters) {
    const of = filter.by === "" ? null : column(filter.by);
    if (filter.by !== "" && of === null) return null;
    if (filter.text !== "") byText(found, filter.text.toLowerCase(), of, ids);
    if (filter.low !== null || filter.high !== null) byNumber(found, filter.low ?? -Infinity, filter.high ?? Infinity, of, ids);
  }
  return found;
}

function byText(found: Uint8Array, wanted: string, column: Column | null, ids: Ids): void {
  if (column?.classes != null) {
    const hits = column.classes.map((name) => name.toLowerCase().includes(wanted));
    const none = noneOf(column.values);
    for (let i = 0; i < found.length; i++) {
      const code = Number(column.values[i]);
      if (code === none || !hits[code]) found[i] = 0;
    }
    return;
  }
  for (let i = 0; i < found.length; i++) {
    if (!found[i]) continue;
    const text = column === null ? ids.text(i) : textAt(column, i);
    if (!text.toLowerCase().includes(wanted)) found[i] = 0;
  }
}

function byNumber(found: Uint8Array, low: number, high: number, column: Column | null, ids: Ids): void {
  for (let i = 0; i < found.length; i++) {
    const value = column === null ? Number(ids.text(i)) : column.classes !== null ? NaN : numberAt(column, i);
    if (!(value >= low && value <= high)) found[i] = 0;
  }
}
