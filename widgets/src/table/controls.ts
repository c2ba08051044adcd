/** Everything around the rows and the plots: tabs, what is asked, keys, and what changed. */

import { help } from "../image/help";
import { Select, iconButton, press, wordButton } from "../image/parts";
import { save } from "../image/shot";
import { nextTheme, showTheme, watchTheme, wear } from "../image/theme";
import { make, say, visible } from "../run/dom";
import { Asked } from "./asked";
import { Columns } from "./columns";
import type { Change, Explorer } from "./explorer";
import { Grid } from "./grid";
import { type Command, KEYS, POINTER, commandOf } from "./keys";
import { Plots } from "./plots";
import { Stage } from "./stage";

const STEP = 60;
const CLOSER = 1.25;
/** Classes that a menu has room for: text of few kinds, whole numbers of few values, and all that was computed. */
const MOST_CLASSES = 200;
const OPEN = 0.36;

export class Controls {
  readonly element = make("section", "ndl-image ndl-graph ndl-table");
  readonly stage: Stage;
  readonly plots: Plots;
  private readonly grid: Grid;
  private readonly columns: Columns;
  private readonly asked: Asked;
  private readonly help: HTMLElement;
  private readonly tabs = new Map<string, HTMLButtonElement>();
  private readonly busy = make("div", "ndt-busy");
  private readonly trouble = make("div", "ndi-trouble");
  private readonly middle = make("div", "ndt-middle");
  private readonly splitter = make("div", "ndt-splitter");
  private readonly lasso: HTMLButtonElement;
  private readonly fit: HTMLButtonElement;
  private readonly camera: HTMLButtonElement;
  private readonly side: HTMLButtonElement;
  private readonly theme: HTMLButtonElement;
  private readonly menu = make("label", "ndt-option");
  private menuOf = "";
  private select: Select | null = null;
  private readonly end: () => void;

  constructor(private readonly explorer: Explorer) {
    this.stage = new Stage(explorer);
    this.plots = new Plots(explorer);
    this.grid = new Grid(explorer);
    this.columns = new Columns(explorer);
    this.asked = new Asked(explorer);
    this.help = help(KEYS, POINTER, () => this.perform("help"));
    visible(this.help, false);
    this.lasso = iconButton("line", "Select by drawing round points", "s", () => this.perform("lasso"));
    this.fit = iconButton("fit", "Show all of it", "r", () => this.perform("fit"));
    this.camera = iconButton("camera", "Save the picture", "", () => this.shoot());
    this.side = iconButton("layers", "Rows", "y", () => this.perform("rows"));
    this.theme = iconButton("auto", "", "", () => this.perform("theme"));
    this.build();
    explorer.on((change) => this.refresh(change));
    explorer.model.on("msg:custom", this.onMessage as never);
    this.end = watchTheme(() => this.refresh("state"));
    this.refresh("state");
  }

  close(): void {
    this.end();
    this.explorer.model.off("msg:custom", this.onMessage as never);
    this.stage.close();
    this.plots.close();
    this.grid.close();
    this.element.remove();
  }

  perform(command: Command): void {
    const { stage, explorer } = this;
    const acts: Record<Command, () => void> = {
      fit: () => explorer.update({ view: null }),
      closer: () => stage.zoom(CLOSER),
      farther: () => stage.zoom(1 / CLOSER),
      left: () => stage.pan(STEP, 0),
      right: () => stage.pan(-STEP, 0),
      up: () => stage.pan(0, STEP),
      down: () => stage.pan(0, -STEP),
      lasso: () => {
        stage.lassoing = !stage.lassoing;
      },
      clear: () => (this.help.hidden ? explorer.select(new Uint8Array(explorer.count)) : this.perform("help")),
      invert: () => explorer.select(explorer.passing.map((there, row) => (there && !explorer.mask[row] ? 1 : 0))),
      theme: () => explorer.update({ theme: nextTheme(explorer.state.theme) }),
      rows: () => explorer.update({ split: explorer.state.split > 0 ? 0 : OPEN }),
      help: () => {
        visible(this.help, this.help.hidden);
        if (!this.help.hidden) this.help.focus({ preventScroll: true });
      },
    };
    acts[command]();
    this.refresh("state");
  }

  private build(): void {
    const { element, explorer } = this;
    element.setAttribute("aria-label", "Vector Explorer");
    // JupyterLab leaves keys alone that are pressed in here.
    element.dataset["lmSuppressShortcuts"] = "true";
    element.style.setProperty("--ndi-height", `${Number(explorer.model.get("height")) || 560}px`);
    const tabs = explorer.tabs.map(({ name, title }) => {
      const found = wordButton(title, title, () => explorer.update({ tab: name }));
      found.setAttribute("role", "tab");
      found.classList.add("ndt-tab");
      this.tabs.set(name, found);
      return found;
    });
    const alone = explorer.why !== "";
    const list = make("div", "ndt-tabs", ...tabs);
    list.setAttribute("role", "tablist");
    list.setAttribute("aria-label", "What is shown");
    const group = (...inside: HTMLElement[]): HTMLElement => make("div", "ndi-group", ...inside);
    const report = wordButton("report", "Save all tabs as one page of HTML", () => explorer.model.send({ t: "report" }));
    const toolbar = make("div", "ndi-toolbar", list, make("span", "ndt-why", explorer.why), make("span", "ndi-gap"),
      group(this.lasso, this.fit, this.camera, ...(alone ? [] : [report]), this.theme, iconButton("help", "Keys", "?", () => this.perform("help")), this.side));
    toolbar.setAttribute("role", "toolbar");
    toolbar.setAttribute("aria-label", "Vector Explorer");
    this.trouble.setAttribute("role", "alert");
    const strip = make("div", "ndt-strip", this.menu, this.asked.element, make("span", "ndi-gap"), this.busy);
    const pane = make("div", "ndt-pane", this.stage.element, this.columns.element, this.plots.element, make("div", "ndi-corner", this.trouble), this.help);
    this.middle.append(this.grid.element, this.splitter, make("div", "ndt-right", strip, pane));
    this.split();
    element.append(toolbar, this.middle);
    element.addEventListener("keydown", (event) => this.key(event));
  }

