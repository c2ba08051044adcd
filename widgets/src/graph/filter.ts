/** One line of the filter: the least and the largest value that stays. */

import { make } from "../run/dom";
import type { Explorer } from "./explorer";
import { type Filter, refiltered } from "./state";

interface Subject {
  readonly of: "nodes" | "edges";
  readonly by: string;
  readonly unit: string;
}

export class FilterRow {
  readonly element: HTMLElement;
  private readonly low: HTMLInputElement;
  private readonly high: HTMLInputElement;

  constructor(
    private readonly subject: Subject,
    range: readonly [number, number],
    private readonly explorer: Explorer,
  ) {
    const name = subject.unit ? `${subject.by} [${subject.unit}]` : subject.by;
    const of = subject.of === "edges" ? "edges" : "nodes";
    this.low = this.field(`Least ${name} of ${of}`, range[0]);
    this.high = this.field(`Largest ${name} of ${of}`, range[1]);
    const label = make("span", "ndi-name ndg-text", name);
    label.title = `${name} of ${of}`;
    this.element = make("div", "ndi-row ndg-filter", label, make("div", "ndi-field", this.low, make("span", "ndi-of", "to"), this.high));
  }

  show(filters: readonly Filter[]): void {
    const found = filters.find(({ of, by }) => of === this.subject.of && by === this.subject.by);
    this.put(this.low, found?.low ?? null);
    this.put(this.high, found?.high ?? null);
  }

  private put(field: HTMLInputElement, value: number | null): void {
    if ((field.getRootNode() as Document | ShadowRoot).activeElement !== field) field.value = value === null ? "" : String(value);
  }

  private field(name: string, bound: number): HTMLInputElement {
    const found = make("input", "ndi-number ndg-number");
    found.type = "number";
    found.step = "any";
    // What holds unless something is entered.
    found.placeholder = String(Number(bound.toPrecision(4)));
    found.setAttribute("aria-label", name);
    found.addEventListener("change", () => this.change());
    return found;
  }

  private change(): void {
    const value = (field: HTMLInputElement): number | null => (Number.isFinite(field.valueAsNumber) ? field.valueAsNumber : null);
    const { of, by } = this.subject;
    const filters = refiltered(this.explorer.state.filters, { of, by, low: value(this.low), high: value(this.high) });
    this.explorer.update({ filters });
  }
}
