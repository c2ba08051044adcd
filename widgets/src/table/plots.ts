/** What the kernel drew for a tab: BokehJS, whose selection is that of the rows, and small tables below. */

import { make, say, visible } from "../run/dom";
import { type Document, type Item, type Source, bokehOf, columnIn } from "./bokeh";
import { textAt } from "./data";
import type { Explorer } from "./explorer";
import { type Way, ofGroups, ofRanges, ofRows } from "./joined";
import { chosen } from "./picked";

/** Rows that a line of a table stands for: those where a column reads so. */
interface Pick {
  readonly by: string;
  readonly text: string;
}

interface Listing {
  readonly title: string;
  readonly heads: readonly string[];
  readonly lines: readonly (readonly string[])[];
  readonly picks: readonly (Pick | null)[];
}

interface Plot {
  readonly tab?: string;
  readonly number?: number;
  readonly item?: Item | null;
  readonly sources?: readonly { readonly id: string; readonly kind: "rows" | "ranges" | "groups"; readonly by: string; readonly classes: string }[];
  readonly notes?: readonly string[];
  readonly tables?: readonly Listing[];
}

export class Plots {
  readonly element = make("div", "ndt-plots");
  private readonly holder = make("div", "ndt-plot");
  private readonly notes = make("ul", "ndt-notes");
  private readonly tables = make("div", "ndt-tables");
  private readonly waiting = make("div", "ndt-waiting");
  private shown: unknown = null;
  private document: Document | null = null;
  private joined: { readonly source: Source; readonly show: () => void }[] = [];
  /** While the page itself sets a selection, no plot is asked what it has. */
  private quiet = false;

  constructor(private readonly explorer: Explorer) {
    this.element.append(this.waiting, this.holder, this.notes, this.tables);
  }

  close(): void {
    this.document?.clear();
    this.document = null;
  }

  refresh(): void {
    const { explorer } = this;
    const plot = explorer.model.get("plot") as Plot;
    const { busy } = explorer.status;
    const mine = plot.tab === explorer.state.tab;
    visible(this.holder, mine);
    visible(this.notes, mine);
    visible(this.tables, mine);
    say(this.waiting, mine ? "" : busy.length > 0 ? "" : "waiting for the kernel …");
    this.element.classList.toggle("ndt-old", mine && busy.length > 0);
    if (!mine || this.shown === plot) return;
    this.shown = plot;
    this.notes.replaceChildren(...(plot.notes ?? []).map((text) => make("li", "", text)));
    this.tables.replaceChildren(...(plot.tables ?? []).map((one) => this.table(one)));
    void this.draw(plot);
  }

  /** Show in the plot what is selected. */
  select(): void {
    this.quiet = true;
    for (const { show } of this.joined) show();
    this.quiet = false;
  }

  private async draw(plot: Plot): Promise<void> {
    const { item } = plot;
    this.joined = [];
    this.close();
    if (item == null) return this.holder.replaceChildren();
    try {
      const bokeh = await bokehOf(this.explorer.model, item.version);
      if (this.shown !== plot) return;
      const target = make("div", "ndt-target");
      this.holder.replaceChildren(target);
      const views = await bokeh.embed.embed_item(item, target);
      const document = views.roots[0]?.model.document ?? null;
      // Another was asked for while this one was built.
      if (this.shown !== plot) return document?.clear();
      this.document = document;
      this.join(plot);
    } catch (error) {
      this.holder.replaceChildren(make("div", "ndi-trouble", `The plot cannot be drawn: ${String(error)}`));
    }
  }

  private join(plot: Plot): void {
    const { explorer, document } = this;
    for (const { id, kind, by, classes } of plot.sources ?? []) {
      const source = document?.get_model_by_id(id) as Source | null;
      if (source == null) continue;
      const numbers = (name: string): ArrayLike<number> => columnIn(source, name) as ArrayLike<number>;
      const ways: Record<typeof kind, () => Way> = {
        rows: () => ofRows(numbers("row")),
        groups: () => ofGroups(columnIn(source, "rows") as ArrayLike<ArrayLike<number>>),
        ranges: () => {
          const names = columnIn(source, "class") as ArrayLike<string>;
          const class_ = (): ReturnType<Explorer["column"]> => (classes === "" ? null : explorer.column(classes));
          return ofRanges(numbers("low"), numbers("high"), names, explorer.count, () => explorer.column(by), class_, () => explorer.passing);
        },
      };
      const way = ways[kind]();
      const show = (): void => {
        const indices = way.indices(explorer.mask, explorer.selectedCount);
        if (indices !== null) source.selected.indices = indices;
      };
      source.selected.properties.indices.change.connect(() => {
        if (this.quiet) return;
        const mask = way.mask(source.selected.indices, explorer.mask);
        if (mask !== null) explorer.select(mask);
      });
      this.joined.push({ source, show });
    }
    this.select();
  }

  private table({ title, heads, lines, picks }: Listing): HTMLElement {
    const { explorer } = this;
    const head = make("tr", "", ...heads.map((name) => make("th", "", name)));
    const body = lines.map((line, i) => {
      const row = make("tr", "", ...line.map((text) => make("td", "", text)));
      const pick = picks[i];
      if (pick != null) {
        row.tabIndex = 0;
        row.className = "ndt-pick";
        row.title = "Select these rows";
        const act = (more: boolean): void => explorer.select(chosen(explorer.mask, this.rowsOf(pick), more));
        row.addEventListener("click", (event) => act(event.ctrlKey || event.metaKey || event.shiftKey));
        row.addEventListener("keydown", (event) => {
          if (event.key === "Enter") act(event.shiftKey);
        });
      }
      return row;
    });
    const found = make("table", "ndt-table", make("thead", "", head), make("tbody", "", ...body));
    return make("figure", "ndt-listing", make("figcaption", "", title), found);
  }

  private rowsOf({ by, text }: Pick): readonly number[] {
    const { explorer } = this;
    if (by === "") return explorer.ids.rows(text);
    const column = explorer.column(by);
    const found: number[] = [];
    if (column !== null) for (let i = 0; i < explorer.count; i++) if (textAt(column, i) === text) found.push(i);
    return found;
  }
}
