/** Everything around the picture of a graph: lays it out, sends keys to what they mean, shows what changed. */

import { help } from "../image/help";
import { Choice, iconButton, press, wordButton } from "../image/parts";
import { save } from "../image/shot";
import { nextTheme, showTheme, watchTheme, wear } from "../image/theme";
import { make, say, visible } from "../run/dom";
import { textOf } from "./data";
import type { Explorer } from "./explorer";
import { type Command, KEYS, POINTER, commandOf } from "./keys";
import { Matrix } from "./matrix";
import { Search } from "./search";
import { Side } from "./side";
import { Stage } from "./stage";
import type { View } from "./state";
import { Table } from "./table";

const STEP = 60;
const CLOSER = 1.25;
const MOST_FACTS = 14;

const NARROW = 700;

export class Controls {
  readonly element = make("section", "ndl-image ndl-graph");
  readonly stage: Stage;
  readonly matrix: Matrix;
  private readonly table: Table;
  private readonly views: Choice<View>;
  private readonly panel: Side;
  private readonly search: Search;
  private readonly help: HTMLElement;
  private readonly card = make("dl", "ndi-facts ndg-card");
  private readonly busy = make("div", "ndg-busy");
  private readonly trouble = make("div", "ndi-trouble");
  private readonly lasso: HTMLButtonElement;
  private readonly side: HTMLButtonElement;
  private readonly fits: ResizeObserver;
  private readonly theme: HTMLButtonElement;
  private readonly end: () => void;
  private told: number | null = null;

  constructor(private readonly explorer: Explorer) {
    this.stage = new Stage(explorer);
    this.matrix = new Matrix(explorer);
    this.table = new Table(explorer);
    this.panel = new Side(explorer, { png: () => this.shoot(), svg: () => this.draw(), state: () => this.keep() });
    const view = (value: View, title: string) => [value, wordButton(value, title, () => this.look(value))] as const;
    this.views = new Choice("View", [view("nodes", "Nodes and edges"), view("matrix", "The adjacency matrix, ordered by groups"), view("table", "Properties, a line for each node or edge")]);
    this.search = new Search(explorer, () => this.stage.element.focus({ preventScroll: true }));
    this.help = help(KEYS, POINTER, () => this.perform("help"));
    visible(this.help, false);
    this.lasso = iconButton("line", "Select by drawing round nodes", "s", () => this.perform("lasso"));
    this.side = iconButton("layers", "Panel", "y", () => this.perform("panel"));
    this.theme = iconButton("auto", "", "", () => this.perform("theme"));
    this.build();
    explorer.on(() => this.refresh());
    this.end = watchTheme(() => this.refresh());
    this.fits = new ResizeObserver(() => this.seen());
    this.fits.observe(this.element);
    this.refresh();
  }

  close(): void {
    this.end();
    this.fits.disconnect();
    this.stage.close();
    this.matrix.close();
    this.panel.close();
    this.element.remove();
  }

  /** When it is first seen: where it is narrow, the panel would lie below all of it, and is there only if asked for. */
  private seen(): void {
    const width = this.element.clientWidth;
    if (width === 0) return;
    this.fits.disconnect();
    if (width >= NARROW) return;
    visible(this.panel.element, false);
    this.refresh();
  }

  perform(command: Command): void {
    const { stage, explorer, matrix } = this;
    const cells = explorer.state.view === "matrix";
    const moved = (dx: number, dy: number): void => (cells ? matrix : stage).move(dx, dy);
    const acts: Record<Command, () => void> = {
      fit: () => explorer.update(cells ? { cells: null } : { scale: null }),
      flat: () => explorer.update({ turn: [0, 0] }),
      closer: () => (cells ? matrix : stage).zoom(CLOSER),
      farther: () => (cells ? matrix : stage).zoom(1 / CLOSER),
      left: () => moved(STEP, 0),
      right: () => moved(-STEP, 0),
      up: () => moved(0, STEP),
      down: () => moved(0, -STEP),
      lasso: () => {
        stage.lassoing = matrix.boxing = !stage.lassoing;
      },
      nodes: () => this.look("nodes"),
      matrix: () => this.look("matrix"),
      table: () => this.look("table"),
      search: () => this.search.focus(),
      clear: () => (this.help.hidden ? explorer.update({ selection: [] }) : this.perform("help")),
      neighbours: () => this.addNeighbours(),
      edges: () => explorer.update({ edges: explorer.state.edges > 0 ? 0 : 1 }),
      theme: () => explorer.update({ theme: nextTheme(explorer.state.theme) }),
      panel: () => visible(this.panel.element, this.panel.element.hidden),
      help: () => {
        visible(this.help, this.help.hidden);
        (this.help.hidden ? stage.element : this.help).focus({ preventScroll: true });
      },
    };
    acts[command]();
    this.refresh();
  }

