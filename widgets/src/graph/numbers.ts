/** Plots of properties, and numbers of the whole graph as they come. */

import { percent } from "../core/words";
import { Choice, Select, row, wordButton } from "../image/parts";
import { make, say, visible } from "../run/dom";
import { short } from "./bins";
import { type Column, columnOf } from "./data";
import type { Explorer } from "./explorer";
import { Plot } from "./plot";
import { same } from "./state";

interface Found {
  readonly value: number | null;
  readonly error?: number;
  readonly why?: string;
}

/** The name of a property in the menus: edges have a mark, for nodes may have one of the same name. */
const OF_EDGES = "edges: ";
/** As the founding explorer had them; what is beyond is counted, too, when asked for. */
const FOUNDING = 21;

export class NumbersTab {
  readonly element = make("div", "ndg-tab");
  private readonly menus = make("div", "ndi-body");
  private readonly degree: Plot;
  private readonly plot: Plot;
  private readonly table = make("dl", "ndg-numbers");
  private readonly bar = make("div", "ndg-progress", make("div", "ndg-done"));
  private readonly said = make("span", "ndi-of ndg-grow");
  private readonly count: HTMLButtonElement;
  private readonly stop: HTMLButtonElement;
  private readonly axes: Choice<"even" | "log">;
  private log = true;
  private across: Select | null = null;
  private up: Select | null = null;
  private offered: unknown = null;
  private told: unknown = null;
  private wanted: readonly string[] | null = null;

  constructor(private readonly explorer: Explorer) {
    this.degree = new Plot(explorer, "Degrees");
    this.plot = new Plot(explorer, "Properties");
    const axis = (value: "even" | "log", title: string) => [value, wordButton(value, title, () => {
      this.log = value === "log";
      this.refresh();
    })] as const;
    this.axes = new Choice("Axes", [axis("even", "Even axes"), axis("log", "Logarithmic axes")]);
    this.count = wordButton("count", "Count the numbers of the whole graph, in a process of their own", () => this.begin());
    this.stop = wordButton("cancel", "Count no more; what is there stays", () => explorer.update({ statistics: this.there() }));
    const card = (title: string, ...inside: HTMLElement[]): HTMLElement =>
      make("section", "ndi-card", make("h5", "ndg-title", title), make("div", "ndi-inside-card", ...inside));
    this.element.append(
      card("Degree", this.degree.element, make("div", "ndi-line", this.axes.element)),
      card("Property", this.menus, this.plot.element),
      card("Whole graph", make("div", "ndi-line", this.said, this.count, this.stop), this.bar, this.table),
    );
  }

  close(): void {
    this.degree.close();
    this.plot.close();
  }

  refresh(): void {
    const { explorer } = this;
    const { state, offers } = explorer;
    if (!same(this.offered, offers)) this.rebuild();
    const across = state.plot[0] || this.first;
    this.across?.show(across);
    this.up?.show(state.plot[1]);
    this.axes.show(this.log ? "log" : "even");
    this.degree.show(this.column("degree"), null, this.log);
    this.plot.show(this.column(across), state.plot[1] === "" ? null : this.column(state.plot[1]), false);
    this.tellNumbers();
  }

  /** The property that is looked at until one is chosen. */
  private get first(): string {
    const { colors, edges } = this.explorer.offers;
    const here = this.explorer.data.columns.filter(({ of, name }) => of === "nodes" && name !== "degree" && colors.includes(name));
    return here[0]?.name ?? edges[0] ?? "degree";
  }

  private column(name: string): Column | null {
    const { columns } = this.explorer.data;
    return columnOf(columns, "nodes", name) ?? columnOf(columns, "edges", name);
  }

  private rebuild(): void {
    const { explorer } = this;
    const { colors, edges } = explorer.offers;
    this.offered = explorer.offers;
    const options = [...colors.map((one) => [one, one.replaceAll("_", " ")] as const), ...edges.filter((one) => !colors.includes(one)).map((one) => [one, OF_EDGES + one] as const)];
    this.across = new Select("across", options, (value) => explorer.update({ plot: [value, explorer.state.plot[1]] }));
    this.up = new Select("up", [["", "how many"], ...options], (value) => explorer.update({ plot: [explorer.state.plot[0] || this.first, value] }));
    this.menus.replaceChildren(row("across", this.across.element), row("up", this.up.element));
  }

  private get found(): Readonly<Record<string, Found>> {
    return this.explorer.model.get("numbers") as Record<string, Found>;
  }

  private there(): string[] {
    const { found } = this;
    return this.explorer.state.statistics.filter((name) => name in found);
  }

  private begin(): void {
    this.explorer.update({ statistics: this.explorer.offers.statistics });
  }

  private tellNumbers(): void {
    const { found, explorer } = this;
    const { statistics } = explorer.state;
    if (this.told === found && this.wanted === statistics) return;
    [this.told, this.wanted] = [found, statistics];
    const done = statistics.filter((name) => name in found).length;
    const runs = done < statistics.length;
    visible(this.count, !runs && done < explorer.offers.statistics.length);
    visible(this.stop, runs);
    visible(this.bar, runs);
    say(this.said, runs ? `${done} of ${statistics.length}, ${percent(done, statistics.length)}` : Object.keys(found).length > 0 ? "" : "not counted yet");
    (this.bar.firstElementChild as HTMLElement).style.width = `${(100 * done) / Math.max(1, statistics.length)}%`;
    const next = runs ? statistics.find((name) => !(name in found)) : undefined;
    const lines = explorer.offers.statistics.filter((name) => name in found || name === next).flatMap((name, i) => {
      const one = found[name];
      const value = make("dd", one?.why !== undefined ? "ndi-of" : "", one === undefined ? "…" : told(one));
      if (one?.why !== undefined) value.title = one.why;
      return [make("dt", i === FOUNDING ? "ndg-beyond" : "", name.replaceAll("_", " ")), value];
    });
    this.table.replaceChildren(...lines);
  }
}

function told({ value, error, why }: Found): string {
  if (why !== undefined) return "not for this graph";
  if (value === null) return "none";
  const text = Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(5)));
  return error === undefined ? text : `≈ ${short(value)} ± ${short(error)}`;
}
