/** How labels are shown, which ids are selected, and what is known of the one that was picked. */

import { labelColor } from "../core/colors";
import { count } from "../core/words";
import { make, say, visible } from "../run/dom";
import type { Body } from "./card";
import { hideSelected } from "./commands";
import type { Desk, Held } from "./desk";
import type { Explorer } from "./explorer";
import { Choice, iconButton, press, row, wordButton } from "./parts";
import { type LabelStyle, type LabelsLayer, isolate, select, setLayer, unhide } from "./state";

const STYLES: readonly (readonly [LabelStyle, string])[] = [
  ["fill", "Filled"],
  ["outline", "Only the outline"],
  ["both", "Filled, with an outline"],
];
/** So many chips of selected ids; more are counted. */
const MOST = 60;
const MOST_ID = (1n << 64n) - 1n;

/** A 64-bit id as it is written everywhere, or null for what is none. */
export function idOf(text: string): string | null {
  const digits = text.trim().replace(/[\s_,\u2009]/g, "");
  if (!/^\d{1,20}$/.test(digits)) return null;
  const id = BigInt(digits);
  return id > 0n && id <= MOST_ID ? id.toString() : null;
}

/** The colour of an id for a page. */
export function cssColor(id: string, own?: string): string {
  return own === undefined ? `rgb(${labelColor(BigInt(id)).join()})` : `#${own}`;
}

export class LabelsBody implements Body {
  readonly element = make("div", "ndi-body");
  private readonly style: Choice<LabelStyle>;
  private readonly hovered = make("span", "ndi-id");
  private readonly chips = make("div", "ndi-chips");
  private readonly add = make("input", "ndi-add");
  private readonly hideButton: HTMLButtonElement;
  private readonly alone: HTMLButtonElement;
  private readonly clear: HTMLButtonElement;
  private readonly all: HTMLButtonElement;
  private readonly facts = make("dl", "ndi-facts");
  private shownIds: readonly string[] | null = null;
  private shownFacts: unknown = null;

  constructor(
    private readonly explorer: Explorer,
    private readonly desk: Held<Desk>,
    private readonly id: string,
  ) {
    const update = explorer.update.bind(explorer);
    this.style = new Choice("Style", STYLES.map(([value, title]) => [value, wordButton(value, title, () => update((state) => setLayer(state, id, { style: value })))]));
    this.hideButton = wordButton("hide", "Hide what is selected (h)", () => update((state) => hideSelected(state, id)));
    this.alone = wordButton("isolate", "Show only what is selected (o)", () => update((state) => isolate(state, id, !this.layer?.isolated)));
    this.clear = wordButton("clear", "Select nothing (x)", () => update((state) => select(state, id, [])));
    this.all = wordButton("show all", "Show what was hidden (Shift h)", () => update((state) => isolate(unhide(state, id), id, false)));
    this.add.type = "text";
    this.add.placeholder = "add an id";
    this.add.inputMode = "numeric";
    this.add.setAttribute("aria-label", "Select an id");
    this.add.addEventListener("input", () => this.add.removeAttribute("aria-invalid"));
    this.add.addEventListener("keydown", (event) => this.type(event));
    this.chips.setAttribute("role", "list");
    this.chips.setAttribute("aria-label", "Selected ids");
    const buttons = make("div", "ndi-line", this.hideButton, this.alone, this.clear, this.all);
    this.element.append(row("style", this.style.element), row("pointer", this.hovered), row("selected", this.chips, this.add), buttons, this.facts);
    visible(this.facts, false);
  }

  refresh(shown: boolean): void {
    const { layer } = this;
    if (layer === undefined || !shown) return;
    const selected = this.explorer.state.selection[this.id] ?? NONE;
    this.style.show(layer.style);
    this.hover();
    this.list(selected);
    this.hideButton.disabled = this.clear.disabled = selected.length === 0;
    this.alone.disabled = selected.length === 0 && !layer.isolated;
    press(this.alone, layer.isolated);
    visible(this.all, layer.hidden.length > 0);
    say(this.all, `show ${count(layer.hidden.length)} hidden`);
    this.tell(selected);
  }

  private get layer(): LabelsLayer | undefined {
    return this.explorer.state.layers.find((layer) => layer.id === this.id && layer.kind === "labels") as LabelsLayer | undefined;
  }

  private color(id: string): string {
    return cssColor(id, this.explorer.infos[this.id]?.colors?.[id]);
  }

  private hover(): void {
    const id = this.desk.now.picks.find(({ layer }) => layer === this.id)?.id;
    const known = id !== undefined && id !== null && id !== "0" ? id : null;
    say(this.hovered, known ?? "–");
    this.hovered.classList.toggle("ndi-id-none", known === null);
    this.hovered.style.setProperty("--ndi-color", known === null ? "transparent" : this.color(known));
  }

  private list(selected: readonly string[]): void {
    if (selected === this.shownIds) return;
    this.shownIds = selected;
    const had = this.chips.contains((this.chips.getRootNode() as Document | ShadowRoot).activeElement);
    const chips: Node[] = selected.slice(0, MOST).map((id) => this.chip(id));
    if (selected.length > MOST) chips.push(make("span", "ndi-of", `and ${count(selected.length - MOST)} more`));
    this.chips.replaceChildren(...chips);
    visible(this.chips, selected.length > 0);
    // Where the chip went that had the focus, the next one takes it.
    if (had) (this.chips.querySelector("button") ?? this.add).focus();
  }

  private chip(id: string): HTMLElement {
    const drop = iconButton("close", `Deselect ${id}`, "", () => this.explorer.update((state) => select(state, this.id, [id], "toggle")));
    const name = wordButton(id, "What is known of it", () => this.explorer.send({ t: "pick", layer: this.id, id, position: this.explorer.state.position }));
    name.className = "ndi-chip-id";
    const chip = make("span", "ndi-chip", name, drop);
    chip.setAttribute("role", "listitem");
    chip.style.setProperty("--ndi-color", this.color(id));
    return chip;
  }

  private type(event: KeyboardEvent): void {
    if (event.key !== "Enter") return;
    const id = idOf(this.add.value);
    if (id === null) {
      this.add.setAttribute("aria-invalid", "true");
      this.add.title = "An id is a whole number above 0 of at most 64 bits";
      return;
    }
    this.add.value = "";
    this.explorer.update((state) => select(state, this.id, [id], "add"));
    this.explorer.send({ t: "pick", layer: this.id, id, position: this.explorer.state.position });
  }

  /** What the kernel knows of the id that was picked last. */
  private tell(selected: readonly string[]): void {
    const { facts } = this.explorer;
    const own = facts !== null && facts.layer === this.id && selected.includes(facts.id) ? facts : null;
    if (own === this.shownFacts) return;
    this.shownFacts = own;
    const rows = own === null ? [] : Object.entries(own.values);
    const head = own === null ? [] : [make("dt", "ndi-picked", own.id)];
    const none = own !== null && rows.length === 0 ? [make("dd", "ndi-none", "nothing more is known of it")] : [];
    this.facts.replaceChildren(...head, ...none, ...rows.flatMap(([name, value]) => [make("dt", "", name), make("dd", "", value === null ? "–" : String(value))]));
    visible(this.facts, own !== null);
  }
}

const NONE: readonly string[] = [];
