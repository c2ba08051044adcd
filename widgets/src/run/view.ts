/** The widget of one Run: builds its elements once, then changes only what a message changed. */

import { button, make, say, visible } from "./dom";
import { BlockMap } from "./map";
import { isDark, palette } from "./palette";
import { Preview } from "./preview";
import * as words from "./say";
import { type Change, RunState } from "./state";
import type { Facts, Named, ToKernel } from "./wire";

export class RunView {
  readonly element: HTMLElement;
  private connected = true;
  private failuresShown = false;
  private readonly map: BlockMap;
  private readonly preview: Preview | null;
  private readonly phase = make("span", "ndl-phase");
  private readonly bar = make("div", "ndl-bar");
  private readonly done = make("div", "ndl-bar-done");
  private readonly failed = make("div", "ndl-bar-failed");
  private readonly numbers = make("span", "ndl-numbers");
  private readonly pace = make("span", "ndl-pace");
  private readonly message = make("p", "ndl-message");
  private readonly hover = make("p", "ndl-hover");
  private readonly legend = legend();
  private readonly mapColumn = make("div", "ndl-map-column");
  private readonly failures = make("div", "ndl-failures");
  private readonly start: HTMLButtonElement;
  private readonly stop: HTMLButtonElement;
  private readonly show: HTMLButtonElement;
  private readonly dashboard = make("a", "ndl-button ndl-dashboard", "Dask dashboard");
  private readonly again = make("div", "ndl-gone");
  private readonly advice = make("p", "");
  private readonly receipt = make("details", "ndl-receipt");
  private readonly receiptText = make("pre", "ndl-receipt-text");

  constructor(
    private readonly facts: Facts,
    private readonly state: RunState,
    private readonly send: (message: ToKernel) => void,
  ) {
    this.element = make("section", "ndl-run");
    this.element.setAttribute("aria-label", `Run of ${facts.step}`);
    this.map = new BlockMap(facts, palette(this.element));
    this.preview = facts.preview === null ? null : new Preview(facts.preview);
    this.start = button("ndl-start", "Start", () => this.send({ t: "start" }));
    this.stop = button("ndl-stop", "Stop", () => this.send({ t: "stop" }));
    this.show = button("ndl-show", "Show failure", () => this.toggleFailures());
    this.build();
    this.refresh();
  }

  /** Draw what `change` says is new. */
  apply(change: Change): void {
    if (change.kind === "all") this.redraw();
    if (change.kind === "blocks") this.map.update(change.numbers, change.before, this.state.states);
    if (change.kind === "patch") this.preview?.put(change.patch);
    if (change.kind === "failures") this.listFailures();
    this.refresh();
  }

  /** Say whether the kernel answers. */
  connect(connected: boolean): void {
    if (this.connected === connected) return;
    this.connected = connected;
    this.refresh();
  }

  /** Draw the map anew if the column became wider or narrower. */
  resized(): void {
    if (!this.map.fits(this.mapColumn.clientWidth)) this.redraw();
  }

  /** Draw the map anew in the colours of the page. */
  redraw(): void {
    this.element.classList.toggle("ndl-dark", isDark(this.element));
    this.map.show(this.state.states, this.mapColumn.clientWidth, palette(this.element));
    visible(this.mapColumn, this.state.states.length > 0 || !this.connected);
  }

  private build(): void {
    const title = make("h3", "ndl-title", this.facts.step);
    const facts = make("dl", "ndl-facts");
    this.fact(facts, "on", this.facts.inputs, "ndl-address");
    this.fact(facts, "with", this.facts.params, "ndl-params");
    if (this.facts.output !== null) this.fact(facts, "to", [["", this.facts.output]], "ndl-address");
    if (this.facts.estimate) this.fact(facts, "costs", [["", this.facts.estimate]], "ndl-estimate");
    this.bar.setAttribute("role", "progressbar");
    this.bar.setAttribute("aria-label", "blocks done");
    this.bar.append(this.done, this.failed);
    this.phase.setAttribute("role", "status");
    this.mapColumn.append(this.map.canvas, make("div", "ndl-under", this.legend, this.hover));
    this.map.canvas.addEventListener("mousemove", (event) => this.point(event));
    this.map.canvas.addEventListener("mouseleave", () => this.explain(""));
    this.dashboard.target = "_blank";
    this.dashboard.rel = "noopener";
    this.buildAgain();
    this.receipt.append(make("summary", "", "Receipt"), this.receiptText);
    const pictures = make("div", "ndl-pictures", this.mapColumn);
    if (this.preview !== null) pictures.append(this.preview.element);
    this.element.append(
      make("header", "ndl-header", title, this.phase),
      facts,
      this.bar,
      make("p", "ndl-progress", this.numbers, this.pace),
      this.message,
      pictures,
      make("footer", "ndl-footer", this.start, this.stop, this.show, this.dashboard),
      this.again,
      this.failures,
      this.receipt,
    );
  }

