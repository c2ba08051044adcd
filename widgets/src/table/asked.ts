/** What a tab can be asked, drawn from the list that the kernel sends. */

import { Select, Tick } from "../image/parts";
import { make, visible } from "../run/dom";
import type { Explorer } from "./explorer";
import { type Option, type Tab, optionsOf } from "./state";

interface Shown {
  readonly option: Option;
  readonly element: HTMLElement;
  show(value: unknown): void;
}

export class Asked {
  readonly element = make("div", "ndt-asked");
  private rows: readonly Shown[] = [];
  private built: readonly unknown[] = [];

  constructor(private readonly explorer: Explorer) {}

  refresh(): void {
    const { explorer } = this;
    const tab = explorer.tabs.find(({ name }) => name === explorer.state.tab);
    if (tab === undefined) return;
    const measures = this.measures.join("\n");
    if (this.built[0] !== tab || this.built[1] !== measures) {
      this.built = [tab, measures];
      this.rows = tab.options.map((one) => this.row(tab, one));
      this.element.replaceChildren(...this.rows.map(({ element }) => element));
    }
    const values = optionsOf(explorer.state, tab.name);
    for (const { option, element, show } of this.rows) {
      show(values[option.name]);
      visible(element, option.only === null || option.only[1].includes(String(values[option.only[0]])));
    }
    visible(this.element, this.rows.length > 0);
  }

  private get measures(): readonly string[] {
    const { facts, idName } = this.explorer;
    return facts.filter(({ kind, name }) => kind === "number" && name !== idName).map(({ name }) => name);
  }

  private row(tab: Tab, option: Option): Shown {
    const { explorer } = this;
    const set = (value: string | number | boolean): void => {
      explorer.ask(tab.name, { [option.name]: value });
      // Other columns are seen whole.
      if (tab.name === "points" && option.kind === "measure") explorer.update({ view: null });
    };
    const labelled = (inner: HTMLElement): HTMLElement => make("label", "ndt-option", make("span", "ndi-name", option.label), inner);
    if (option.kind === "tick") {
      const tick = new Tick(option.label, set);
      return { option, element: tick.element, show: (value) => tick.show(value === true) };
    }
    if (option.kind === "number") {
      const field = make("input", "ndi-number ndt-value");
      field.type = "number";
      [field.min, field.max, field.step] = option.span.map(String) as [string, string, string];
      if (option.span[2] < 0.001) field.step = "any";
      field.setAttribute("aria-label", option.label);
      field.addEventListener("change", () => {
        if (Number.isFinite(field.valueAsNumber)) set(Math.min(option.span[1], Math.max(option.span[0], field.valueAsNumber)));
      });
      const focused = (): boolean => (field.getRootNode() as Document | ShadowRoot).activeElement === field;
      return { option, element: labelled(field), show: (value) => void (focused() || (field.value = String(value))) };
    }
    const choices = option.kind === "measure" ? this.measures.map((name) => [name, name] as const) : option.choices;
    const select = new Select(option.label, choices, set);
    return { option, element: labelled(select.element), show: (value) => select.show(String(value)) };
  }
}
