/** A plot of one property of nodes or edges, or of two: what is brushed in it is selected. */

import { counted } from "../core/words";
import { make, say } from "../run/dom";
import { type Axis, axisOf, bins, brushed, marks, share, short, valueAt } from "./bins";
import { type Column, NONE } from "./data";
import type { Explorer } from "./explorer";
import { memo } from "../core/memo";
import type { Pair } from "./state";

const HEIGHT = 132;
const PAD = { left: 34, right: 8, top: 8, bottom: 26 };
const MOST_BINS = 40;
/** Bars of words. */
const MOST_BARS = 12;
const STILL = 3;
const CATEGORY_SPREAD = 0.7;

/** What is drawn: the numbers along each axis. */
interface Shown {
  readonly across: Column;
  readonly up: Column | null;
  readonly log: boolean;
}

export class Plot {
  readonly element = make("div", "ndg-plot");
  private readonly canvas = make("canvas", "ndg-plot-canvas");
  private readonly bars = make("div", "ndg-bars");
  private readonly told = make("div", "ndg-plot-told");
  private shown: Shown | null = null;
  private width = 1;
  private press: { readonly from: Pair; to: Pair } | null = null;
  private readonly sized: ResizeObserver;
  private drawn: readonly unknown[] = [];
  private readonly numbersOf = memo((column: Column, _: unknown) => spread(column));
  private readonly upOf = memo((column: Column, _: unknown) => spread(column));
  private readonly axisOfX = memo((values: ArrayLike<number>, shown: Uint8Array | null, log: boolean) => axisOf(values, shown, log));
  private readonly axisOfY = memo((values: ArrayLike<number>, shown: Uint8Array | null, log: boolean) => axisOf(values, shown, log));

  constructor(
    private readonly explorer: Explorer,
    name: string,
  ) {
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", name);
    this.element.append(this.canvas, this.bars, this.told);
    this.listen();
    this.sized = new ResizeObserver(() => {
      this.width = this.element.clientWidth;
      this.drawn = [];
      this.draw();
    });
    this.sized.observe(this.element);
  }

  close(): void {
    this.sized.disconnect();
  }

  show(across: Column | null, up: Column | null, log: boolean): void {
    this.shown = across === null ? null : { across, up: up?.of === across.of ? up : null, log };
    this.draw();
  }

  /** The rows of a property that are there; null for all. */
  private mask(of: "nodes" | "edges"): Uint8Array | null {
    return of === "nodes" ? this.explorer.shown : null;
  }

  private draw(): void {
    const { shown, explorer } = this;
    const { state } = explorer;
    const told = [shown?.across, shown?.up, shown?.log, explorer.shown, state.selection, state.theme, this.width, this.press?.to];
    if (told.every((one, i) => one === this.drawn[i]) && this.drawn.length > 0) return;
    this.drawn = told;
    const words = shown !== null && shown.up === null && shown.across.kind === "category";
    this.canvas.hidden = shown === null || words;
    this.bars.hidden = !words;
    if (shown === null) return say(this.told, "");
    if (words) return this.drawBars(shown.across);
    const ratio = globalThis.devicePixelRatio || 1;
    const { canvas, width } = this;
    [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(HEIGHT * ratio)];
    canvas.style.height = `${HEIGHT}px`;
    const context = canvas.getContext("2d");
    const [x, y] = [this.xAxis, this.yAxis];
    if (context === null || x === null) return say(this.told, "no value above 0");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const style = getComputedStyle(this.element);
    const color = (name: string): string => style.getPropertyValue(name).trim();
    if (shown.up === null) this.drawCounts(context, x, color);
    else if (y !== null) this.drawDots(context, x, y, color);
    this.drawBrush(context, color("--ndi-accent"));
    say(this.told, "");
  }

  private get xAxis(): Axis | null {
    const { shown } = this;
    if (shown === null) return null;
    const { across, up, log } = shown;
    const found = this.axisOfX(this.numbersOf(across, null), this.mask(across.of), log && across.kind === "number");
    // A bar of whole numbers is as wide as one of them.
    return found !== null && up === null && across.kind === "number" && across.whole ? { ...found, low: found.low - 0.5, high: found.high + 0.5 } : found;
  }

  private get yAxis(): Axis | null {
    const { shown } = this;
    if (shown === null || shown.up === null) return null;
    return this.axisOfY(this.upOf(shown.up, null), this.mask(shown.up.of), shown.log && shown.up.kind === "number");
  }

  private get field(): { readonly x: number; readonly y: number; readonly w: number; readonly h: number } {
    return { x: PAD.left, y: PAD.top, w: Math.max(1, this.width - PAD.left - PAD.right), h: HEIGHT - PAD.top - PAD.bottom };
  }

