/** Fields of forms: a number that may be left out. */

import { make } from "../run/dom";

export interface Field<T> {
  readonly element: HTMLInputElement;
  show(value: T): void;
}

function has(field: HTMLElement): boolean {
  return (field.getRootNode() as Document | ShadowRoot).activeElement === field;
}

/** A whole number from `least` on; empty for none. */
export function number(name: string, least: number, change: (value: number | null) => void): Field<number | null> {
  const element = make("input", "ndi-number");
  element.type = "number";
  element.min = String(least);
  element.step = "1";
  element.placeholder = "auto";
  element.setAttribute("aria-label", name);
  element.title = name;
  element.addEventListener("change", () => change(Number.isFinite(element.valueAsNumber) ? Math.max(least, Math.round(element.valueAsNumber)) : null));
  return {
    element,
    show: (value) => {
      if (!has(element)) element.value = value === null ? "" : String(value);
    },
  };
}
