/** The histogram of an image layer, with a handle for what is black and one for what is white. */

import { make } from "../run/dom";
import { type Bins, heights, moved, spanOf, stepOf, valueText } from "./bins";
import type { Window } from "./state";

const WIDTH = 240;
const HEIGHT = 56;
const SVG = "http://www.w3.org/2000/svg";

export interface Shown {
  readonly window: Window;
  readonly gamma: number;
  readonly invert: boolean;
  readonly dtype: string;
}

export class Histogram {
  readonly element = make("div", "ndi-histogram");
  private readonly plot = document.createElementNS(SVG, "svg");
  private readonly bars = document.createElementNS(SVG, "path");
  private readonly inside = document.createElementNS(SVG, "path");
  private readonly curve = document.createElementNS(SVG, "path");
  private readonly handles: readonly [HTMLElement, HTMLElement];
  private bins: Bins | null = null;
  private shown: Shown = { window: [0, 255], gamma: 1, invert: false, dtype: "uint8" };
  /** While a handle is held, the axis stands still. */
  private fixed: Window | null = null;
  private drawn = "";

  constructor(private readonly change: (window: Window) => void) {
    this.plot.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    this.plot.setAttribute("preserveAspectRatio", "none");
    this.plot.setAttribute("aria-hidden", "true");
    this.bars.setAttribute("class", "ndi-bars");
    this.inside.setAttribute("class", "ndi-inside");
    this.curve.setAttribute("class", "ndi-curve");
    this.plot.append(this.bars, this.inside, this.curve);
    this.handles = [this.handle(0, "Black"), this.handle(1, "White")];
    this.element.append(this.plot, ...this.handles);
  }

  /** Show other counts. */
  count(bins: Bins | null): void {
    this.bins = bins;
    this.draw();
  }

  /** Show another window. */
  show(shown: Shown): void {
    this.shown = shown;
    this.draw();
  }

  private get span(): Window {
    return this.fixed ?? spanOf(this.bins, this.shown.window);
  }

  private handle(end: 0 | 1, name: string): HTMLElement {
    const handle = make("div", `ndi-handle ndi-handle-${end}`, make("span", "ndi-handle-value"));
    handle.tabIndex = 0;
    handle.setAttribute("role", "slider");
    handle.setAttribute("aria-label", name);
    handle.addEventListener("keydown", (event) => this.key(event, end));
    handle.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      handle.setPointerCapture(event.pointerId);
      this.fixed = this.span;
      handle.focus();
      event.preventDefault();
    });
    handle.addEventListener("pointermove", (event) => {
      if (handle.hasPointerCapture(event.pointerId)) this.drag(event.clientX, end);
    });
    handle.addEventListener("lostpointercapture", () => {
      this.fixed = null;
      this.draw();
    });
    return handle;
  }

  private drag(clientX: number, end: 0 | 1): void {
    const { x, width } = this.plot.getBoundingClientRect();
    const [low, high] = this.span;
    this.move(end, low + ((high - low) * Math.min(1, Math.max(0, (clientX - x) / width))));
  }

  private key(event: KeyboardEvent, end: 0 | 1): void {
    const step = stepOf(this.span, this.shown.dtype) * (event.shiftKey ? 10 : 1);
    const now = this.shown.window[end];
    const to: Readonly<Record<string, number>> = {
      ArrowLeft: now - step, ArrowDown: now - step, ArrowRight: now + step, ArrowUp: now + step,
      PageDown: now - 10 * step, PageUp: now + 10 * step, Home: this.span[0], End: this.span[1],
    }; // prettier-ignore
    const value = to[event.key];
    if (value === undefined) return;
    event.preventDefault();
    this.move(end, value);
  }

  private move(end: 0 | 1, to: number): void {
    const whole = !this.shown.dtype.startsWith("float");
    const least = whole ? 1 : (this.span[1] - this.span[0]) / 1000;
    this.change(moved(this.shown.window, end, whole ? Math.round(to) : to, least));
  }

  private draw(): void {
    const { window, gamma, invert } = this.shown;
    const [low, high] = this.span;
    const across = (value: number): number => (value - low) / (high - low);
    this.handles.forEach((handle, end) => {
      const value = window[end] ?? 0;
      handle.style.left = `${100 * Math.min(1, Math.max(0, across(value)))}%`;
      handle.setAttribute("aria-valuemin", valueText(low));
      handle.setAttribute("aria-valuemax", valueText(high));
      handle.setAttribute("aria-valuenow", valueText(value));
      const text = handle.firstElementChild;
      if (text !== null && text.textContent !== valueText(value)) text.textContent = valueText(value);
    });
    const key = JSON.stringify([window, gamma, invert, low, high, this.bins?.counts.length, this.bins?.counts[0], this.bins?.edges[0]]);
    if (key === this.drawn) return;
    this.drawn = key;
    const bars = this.bins === null ? "" : barsOf(this.bins, across);
    this.bars.setAttribute("d", bars);
    this.inside.setAttribute("d", bars);
    this.inside.style.clipPath = `inset(0 ${100 - 100 * across(window[1])}% 0 ${100 * across(window[0])}%)`;
    this.curve.setAttribute("d", curveOf(across(window[0]), across(window[1]), gamma, invert));
  }
}

function barsOf(bins: Bins, across: (value: number) => number): string {
  const top = heights(bins);
  const steps = top.map((height, i) => {
    const [from, to] = [bins.edges[i] ?? 0, bins.edges[i + 1] ?? 0].map((value) => (WIDTH * across(value)).toFixed(1));
    return `L${from} ${(HEIGHT * (1 - 0.94 * height)).toFixed(1)}H${to}`;
  });
  const [first, last] = [bins.edges[0] ?? 0, bins.edges.at(-1) ?? 1].map((value) => (WIDTH * across(value)).toFixed(1));
  return `M${first} ${HEIGHT}${steps.join("")}L${last} ${HEIGHT}Z`;
}

/** How bright each value is shown. */
function curveOf(from: number, to: number, gamma: number, invert: boolean): string {
  const points = Array.from({ length: 33 }, (_, i) => {
    const bright = invert ? 1 - (i / 32) ** gamma : (i / 32) ** gamma;
    return `${(WIDTH * (from + ((to - from) * i) / 32)).toFixed(1)} ${(HEIGHT * (1 - bright)).toFixed(1)}`;
  });
  const [dark, light] = invert ? [0, HEIGHT] : [HEIGHT, 0];
  return `M0 ${dark}L${points.join("L")}L${WIDTH} ${light}`;
}
