/** Views under names, over the picture: go to one, keep what is on show, drop one. The kernel hears of it by a trait. */

import { make, say, visible } from "../run/dom";
import type { Model } from "../core/anywidget";
import type { Explorer } from "./explorer";
import { iconButton, wordButton } from "./parts";
import { type ViewState, complete, same } from "./state";

export type Named = Readonly<Record<string, Partial<ViewState>>>;

/** A name that is not taken: what a view is called that nobody named. */
export function freeName(named: Named): string {
  for (let number = 1; ; number++) if (!(`view ${number}` in named)) return `view ${number}`;
}

/** The views without one of them. */
export function without(named: Named, name: string): Named {
  return Object.fromEntries(Object.entries(named).filter(([other]) => other !== name));
}

export class Views {
  readonly element = make("div", "ndi-views");
  private readonly list = make("ul", "ndi-view-list");
  private readonly none = make("p", "ndi-of", "None was kept yet.");
  private readonly name = make("input", "ndi-add");
  private readonly keep: HTMLButtonElement;
  private shown: Named | null = null;
  private at: ViewState | null = null;

  /** @param close called by its button, and once a view was gone to by key or click */
  constructor(
    private readonly explorer: Explorer,
    private readonly model: Model,
    private readonly close: () => void,
  ) {
    this.element.setAttribute("role", "dialog");
    this.element.setAttribute("aria-label", "Views");
    this.name.type = "text";
    this.name.setAttribute("aria-label", "Name of the view to keep");
    this.name.addEventListener("keydown", (event) => this.key(event));
    this.name.addEventListener("input", () => this.label());
    this.keep = wordButton("keep", "Keep what is on show under this name", () => this.save());
    const head = make("div", "ndi-help-head", make("h4", "", "Views"), iconButton("close", "Close", "Esc", close));
    this.element.append(head, this.none, this.list, make("div", "ndi-view-new", this.name, this.keep));
  }

  /** Show what is kept now. */
  refresh(): void {
    const { named } = this;
    if (this.shown === null || !same(named, this.shown) || this.at !== this.explorer.state) this.fill(named);
    this.name.placeholder = freeName(named);
    this.label();
  }

  focus(): void {
    (this.list.querySelector<HTMLElement>(".ndi-view-name") ?? this.name).focus({ preventScroll: true });
  }

  private get named(): Named {
    return (this.model.get("named") ?? {}) as Named;
  }

  private fill(named: Named): void {
    const active = (this.list.getRootNode() as Document | ShadowRoot).activeElement;
    const had = active instanceof HTMLElement && this.list.contains(active) ? (active.closest("li")?.dataset["view"] ?? "") : null;
    [this.shown, this.at] = [named, this.explorer.state];
    const rows = Object.entries(named).map(([name, state]) => this.row(name, state));
    this.list.replaceChildren(...rows);
    visible(this.none, rows.length === 0);
    visible(this.list, rows.length > 0);
    if (had === null) return;
    // Where the view went that had the focus, another one takes it.
    (rows.find((row) => row.dataset["view"] === had)?.querySelector<HTMLElement>(".ndi-view-name") ?? this.list.querySelector<HTMLElement>(".ndi-view-name") ?? this.name).focus();
  }

  private row(name: string, state: Partial<ViewState>): HTMLLIElement {
    const go = make("button", "ndi-view-name", name);
    go.type = "button";
    go.title = `Go to ${name} (Delete drops it)`;
    go.addEventListener("click", () => this.go(state));
    const drop = iconButton("close", `Drop ${name}`, "Delete", () => this.write(without(this.named, name)));
    const row = make("li", "ndi-view", go, drop);
    row.dataset["view"] = name;
    if (same(complete(state), this.explorer.state)) go.setAttribute("aria-current", "true");
    row.addEventListener("keydown", (event) => this.rowKey(event, row, name));
    return row;
  }

  private rowKey(event: KeyboardEvent, row: HTMLElement, name: string): void {
    const to = event.key === "ArrowDown" ? row.nextElementSibling : event.key === "ArrowUp" ? row.previousElementSibling : null;
    if (event.key === "Delete" || event.key === "Backspace") this.write(without(this.named, name));
    else if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    to?.querySelector<HTMLElement>(".ndi-view-name")?.focus();
    event.preventDefault();
    event.stopPropagation();
  }

  private go(state: Partial<ViewState>): void {
    this.explorer.update(() => complete(state));
    this.close();
  }

  private save(): void {
    const name = this.name.value.trim() || freeName(this.named);
    this.name.value = "";
    this.write({ ...this.named, [name]: this.explorer.state });
  }

  private write(named: Named): void {
    this.model.set("named", named);
    this.model.save_changes();
    this.refresh();
  }

  private label(): void {
    say(this.keep, this.name.value.trim() in this.named ? "replace" : "keep");
  }

  private key(event: KeyboardEvent): void {
    if (event.key === "Enter") this.save();
    if (event.key === "Escape") this.close();
    if (event.key === "ArrowUp") this.list.querySelector<HTMLElement>("li:last-child .ndi-view-name")?.focus();
  }
}
