/** A table as flat arrays, and its rows' exact ids. No DOM here. */

export type Values =
  | Int8Array | Int16Array | Int32Array | Uint8Array | Uint16Array | Uint32Array | Float32Array | Float64Array
  | BigInt64Array | BigUint64Array;

/** What is known of a column before its values are there. */
export interface Facts {
  readonly name: string;
  readonly unit: string;
  readonly missing: number;
  readonly kind: "number" | "exact" | "category";
  readonly whole?: boolean;
  readonly low?: number | null;
  readonly high?: number | null;
  readonly mean?: number | null;
  readonly sd?: number | null;
  readonly classes?: number;
  /** A number that changes whenever the values were computed anew. */
  readonly derived?: number;
}

export interface Column {
  readonly name: string;
  readonly values: Values;
  /** Of codes. */
  readonly classes: readonly string[] | null;
}

const KINDS = {
  i1: Int8Array, i2: Int16Array, i4: Int32Array, u1: Uint8Array, u2: Uint16Array, u4: Uint32Array,
  f4: Float32Array, f8: Float64Array, i8: BigInt64Array, u8: BigUint64Array,
} as const;

/** Bytes that stand anywhere in a message, as numbers; these may begin at multiples of their size only. */
export function valuesOf(dtype: string, view: unknown): Values {
  const kind = KINDS[dtype as keyof typeof KINDS];
  if (kind === undefined) throw new Error(`values of kind ${dtype}`);
  if (!ArrayBuffer.isView(view)) return new kind(0);
  const bytes = new Uint8Array(view.byteLength);
  bytes.set(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
  return new kind(bytes.buffer);
}

export function columnOf(told: { readonly name: string; readonly dtype: string; readonly classes?: readonly string[] }, bytes: unknown): Column {
  return { name: told.name, values: valuesOf(told.dtype, bytes), classes: told.classes ?? null };
}

/** The code of no value: the largest of its array. */
export function noneOf(values: Values): number {
  return 2 ** (8 * values.BYTES_PER_ELEMENT) - 1;
}

/** A value to compare by: nan where there is none. Codes are numbers, too. */
export function numberAt({ values, classes }: Column, row: number): number {
  const value = values[row];
  if (value === undefined) return NaN;
  return classes !== null && value === noneOf(values) ? NaN : Number(value);
}

/** A value as people read it; empty where there is none. */
export function textAt({ values, classes }: Column, row: number): string {
  const value = values[row];
  if (value === undefined) return "";
  if (typeof value === "bigint") return value.toString();
  if (classes !== null) return classes[value] ?? "";
  if (Number.isNaN(value)) return "";
  return shown(value, values instanceof Float32Array || values instanceof Float64Array);
}

/** A number with at most five digits that say something; whole ones whole. */
export function shown(value: number, real = true): string {
  if (!real || Number.isInteger(value)) return Math.abs(value) < 1e15 ? String(value) : value.toExponential(4);
  const size = Math.abs(value);
  return size >= 1e6 || size < 1e-4 ? value.toExponential(3) : String(Number(value.toPrecision(5)));
}

/** What rows are called: their numbers, 64-bit integers, or text. */
export class Ids {
  private found: Map<string, number | number[]> | null = null;

  constructor(
    readonly count: number,
    private readonly given: BigInt64Array | BigUint64Array | readonly string[] | Column | null,
  ) {}

  text(row: number): string {
    const { given } = this;
    if (given === null) return String(row);
    if ("classes" in given) return textOf(given, row);
    return String(given[row] ?? "");
  }

  /** The rows of an id; several may have the same. */
  rows(id: string): readonly number[] {
    if (this.given === null) {
      const row = Number(id);
      return /^\d+$/.test(id) && row < this.count ? [row] : [];
    }
    if (this.found === null) {
      this.found = new Map();
      for (let row = 0; row < this.count; row++) {
        const name = this.text(row);
        const there = this.found.get(name);
        if (there === undefined) this.found.set(name, row);
        else if (typeof there === "number") this.found.set(name, [there, row]);
        else there.push(row);
      }
    }
    const there = this.found.get(id);
    return there === undefined ? [] : typeof there === "number" ? [there] : there;
  }
}

/** All digits of a value, as an id has to have. */
function textOf({ values, classes }: Column, row: number): string {
  const value = values[row];
  if (value === undefined) return "";
  if (classes !== null && typeof value === "number") return classes[value] ?? "";
  return String(value);
}
