/** The side of the picture: how the graph is laid out, coloured, sized and filtered, and what is selected. */

import { counted } from "../core/words";
import { Select, Slider, row, wordButton } from "../image/parts";
import { make, say, visible } from "../run/dom";
import { columnOf, rangeOf } from "./data";
import type { Explorer } from "./explorer";
import { FilterRow } from "./filter";
import { mapColor } from "./look";
import { same } from "./state";

const MOST_FILTERS = 12;
const MOST_CHIPS = 60;

export class Panel {
  readonly element: HTMLElement;
  private readonly selects = make("div", "ndi-body");
  private readonly legend = make("div", "ndg-legend");
  private readonly filters = make("div", "ndi-body");
  private readonly picked = make("div", "ndi-body");
  private readonly counts = make("div", "ndg-counts");
  private readonly grow: Slider;
  private readonly strength: Slider;
  private shown: unknown = null;
  private chosen: readonly unknown[] = [];
  private legendOf: unknown = null;
  private rows: readonly FilterRow[] = [];
  private menus: { readonly menu: Select; readonly value: () => string }[] = [];

  constructor(private readonly explorer: Explorer) {
    const times = (value: number): string => `${Number(value.toPrecision(2))}×`;
    this.grow = new Slider("Size of nodes", [0.25, 3, 0.05], times, (grow) => explorer.update({ grow }));
    this.strength = new Slider("Strength of edges", [0, 1, 0.05], (value) => `${Math.round(100 * value)} %`, (edges) => explorer.update({ edges }));
    const card = (title: string, ...inside: HTMLElement[]): HTMLElement =>
      make("section", "ndi-card", make("h5", "ndg-title", title), make("div", "ndi-inside-card", ...inside));
    const looks = card("Look", this.selects, row("nodes", this.grow.element), row("edges", this.strength.element), this.legend);
    const inner = make("div", "ndi-layers", looks, card("Filter", this.filters), card("Selection", this.picked), this.counts);
    this.element = make("div", "ndi-side", inner);
  }

  refresh(): void {
    const { explorer } = this;
    if (!same(this.shown, explorer.offers)) this.rebuild();
    for (const { menu, value } of this.menus) menu.show(value());
    this.grow.show(explorer.state.grow);
    this.strength.show(explorer.state.edges);
    for (const one of this.rows) one.show(explorer.state.filters);
    this.tellLegend();
    this.tellPicked();
    const nodes = explorer.shown.reduce((sum, there) => sum + there, 0);
    say(this.counts, `${counted(nodes, "node")}, ${counted(explorer.ends.length / 2, explorer.directed ? "directed edge" : "edge")}`);
  }

  /** What can be chosen is another than before. */
  private rebuild(): void {
    const { explorer } = this;
    const { layouts, colors, sizes, labels, nodes, edges } = explorer.offers;
    this.shown = explorer.offers;
    this.menus = [];
    const menu = (name: string, choices: readonly string[], none: string | null, key: "layout" | "color" | "size" | "label"): HTMLElement => {
      const options = choices.map((one) => [one, one.replaceAll("_", " ")] as const);
      const found = new Select(name, none === null ? options : [["", none], ...options], (value) => this.choose(key, value));
      this.menus.push({ menu: found, value: () => explorer.state[key] });
      return row(name, found.element);
    };
    this.selects.replaceChildren(
      menu("layout", layouts, null, "layout"),
      menu("colour", colors, "one", "color"),
      menu("size", sizes, "one", "size"),
      ...(labels.length > 0 ? [menu("label", labels, "id", "label")] : []),
    );
    const filter = (of: "nodes" | "edges") => (by: string): FilterRow[] => {
      const column = columnOf(explorer.data.columns, of, by);
      const range = column?.kind === "number" ? rangeOf(column) : null;
      if (column === null || range === null || range[0] === range[1]) return [];
      return [new FilterRow({ of, by, unit: column.unit }, range, explorer)];
    };
    this.rows = [...edges.flatMap(filter("edges")), ...nodes.flatMap(filter("nodes"))].slice(0, MOST_FILTERS);
    this.filters.replaceChildren(...this.rows.map((one) => one.element));
    visible(this.filters.closest("section") ?? this.filters, this.rows.length > 0);
  }

  private choose(key: "layout" | "color" | "size" | "label", value: string): void {
    // Another layout is seen whole, for its places mean something else.
    this.explorer.update(key === "layout" ? { layout: value, scale: null, turn: [0, 0] } : { [key]: value });
  }

  private tellLegend(): void {
    const { legend, state } = this.explorer;
    if (this.legendOf === legend) return;
    this.legendOf = legend;
    const name = make("div", "ndi-of", state.color);
    if (legend.kind === "none") return this.legend.replaceChildren();
    if (legend.kind === "number") {
      const bar = make("div", "ndg-bar");
      const stops = Array.from({ length: 8 }, (_, i) => `rgb(${mapColor(i / 7).join(" ")})`);
      bar.style.background = `linear-gradient(to right, ${stops.join(", ")})`;
      const ends = [legend.low, legend.high].map((value) => `${Number(value.toPrecision(3))}${legend.unit ? ` ${legend.unit}` : ""}`);
      return this.legend.replaceChildren(name, bar, make("div", "ndg-ends", ...ends.map((text) => make("span", "", text))));
    }
    const entries = legend.entries.map(([text, rgb, n]) => {
      const sign = make("span", "ndi-sign ndi-sign-points");
      sign.style.setProperty("--ndi-color", `rgb(${rgb.join(" ")})`);
      return make("div", "ndg-entry", sign, make("span", "ndg-text", text), make("span", "ndi-of", String(n)));
    });
    const more = legend.more > 0 ? [make("div", "ndi-of", `and ${legend.more} more, in grey`)] : [];
    return this.legend.replaceChildren(name, ...entries, ...more);
  }

  private tellPicked(): void {
    const { state, data, labels } = this.explorer;
    const told = [state.selection, labels];
    if (told.every((one, i) => one === this.chosen[i]) && this.chosen.length > 0) return;
    this.chosen = told;
    const { selection } = state;
    if (selection.length === 0) return this.picked.replaceChildren(make("div", "ndi-of", "Click a node, or draw round several."));
    const chips = selection.slice(0, MOST_CHIPS).map((name) => {
      const leave = (): void => this.explorer.update({ selection: selection.filter((one) => one !== name) });
      const chip = make("button", "ndi-chip ndg-chip", this.explorer.nameOf(data.rows.get(name) ?? -1));
      chip.type = "button";
      chip.title = "Take it out of the selection";
      chip.addEventListener("click", leave);
      return chip;
    });
    const clear = wordButton("clear", "Select nothing (Esc)", () => this.explorer.update({ selection: [] }));
    const head = make("div", "ndi-line", make("span", "ndg-grow", counted(selection.length, "node")), clear);
    this.picked.replaceChildren(head, make("div", "ndi-chips", ...chips, ...(selection.length > MOST_CHIPS ? ["…"] : [])));
  }
}
