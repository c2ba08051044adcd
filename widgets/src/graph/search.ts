/** The field that finds nodes by id or label. */

import { make, visible } from "../run/dom";
import { type Pair } from "./state";
import type { Explorer } from "./explorer";
import { search } from "./pick";

const MOST = 8;

export class Search {
  readonly element: HTMLElement;
  private readonly field = make("input", "ndi-goto ndg-search");
  private readonly list = make("div", "ndg-found");
  private found: readonly number[] = [];

  constructor(
    private readonly explorer: Explorer,
    private readonly leave: () => void,
  ) {
    this.field.type = "search";
    this.field.placeholder = "find by id or label";
    this.field.spellcheck = false;
    this.field.autocomplete = "off";
    this.field.setAttribute("aria-label", "Find a node");
    this.field.addEventListener("input", () => this.look());
    this.field.addEventListener("focus", () => this.look());
    // A moment later, or a click on what was found would find nothing.
    this.field.addEventListener("blur", () => setTimeout(() => visible(this.list, false), 200));
    this.field.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter") this.choose(this.found[0]);
      if (event.key === "Escape") this.leave();
    });
    visible(this.list, false);
    this.element = make("div", "ndi-goto-label", this.field, this.list);
  }

  focus(): void {
    this.field.focus();
    this.field.select();
  }

  private look(): void {
    const { data, labels } = this.explorer;
    this.found = search(this.field.value, data.names, labels, MOST);
    this.list.replaceChildren(...this.found.map((row) => this.entry(row)));
    const nothing = this.field.value.trim() !== "" && this.found.length === 0;
    if (nothing) this.list.append(make("div", "ndi-of ndg-nothing", "no node is called that"));
    visible(this.list, nothing || this.found.length > 0);
  }

  private entry(row: number): HTMLElement {
    const { data, labels } = this.explorer;
    const id = data.names[row] ?? "";
    const label = labels?.[row];
    const found = make("button", "ndi-button ndg-entry-button", label && label !== id ? `${label} (${id})` : id);
    found.type = "button";
    found.addEventListener("click", () => this.choose(row));
    return found;
  }

  private choose(row: number | undefined): void {
    const { explorer } = this;
    const name = row === undefined ? undefined : explorer.data.names[row];
    if (row === undefined || name === undefined) return;
    const centre: Pair = [explorer.flat[2 * row] ?? 0, explorer.flat[2 * row + 1] ?? 0];
    explorer.update({ selection: [name], ...(explorer.placed ? { centre, scale: explorer.camera.scale } : {}) });
    this.leave();
  }
}
