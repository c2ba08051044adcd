/** How the graph is laid out, coloured, sized and filtered, and what is selected. */

import { counted } from "../core/words";
import { Choice, Select, Slider, Tick, row, wordButton } from "../image/parts";
import { make, say, visible } from "../run/dom";
import { columnOf, rangeOf } from "./data";
import type { Explorer } from "./explorer";
import { FilterRow } from "./filter";
import { type Legend, mapColor } from "./look";
import { type Pair, same } from "./state";

const MOST_FILTERS = 12;
const MOST_CHIPS = 60;

type Named = "layout" | "color" | "size" | "label" | "edge_color" | "edge_width";
type Plane = "xy" | "xz" | "yz" | "";

const QUARTER = Math.PI / 2;
/** The turns that show two axes as they are: x and z with z downwards, z and y with z to the right. */
const TURNS: Readonly<Record<"xy" | "xz" | "yz", Pair>> = { xy: [0, 0], xz: [0, -QUARTER], yz: [QUARTER, 0] };

function planeOf(turn: Pair): Plane {
  const found = Object.entries(TURNS).find(([, one]) => Math.abs(one[0] - turn[0]) + Math.abs(one[1] - turn[1]) < 1e-6);
  return (found?.[0] ?? "") as Plane;
}

export class Panel {
  readonly element: HTMLElement;
  private readonly selects = make("div", "ndi-body");
  private readonly legend = make("div", "ndg-legend");
  private readonly filters = make("div", "ndi-body");
  private readonly picked = make("div", "ndi-body");
  private readonly counts = make("div", "ndg-counts");
  private readonly dims: Choice<"2" | "3">;
  private readonly planes: Choice<Plane>;
  private readonly turns: HTMLElement;
  private readonly named: Tick;
  private readonly edgeLegend = make("div", "ndg-legend");
  private edgeLegendOf: unknown = null;
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
    const dim = (value: "2" | "3", title: string) => [value, wordButton(`${value}-D`, title, () => explorer.update({ dim: Number(value), scale: null, turn: [0, 0] }))] as const;
    this.dims = new Choice("Dimensions of the layout", [dim("2", "Lay it out in a plane"), dim("3", "Lay it out in space")]);
    const plane = (value: "xy" | "xz" | "yz") => [value, wordButton(value, `Look at ${value}; Alt and drag turns it freely`, () => explorer.update({ turn: TURNS[value], scale: null }))] as const;
    this.planes = new Choice<Plane>("Projection", [plane("xy"), plane("xz"), plane("yz")]);
    this.turns = row("plane", this.planes.element);
    this.named = new Tick("names of all that fit", (on) => explorer.update({ named: on ? "all" : "selected" }));
    const card = (title: string, ...inside: HTMLElement[]): HTMLElement =>
      make("section", "ndi-card", make("h5", "ndg-title", title), make("div", "ndi-inside-card", ...inside));
    const looks = card("Look", this.selects, row("nodes", this.grow.element), row("edges", this.strength.element), this.legend, this.edgeLegend);
    this.element = make("div", "ndg-tab", looks, card("Filter", this.filters), card("Selection", this.picked), this.counts);
  }

  refresh(): void {
    const { explorer } = this;
    if (!same(this.shown, explorer.offers)) this.rebuild();
    for (const { menu, value } of this.menus) menu.show(value());
    this.dims.show(explorer.state.dim === 3 ? "3" : "2");
    this.planes.show(planeOf(explorer.state.turn));
    visible(this.turns, explorer.deep);
    this.named.show(explorer.state.named === "all");
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
    const { layouts, colors, sizes, labels, nodes, edges, edge_colors } = explorer.offers;
    this.shown = explorer.offers;
    this.menus = [];
    const menu = (name: string, choices: readonly string[], none: string | null, key: Named): HTMLElement => {
      const options = choices.map((one) => [one, one.replaceAll("_", " ")] as const);
      const found = new Select(name, none === null ? options : [["", none], ...options], (value) => this.choose(key, value));
      this.menus.push({ menu: found, value: () => explorer.state[key] });
      return row(name, found.element);
    };
    this.selects.replaceChildren(
      menu("layout", layouts, null, "layout"),
      row("", this.dims.element),
      this.turns,
      menu("colour", colors, "one", "color"),
      menu("size", sizes, "one", "size"),
      ...(labels.length > 0 ? [menu("label", labels, "id", "label")] : []),
      row("", this.named.element),
      ...(edge_colors.length > 0 ? [menu("edge colour", edge_colors, "one", "edge_color")] : []),
      ...(edges.length > 0 ? [menu("edge width", edges, "one", "edge_width")] : []),
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

  private choose(key: Named, value: string): void {
    // Another layout is seen whole, for its places mean something else.
    this.explorer.update(key === "layout" ? { layout: value, scale: null, turn: [0, 0] } : { [key]: value });
  }

  private tellLegend(): void {
    const { legend, state, edgeLook } = this.explorer;
    if (this.legendOf !== legend) {
      this.legendOf = legend;
      this.legend.replaceChildren(...legendOf(legend, state.color));
    }
    if (this.edgeLegendOf !== edgeLook) {
      this.edgeLegendOf = edgeLook;
      this.edgeLegend.replaceChildren(...(edgeLook === null ? [] : legendOf(edgeLook.legend, `${state.edge_color} of edges`)));
    }
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

function legendOf(legend: Legend, title: string): HTMLElement[] {
  if (legend.kind === "none") return [];
  const name = make("div", "ndi-of", title);
  if (legend.kind === "number") {
    const bar = make("div", "ndg-bar");
    const stops = Array.from({ length: 8 }, (_, i) => `rgb(${mapColor(legend.span[0] + ((legend.span[1] - legend.span[0]) * i) / 7).join(" ")})`);
    bar.style.background = `linear-gradient(to right, ${stops.join(", ")})`;
    const ends = [legend.low, legend.high].map((value) => `${Number(value.toPrecision(3))}${legend.unit ? ` ${legend.unit}` : ""}`);
    return [name, bar, make("div", "ndg-ends", ...ends.map((text) => make("span", "", text)))];
  }
  const entries = legend.entries.map(([text, rgb, n]) => {
    const sign = make("span", "ndi-sign ndi-sign-points");
    sign.style.setProperty("--ndi-color", `rgb(${rgb.join(" ")})`);
    return make("div", "ndg-entry", sign, make("span", "ndg-text", text), make("span", "ndi-of", String(n)));
  });
  const more = legend.more > 0 ? [make("div", "ndi-of", `and ${legend.more} more, in grey`)] : [];
  return [name, ...entries, ...more];
}
