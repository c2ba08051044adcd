/** What is entered for the parameters of a graph that is made. No DOM here. */

export interface Field {
  readonly name: string;
  readonly value: unknown;
  readonly whole: boolean;
  readonly choices?: readonly string[];
}

export interface Form {
  readonly kind: string;
  readonly fields: readonly Field[];
}

/** A value as it is entered. */
export function shown(value: unknown): string {
  return Array.isArray(value) ? JSON.stringify(value) : String(value);
}

/** What was entered, as the kind of the parameter has it; undefined where it is none. */
export function parsed(field: Field, entered: string | boolean): unknown {
  if (typeof field.value === "boolean") return entered === true;
  const text = String(entered).trim();
  if (field.choices !== undefined) return field.choices.includes(text) ? text : undefined;
  if (typeof field.value === "number") {
    const value = Number(text);
    return text === "" || !Number.isFinite(value) || (field.whole && !Number.isInteger(value)) ? undefined : value;
  }
  try {
    const value = JSON.parse(text) as unknown;
    return Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
