/** The columns themselves: which are measured, what they hold, and what becomes of what is missing. */

import { count as said } from "../core/words";
import { Select, row, wordButton } from "../image/parts";
import { make } from "../run/dom";
import { type Facts, shown } from "./data";
import type { Explorer } from "./explorer";

const POLICIES = [
  ["remove", "leave rows without a value out"], ["median", "put the column's median in"],
  ["mean", "put the column's mean in"], ["keep", "keep, as far as a method can"],
] as const;

export class Columns {
  readonly element = make("div", "ndt-columns");
  private readonly missing: Select;
  private readonly body = make("tbody", "");
  private told: readonly unknown[] = [];

  constructor(private readonly explorer: Explorer) {
    this.missing = new Select("Missing values", POLICIES, (missing) => explorer.update({ missing }));
    const heads = ["", "column", "unit", "kind", "missing", "least", "mean", "sd", "largest"];
    const head = make("thead", "", make("tr", "", ...heads.map((name) => make("th", "", name))));
    const all = (on: boolean) => (): void => explorer.update({ features: on ? this.measures.map(({ name }) => name) : this.measures.slice(0, 1).map(({ name }) => name) });
    const line = make("div", "ndi-line", make("span", "ndg-grow", "Ticked columns are what statistics are of."),
      wordButton("all", "Tick all columns of numbers", all(true)), wordButton("one", "Tick the first alone", all(false)));
    this.element.append(row("missing", this.missing.element), line, make("table", "ndt-table", head, this.body));
  }

  private get measures(): readonly Facts[] {
    return this.explorer.facts.filter(({ kind, name }) => kind === "number" && name !== this.explorer.idName);
  }

  refresh(): void {
    const { explorer } = this;
    this.missing.show(explorer.state.missing);
    const told = [explorer.facts, explorer.state.features, explorer.state.classes];
    if (told.every((one, i) => one === this.told[i]) && this.told.length > 0) return;
    this.told = told;
    this.body.replaceChildren(...explorer.facts.map((one) => this.line(one)));
  }

  private line(facts: Facts): HTMLElement {
    const { explorer } = this;
    const { features, classes } = explorer.state;
    const measured = facts.kind === "number" && facts.name !== explorer.idName;
    const tick = make("input", "ndi-tick");
    tick.type = "checkbox";
    tick.disabled = !measured;
    tick.checked = features.includes(facts.name);
    tick.setAttribute("aria-label", `Statistics of ${facts.name}`);
    tick.addEventListener("change", () => {
      const next = tick.checked ? [...features, facts.name] : features.filter((name) => name !== facts.name);
      const order = new Map(explorer.facts.map(({ name }, i) => [name, i]));
      explorer.update({ features: next.sort((a, b) => (order.get(a) ?? 0) - (order.get(b) ?? 0)) });
    });
    const kind = facts.name === explorer.idName ? "id" : facts.kind === "category" ? `${said(facts.classes ?? 0)} classes` : facts.kind === "exact" ? "64-bit numbers" : facts.whole ? "whole numbers" : "numbers";
    const number = (value: number | null | undefined): HTMLElement => make("td", "ndt-number", value == null ? "" : shown(value));
    const origin = facts.derived === undefined ? kind : `${kind}, computed`;
    const line = make("tr", facts.name === classes ? "ndt-chosen" : "",
      make("td", "", measured ? tick : ""), make("td", "", facts.name), make("td", "", facts.unit), make("td", "ndi-of", origin),
      make("td", "ndt-number", facts.missing > 0 ? said(facts.missing) : ""), number(facts.low), number(facts.mean), number(facts.sd), number(facts.high));
    return line;
  }
}