  private fact(list: HTMLElement, name: string, values: readonly Named[], style: string): void {
    if (values.length === 0) return;
    const cell = make("dd", style);
    for (const [key, text] of values) {
      const value = make("span", "ndl-value", text);
      value.title = text;
      cell.append(make("span", "ndl-pair", ...(key ? [make("span", "ndl-key", key), value] : [value])));
    }
    list.append(make("dt", "", name), cell);
  }

  private buildAgain(): void {
    const code = this.facts.code;
    this.again.append(this.advice);
    if (code === null) return;
    const copy = button("ndl-copy", "Copy", () => {
      void navigator.clipboard?.writeText(code).then(() => say(copy, "Copied"));
    });
    this.again.append(make("div", "ndl-code", make("code", "", code), copy));
  }

  private point(event: MouseEvent): void {
    const cell = this.map.at(event);
    this.explain(cell === null || this.map.bins === null ? "" : words.cell(this.facts, this.map.bins, cell));
  }

  /** What is under the pointer takes the place of the legend, so that nothing moves. */
  private explain(text: string): void {
    say(this.hover, text);
    this.legend.style.visibility = text ? "hidden" : "";
  }

  private toggleFailures(): void {
    this.failuresShown = !this.failuresShown;
    if (this.failuresShown) this.send({ t: "failures" });
    this.refresh();
  }

  private refresh(): void {
    const status = this.state.status;
    const total = Math.max(1, this.facts.total);
    this.element.dataset["phase"] = this.connected || status.phase === "done" ? status.phase : "gone";
    say(this.phase, words.phase(status, this.connected));
    this.done.style.width = `${(100 * status.done) / total}%`;
    this.failed.style.width = `${(100 * status.failed) / total}%`;
    this.bar.setAttribute("aria-valuemax", String(this.facts.total));
    this.bar.setAttribute("aria-valuenow", String(status.done));
    say(this.numbers, words.progress(status, this.facts.total).join("  ·  "));
    say(this.pace, this.connected ? [...words.pace(status), status.where].filter(Boolean).join("  ·  ") : "");
    say(this.message, status.message ?? "");
    visible(this.message, status.message !== null);
    this.map.canvas.setAttribute("aria-label", `map of blocks: ${words.progress(status, this.facts.total).join(", ")}`);
    this.refreshButtons();
  }

  private refreshButtons(): void {
    const { phase, failed, dashboard, done, receipt } = this.state.status;
    const live = this.connected;
    visible(this.start, live && this.facts.startable && (phase === "ready" || phase === "stopped" || phase === "failed"));
    say(this.start, phase === "ready" && done === 0 ? "Start" : this.facts.resumable ? "Resume" : "Run again");
    visible(this.stop, live && (phase === "running" || phase === "stopping"));
    this.stop.disabled = phase === "stopping";
    visible(this.show, live && failed > 0);
    say(this.show, this.failuresShown ? "Hide failure" : failed > 1 ? `Show failures (${failed})` : "Show failure");
    this.show.setAttribute("aria-expanded", String(this.failuresShown));
    visible(this.dashboard, live && dashboard !== null);
    if (dashboard !== null && this.dashboard.href !== dashboard) this.dashboard.href = dashboard;
    visible(this.failures, this.failuresShown && failed > 0);
    const advice = words.advice(this.state.status, this.facts.code, live);
    say(this.advice, advice);
    visible(this.again, advice !== "");
    say(this.receiptText, receipt ?? "");
    visible(this.receipt, receipt !== null);
  }

  private listFailures(): void {
    const items = this.state.failures.map((failure, i) => {
      const trace = make("pre", "ndl-trace", failure.error.trimEnd());
      const last = failure.error.trimEnd().split("\n").at(-1) ?? "";
      const head = make("summary", "", make("b", "", failure.key), make("span", "ndl-last", last));
      const item = make("details", "ndl-failure", head, trace);
      item.open = i === 0;
      return item;
    });
    this.failures.replaceChildren(...items);
    if (this.state.moreFailures) this.failures.append(make("p", "ndl-more", `and ${this.state.moreFailures} more`));
  }
}

function legend(): HTMLElement {
  const items = ["waiting", "running", "done", "failed"].map((name) =>
    make("span", "ndl-legend-item", make("i", `ndl-swatch ndl-swatch-${name}`), name),
  );
  return make("p", "ndl-legend", ...items);
}