  private drawCounts(context: CanvasRenderingContext2D, drawn: Axis, color: (name: string) => string): void {
    const { shown } = this;
    if (shown === null || shown.across.kind !== "number") return;
    const { x, y, w, h } = this.field;
    const { values, whole, of } = shown.across;
    const axis = this.axisOfX(values, this.mask(of), drawn.log);
    if (axis === null) return;
    const found = bins(values, this.mask(of), axis, whole, MOST_BINS);
    const picked = of === "nodes" ? this.pickedMask() : null;
    const chosen = picked === null ? null : bins(values, picked, axis, whole, MOST_BINS).counts;
    const top = found.counts.reduce((a, b) => Math.max(a, b), 1);
    const high = (count: number): number => (shown.log ? Math.log1p(count) / Math.log1p(top) : count / top) * h;
    const place = (value: number): number => Math.min(1, share(drawn, value));
    found.counts.forEach((count, i) => {
      const [left, right] = [place(found.edges[i] ?? 0), place(found.edges[i + 1] ?? 0)];
      const bar = (many: number, fill: string): void => {
        context.fillStyle = fill;
        const height = many > 0 ? Math.max(1, high(many)) : 0;
        context.fillRect(x + left * w, y + h - height, Math.max(1, (right - left) * w - ((right - left) * w > 3 ? 1 : 0)), height);
      };
      bar(count, color("--ndg-bar"));
      bar(chosen?.[i] ?? 0, color("--ndi-accent"));
    });
    const counts: Axis = { low: 0, high: top, log: false };
    this.drawAxes(context, marks(axis, 4).map((one) => [place(one), short(one)]), (shown.log ? [1, top] : marks(counts, 2)).filter((one) => one > 0).map((one) => [high(one) / h, short(one)]), color("--ndi-soft"), color("--ndi-line"));
  }

  private drawDots(context: CanvasRenderingContext2D, across: Axis, up: Axis, color: (name: string) => string): void {
    const { shown } = this;
    if (shown === null || shown.up === null) return;
    const { x, y, w, h } = this.field;
    const [xs, ys] = [this.numbersOf(shown.across, null), this.upOf(shown.up, null)];
    const mask = this.mask(shown.across.of);
    const picked = shown.across.of === "nodes" ? this.pickedMask() : null;
    const size = xs.length > 5_000 ? 1.5 : 3;
    for (const layer of [0, 1]) {
      context.fillStyle = layer === 0 ? color("--ndg-dot") : color("--ndi-accent");
      context.globalAlpha = layer === 0 ? Math.max(0.15, Math.min(0.8, 800 / xs.length)) : 1;
      for (let i = 0; i < xs.length; i++) {
        if ((mask !== null && !mask[i]) || (picked?.[i] ?? 0) !== layer) continue;
        const [px, py] = [share(across, xs[i] ?? NaN), share(up, ys[i] ?? NaN)];
        if (Number.isNaN(px) || Number.isNaN(py)) continue;
        context.fillRect(x + px * w - size / 2, y + (1 - py) * h - size / 2, size, size);
      }
    }
    context.globalAlpha = 1;
    const named = (column: Column, axis: Axis, most: number): [number, string][] => {
      if (column.kind === "number") return marks(axis, most).map((one) => [share(axis, one), short(one)]);
      return column.categories.slice(0, most + 2).map((name, code) => [share(axis, code), name.slice(0, 5)]);
    };
    this.drawAxes(context, named(shown.across, across, 4), named(shown.up, up, 3), color("--ndi-soft"), color("--ndi-line"));
  }