  private look(view: View): void {
    this.explorer.update({ view });
    this.refresh();
    (view === "matrix" ? this.matrix : view === "nodes" ? this.stage : this.table).element.focus({ preventScroll: true });
  }

  private addNeighbours(): void {
    const { explorer } = this;
    const found = new Set(explorer.state.selection);
    for (const row of explorer.chosen) found.add(explorer.data.names[row] ?? "");
    explorer.update({ selection: [...found] });
  }

  private build(): void {
    const { element, stage } = this;
    element.setAttribute("aria-label", "Graph Explorer");
    // JupyterLab leaves keys alone that are pressed in here.
    element.dataset["lmSuppressShortcuts"] = "true";
    element.style.setProperty("--ndi-height", `${Number(this.explorer.model.get("height")) || 480}px`);
    const group = (...inside: HTMLElement[]): HTMLElement => make("div", "ndi-group", ...inside);
    const toolbar = make("div", "ndi-toolbar",
      this.views.element, group(this.lasso), this.search.element, this.busy, make("span", "ndi-gap"),
      group(
        iconButton("fit", "Show all of it", "r", () => this.perform("fit")),
        iconButton("camera", "Save the picture", "", () => this.shoot()),
        this.theme,
        iconButton("help", "Keys", "?", () => this.perform("help")),
        this.side,
      ),
    );
    toolbar.setAttribute("role", "toolbar");
    toolbar.setAttribute("aria-label", "Graph Explorer");
    this.trouble.setAttribute("role", "alert");
    stage.element.append(this.card);
    const column = make("div", "ndi-column ndg-column", stage.element, this.matrix.element, this.table.element, make("div", "ndi-corner", this.trouble), this.help);
    column.addEventListener("keydown", (event) => {
      const command = commandOf(event);
      if (command === null) return;
      event.preventDefault();
      event.stopPropagation();
      this.perform(command);
    });
    element.append(toolbar, make("div", "ndi-middle", column, this.panel.element));
  }

  private refresh(): void {
    const { state, status } = this.explorer;
    wear(this.element, state.theme);
    this.views.show(state.view);
    for (const [view, { element }] of [["nodes", this.stage], ["matrix", this.matrix], ["table", this.table]] as const) visible(element, view === state.view);
    press(this.lasso, this.stage.lassoing);
    press(this.side, !this.panel.element.hidden);
    showTheme(this.theme, state.theme);
    const [first, ...more] = status.busy;
    say(this.busy, first === undefined ? "" : `computing ${first.replaceAll("_", " ")}${more.length > 0 ? ` and ${more.length} more` : ""} …`);
    this.busy.title = status.busy.join(", ");
    say(this.trouble, status.trouble);
    visible(this.trouble, status.trouble !== "");
    this.panel.refresh();
    this.tell();
    this.stage.refresh();
    this.matrix.refresh();
    this.table.refresh();
  }

  /** What is known of the node under the pointer. */
  private tell(): void {
    const { data, hovered } = this.explorer;
    visible(this.card, hovered !== null);
    if (hovered === null || hovered === this.told) return;
    this.told = hovered;
    const lines = data.columns.filter(({ of }) => of === "nodes").slice(0, MOST_FACTS).flatMap((column) => {
      const text = textOf(column, hovered);
      return text === null ? [] : [make("dt", "", column.name), make("dd", "", text)];
    });
    this.card.replaceChildren(make("dt", "ndi-picked", data.names[hovered] ?? ""), ...lines);
  }

  private shoot(): void {
    if (this.explorer.state.view === "matrix") this.matrix.draw();
    // The pixels can only be had in the moment when they were drawn.
    else this.stage.print();
    const { canvas } = this.explorer.state.view === "matrix" ? this.matrix : this.stage;
    canvas.toBlob((blob) => {
      if (blob !== null) save(blob, "graph.png");
    }, "image/png");
  }

  private draw(): void {
    save(new Blob([this.stage.svg()], { type: "image/svg+xml" }), "graph.svg");
  }

  private keep(): void {
    save(new Blob([JSON.stringify(this.explorer.state, null, 1)], { type: "application/json" }), "graph-state.json");
  }
}