  private key(event: KeyboardEvent): void {
    const target = event.composedPath()[0];
    if (target instanceof HTMLInputElement || target instanceof HTMLSelectElement || event.defaultPrevented) return;
    const command = commandOf(event);
    if (command === null) return;
    // Arrows belong to whoever scrolls, but over points.
    if (event.key.startsWith("Arrow") && !this.stage.element.contains(target as Node)) return;
    event.preventDefault();
    event.stopPropagation();
    this.perform(command);
  }

  private split(): void {
    const { splitter, middle, explorer } = this;
    splitter.setAttribute("role", "separator");
    splitter.setAttribute("aria-orientation", "vertical");
    splitter.addEventListener("pointerdown", (event) => splitter.setPointerCapture(event.pointerId));
    splitter.addEventListener("pointermove", (event) => {
      if (!splitter.hasPointerCapture(event.pointerId)) return;
      const box = middle.getBoundingClientRect();
      explorer.update({ split: Math.min(0.8, Math.max(0.12, (event.clientX - box.left) / Math.max(1, box.width))) });
    });
  }

  private refresh(change: Change): void {
    const { explorer } = this;
    if (change === "selection" || change === "hover") {
      if (change === "hover") this.grid.point();
      else this.grid.refresh();
      if (change === "selection") this.plots.select();
      if (explorer.state.tab === "points") this.stage.refresh();
      return;
    }
    const { state, status } = explorer;
    wear(this.element, state.theme);
    this.tellDark();
    for (const [name, one] of this.tabs) one.setAttribute("aria-selected", String(name === state.tab));
    const points = state.tab === "points";
    for (const one of [this.lasso, this.fit, this.camera]) visible(one, points);
    press(this.lasso, this.stage.lassoing);
    press(this.side, state.split > 0);
    showTheme(this.theme, state.theme);
    this.element.style.setProperty("--ndt-split", `${100 * state.split}%`);
    visible(this.grid.element, state.split > 0);
    visible(this.splitter, state.split > 0);
    visible(this.stage.element, points);
    visible(this.columns.element, state.tab === "columns");
    visible(this.plots.element, !points && state.tab !== "columns");
    say(this.busy, status.busy.length > 0 ? `computing: ${status.busy.join(", ")} …` : "");
    say(this.trouble, status.trouble);
    visible(this.trouble, status.trouble !== "");
    this.tellMenu();
    this.asked.refresh();
    // What is drawn already is asked nothing more.
    if (explorer.why !== "") for (const one of [this.menu, this.asked.element]) visible(one, points);
    this.grid.refresh();
    if (points) this.stage.refresh();
    else if (state.tab === "columns") this.columns.refresh();
    else this.plots.refresh();
  }

  /** Plots are drawn by the kernel, which does not see the page. */
  private tellDark(): void {
    const { model } = this.explorer;
    const dark = this.element.classList.contains("ndl-dark");
    if (!this.element.isConnected || model.get("dark") === dark) return;
    model.set("dark", dark);
    model.save_changes();
  }

  private tellMenu(): void {
    const { explorer } = this;
    const fit = explorer.facts.filter((one) => one.kind === "number" || (one.kind === "category" && (one.classes ?? 0) <= MOST_CLASSES));
    const names = fit.map(({ name }) => name);
    if (explorer.state.classes !== "" && !names.includes(explorer.state.classes)) names.push(explorer.state.classes);
    if (this.menuOf !== names.join("\n")) {
      this.menuOf = names.join("\n");
      this.select = new Select("Classes", [["", "none"], ...names.map((name) => [name, name] as const)], (classes) => explorer.update({ classes }));
      this.menu.replaceChildren(make("span", "ndi-name", "classes"), this.select.element);
    }
    this.select?.show(explorer.state.classes);
  }

  private shoot(): void {
    // The pixels can only be had in the moment when they were drawn.
    this.stage.drawNow();
    this.stage.canvas.toBlob((blob) => {
      if (blob !== null) save(blob, "points.png");
    }, "image/png");
  }

  private readonly onMessage = (message: { t: string; name: string }, buffers: readonly DataView<ArrayBuffer>[]): void => {
    const [bytes] = buffers;
    if (message.t === "report" && bytes !== undefined) save(new Blob([bytes], { type: "text/html" }), message.name);
  };
}