  private drawAxes(
    context: CanvasRenderingContext2D, across: readonly (readonly [number, string])[], up: readonly (readonly [number, string])[], ink: string, line: string,
  ): void {
    const { x, y, w, h } = this.field;
    const { shown } = this;
    context.fillStyle = ink;
    context.strokeStyle = line;
    context.font = "10px system-ui, sans-serif";
    context.strokeRect(x - 0.5, y + h + 0.5, w, 0.01);
    context.textBaseline = "top";
    for (const [at, text] of across) {
      if (!(at >= -0.01 && at <= 1.01)) continue;
      context.textAlign = at > 0.94 ? "right" : "center";
      context.fillText(text, x + at * w + (at > 0.94 ? 4 : 0), y + h + 3);
    }
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const [at, text] of up) if (at >= -0.01 && at <= 1.01) context.fillText(text, x - 4, y + (1 - at) * h);
    const title = (column: Column | null): string => (column === null ? "" : `${column.name.replaceAll("_", " ")}${column.unit ? ` [${column.unit}]` : ""}`);
    context.textBaseline = "bottom";
    context.textAlign = "center";
    context.fillText(title(shown?.across ?? null), x + w / 2, HEIGHT);
    if (shown?.up) {
      context.save();
      context.translate(1, y + h / 2);
      context.rotate(-Math.PI / 2);
      context.textBaseline = "top";
      context.fillText(title(shown.up), 0, 0);
      context.restore();
    }
  }

  private drawBrush(context: CanvasRenderingContext2D, accent: string): void {
    if (this.press === null) return;
    const { x, y, w, h } = this.field;
    const [from, to] = [this.press.from, this.press.to];
    const [left, right] = [Math.min(from[0], to[0]), Math.max(from[0], to[0])];
    const [low, high] = this.shown?.up ? [Math.min(from[1], to[1]), Math.max(from[1], to[1])] : [0, 1];
    context.fillStyle = accent;
    context.globalAlpha = 0.15;
    context.fillRect(x + left * w, y + (1 - high) * h, (right - left) * w, (high - low) * h);
    context.globalAlpha = 1;
  }

  /** A bar for each of the most frequent words. */
  private drawBars(column: Column): void {
    if (column.kind !== "category") return;
    const mask = this.mask(column.of);
    const counts = column.categories.map(() => 0);
    column.values.forEach((code, i) => {
      if (code !== NONE && (mask === null || mask[i])) counts[code] = (counts[code] ?? 0) + 1;
    });
    const top = counts.reduce((a, b) => Math.max(a, b), 1);
    const bars = column.categories.slice(0, MOST_BARS).map((name, code) => {
      const bar = make("button", "ndg-word-bar", make("span", "ndg-text", name), make("span", "ndi-of", String(counts[code] ?? 0)));
      bar.type = "button";
      bar.title = "Select these";
      bar.style.setProperty("--ndg-part", `${(100 * (counts[code] ?? 0)) / top}%`);
      bar.addEventListener("click", () => this.select([...column.values.keys()].filter((i) => column.values[i] === code && (mask === null || !!mask[i]))));
      return bar;
    });
    this.bars.replaceChildren(...bars);
    const more = column.categories.length - bars.length;
    say(this.told, more > 0 ? `and ${counted(more, "value")} more` : "");
  }

  private pickedMask(): Uint8Array | null {
    const { state, data } = this.explorer;
    if (state.selection.length === 0) return null;
    const found = new Uint8Array(data.names.length);
    for (const name of state.selection) found[data.rows.get(name) ?? -1] = 1;
    return found;
  }

  // --- the pointer -------------------------------------------------------------------------------------------------

  private listen(): void {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      const at = this.at(event);
      this.press = { from: at, to: at };
    });
    canvas.addEventListener("pointermove", (event) => {
      if (this.press === null) return;
      this.press.to = this.at(event);
      this.draw();
    });
    canvas.addEventListener("pointerup", (event) => this.up(event));
    canvas.addEventListener("pointercancel", () => {
      this.press = null;
      this.draw();
    });
  }

  private at(event: MouseEvent): Pair {
    const box = this.canvas.getBoundingClientRect();
    const { x, y, w, h } = this.field;
    const zoom = box.width / Math.max(1, this.width) || 1;
    const within = (one: number): number => Math.min(1, Math.max(0, one));
    return [within(((event.clientX - box.left) / zoom - x) / w), within(1 - ((event.clientY - box.top) / zoom - y) / h)];
  }

  private up(event: PointerEvent): void {
    const { press, shown } = this;
    this.press = null;
    if (press === null || shown === null) return;
    const to = this.at(event);
    const [xAxis, yAxis] = [this.xAxis, this.yAxis];
    const { w, h } = this.field;
    const moved = Math.max(Math.abs(to[0] - press.from[0]) * w, Math.abs(to[1] - press.from[1]) * h) > STILL;
    if (xAxis === null) return;
    if (!moved) {
      this.explorer.update({ selection: [] });
      return this.draw();
    }
    const span = (axis: Axis, a: number, b: number): Pair => [valueAt(axis, Math.min(a, b)), valueAt(axis, Math.max(a, b))];
    const box = { x: span(xAxis, press.from[0], to[0]), y: yAxis === null ? null : span(yAxis, press.from[1], to[1]) };
    const ys = shown.up === null ? null : this.upOf(shown.up, null);
    this.select(brushed(this.numbersOf(shown.across, null), ys, this.mask(shown.across.of), box));
    this.draw();
  }

  /** Select nodes, or the ends of edges. */
  private select(rows: readonly number[]): void {
    const { data } = this.explorer;
    const nodes = this.shown?.across.of === "edges" ? rows.flatMap((e) => [data.ends[2 * e] ?? 0, data.ends[2 * e + 1] ?? 0]) : rows;
    this.explorer.update({ selection: [...new Set(nodes)].map((row) => data.names[row] ?? "") });
  }
}

/** Numbers as they are; of words their codes, a little beside each other, so that many are seen. */
function spread(column: Column): ArrayLike<number> {
  if (column.kind === "number") return column.values;
  return Float64Array.from(column.values, (code, i) => (code === NONE ? NaN : code + CATEGORY_SPREAD * (((i * 0.618034) % 1) - 0.5)));
}
