/** Points in two columns: a canvas between axes, what the pointer does over it, and what colours mean. */

import { type Rgb, fromHex } from "../core/colors";
import { Gl } from "../core/gl";
import { count as said } from "../core/words";
import { mapColor } from "../graph/look";
import { inside } from "../graph/pick";
import { make, say, visible } from "../run/dom";
import { type Pair, type Size, moved, ticks, toPixel, toUnits, whole, zoomed } from "./axes";
import { Cloud } from "./cloud";
import { numberAt, textAt } from "./data";
import type { Explorer } from "./explorer";
import { nearest } from "./hit";
import { rowsOf } from "./order";
import { chosen } from "./picked";
import type { View } from "./state";

/** A press that moves less, in CSS pixels, is a click. */
const STILL = 4;
const REST_MS = 200;
/** The longest frame that still looks like a motion [ms]. */
const SLOW_MS = 33;
/** Points that any page draws while they move. */
const FEWEST = 20_000;
const MOST_FACTS = 12;

interface Press {
  readonly from: Pair;
  last: Pair;
  moved: boolean;
  readonly kind: "pan" | "lasso";
  readonly more: boolean;
}

interface Placed {
  /** 0 to 1 over the whole. */
  readonly places: Float32Array;
  /** What the whole is, in units of the columns. */
  readonly x: Pair;
  readonly y: Pair;
}

export class Stage {
  readonly element = make("div", "ndt-stage");
  readonly canvas = make("canvas", "ndt-canvas");
  lassoing = false;
  private readonly area = make("div", "ndt-area");
  private readonly across = make("div", "ndt-across");
  private readonly up = make("div", "ndt-up");
  private readonly legend = make("div", "ndt-legend");
  private readonly card = make("dl", "ndi-facts ndg-card ndt-card");
  private readonly note = make("div", "ndt-note");
  private readonly line = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  private readonly trace = document.createElementNS("http://www.w3.org/2000/svg", "polygon");
  private gl: Gl | null;
  private cloud: Cloud | null;
  private size: Size = { width: 1, height: 1 };
  private press: Press | null = null;
  private lasso: Pair[] = [];
  private movedAt = -Infinity;
  private drawnAt: number | null = null;
  private most = Infinity;
  private frame: number | null = null;
  private legendOf: unknown = null;
  private readonly sized: ResizeObserver;

  constructor(private readonly explorer: Explorer) {
    this.gl = Gl.of(this.canvas);
    this.cloud = this.gl === null ? null : new Cloud(this.gl);
    this.line.setAttribute("class", "ndg-lasso");
    this.line.append(this.trace);
    this.area.tabIndex = 0;
    this.area.setAttribute("role", "application");
    this.area.setAttribute("aria-label", "Points. Drag moves, the wheel zooms, Shift and drag selects, r shows all of it.");
    this.area.append(this.canvas, this.line, this.legend, this.card, this.note);
    this.element.append(this.up, this.area, this.across);
    if (this.gl === null) this.area.append(make("div", "ndg-none", "This browser draws no WebGL2, which points need."));
    this.listen();
    this.sized = new ResizeObserver(() => this.resize());
    this.sized.observe(this.area);
  }

  close(): void {
    this.sized.disconnect();
    if (this.frame !== null) cancelAnimationFrame(this.frame);
    this.gl?.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }

  // --- what follows from the state -----------------------------------------------------------------------------------

  private get names(): Pair2 {
    const { x, y } = this.explorer.state.points;
    return [String(x), String(y)];
  }

  /** Where rows stand; null as long as the columns are on their way. */
  get placed(): Placed | null {
    const { explorer } = this;
    const [x, y] = this.names.map((name) => explorer.column(name));
    if (x == null || y == null) return null;
    return explorer.memo("places", [x, y], () => {
      const places = new Float32Array(2 * explorer.count);
      const ends = [x, y].map((column, k) => {
        let [low, high] = [Infinity, -Infinity];
        for (let i = 0; i < explorer.count; i++) {
          const value = numberAt(column, i);
          if (value < low) low = value;
          if (value > high && value !== Infinity) high = value;
        }
        if (!(high >= low)) [low, high] = [0, 1];
        const span = high - low || 1;
        for (let i = 0; i < explorer.count; i++) places[2 * i + k] = (numberAt(column, i) - low) / span;
        return [low, low + span] as const;
      });
      return { places, x: ends[0] ?? [0, 1], y: ends[1] ?? [0, 1] };
    });
  }

  private get all(): View {
    const { placed } = this;
    return placed === null ? [0, 1, 0, 1] : whole(placed.x, placed.y);
  }

  get view(): View {
    return this.explorer.state.view ?? this.all;
  }

  /** The view from 0 to 1 over the whole. */
  private get unit(): View {
    const { placed, view } = this;
    if (placed === null) return [0, 1, 0, 1];
    const at = (value: number, [low, high]: Pair): number => (value - low) / (high - low);
    return [at(view[0], placed.x), at(view[1], placed.x), at(view[2], placed.y), at(view[3], placed.y)];
  }

  get diameter(): number {
    const { count, state } = this.explorer;
    const usual = count > 200_000 ? 2 : count > 20_000 ? 3 : count > 2_000 ? 5 : 8;
    return usual * Number(state.points["grow"] ?? 1);
  }

  private get roles(): Uint8Array {
    const { passing, mask, hovered, pointed } = this.explorer;
    const still = this.explorer.memo("still", [passing, mask], () => {
      const found = new Uint8Array(passing.length);
      for (let i = 0; i < found.length; i++) found[i] = passing[i] ? (mask[i] ? 2 : 1) : 0;
      return found;
    });
    return this.explorer.memo("roles", [still, hovered, pointed], () => {
      const found = still.slice();
      for (const row of hovered === null ? pointed : [hovered, ...pointed]) if (passing[row]) found[row] = 3;
      return found;
    });
  }

  // --- drawing -----------------------------------------------------------------------------------------------------

  redraw(): void {
    this.frame ??= requestAnimationFrame((now) => this.draw(now));
  }

  private draw(now: number): void {
    this.frame = null;
    const moving = now - this.movedAt < REST_MS;
    if (!moving) [this.most, this.drawnAt] = [Infinity, null];
    else {
      const took = this.drawnAt === null ? 0 : now - this.drawnAt;
      const points = Math.min(this.most, this.explorer.count);
      if (took > SLOW_MS && took < REST_MS * 4) this.most = Math.max(FEWEST, points * 0.6);
      this.drawnAt = now;
    }
    this.drawNow();
    if (moving) this.redraw();
  }

  /** Draw now; the pixels can be had until the page goes on. */
  drawNow(): void {
    const { explorer, placed } = this;
    if (this.cloud === null || this.size.width <= 1) return;
    const style = getComputedStyle(this.element);
    const color = (name: string): Rgb => fromHex(style.getPropertyValue(name).trim());
    const some = explorer.selectedCount > 0;
    this.cloud.draw(
      {
        places: placed?.places ?? new Float32Array(2 * explorer.count).fill(NaN), colors: explorer.look.bytes, roles: this.roles,
        view: this.unit, diameter: this.diameter, alpha: Number(explorer.state.points["alpha"] ?? 1), faded: some ? 0.25 : 1,
        paper: color("--ndg-paper"), ink: color("--ndg-ink"), most: this.most,
      },
      this.canvas.width / Math.max(1, this.size.width),
    );
    this.drawAxes();
    const part = Math.min(1, this.most / Math.max(1, explorer.count));
    say(this.note, placed === null ? "waiting for the kernel …" : part < 1 ? `${Math.round(100 * part)} % of the points while it moves` : "");
    visible(this.note, this.note.textContent !== "");
  }

  /** The pixels as they are drawn, RGBA from the bottom row up. */
  pixels(): { readonly width: number; readonly height: number; readonly data: Uint8Array } {
    this.most = Infinity;
    this.drawNow();
    const { width, height } = this.canvas;
    const data = new Uint8Array(4 * width * height);
    this.gl?.gl.readPixels(0, 0, width, height, this.gl.gl.RGBA, this.gl.gl.UNSIGNED_BYTE, data);
    return { width, height, data };
  }

  private drawAxes(): void {
    const { view, size } = this;
    const mark = (name: string, text: string, along: string, at: number): HTMLElement => {
      const found = make("span", name, text);
      found.style[along as "left"] = `${at}px`;
      return found;
    };
    const [x, y] = this.names.map((name) => {
      const unit = this.explorer.factsOf(name)?.unit;
      return unit ? `${name} [${unit}]` : name;
    });
    const xs = ticks(view[0], view[1], size.width / 90).map(([value, text]) => mark("ndt-tick", text, "left", toPixel(view, size, [value, 0])[0]));
    const ys = ticks(view[2], view[3], size.height / 55).map(([value, text]) => mark("ndt-tick", text, "top", toPixel(view, size, [0, value])[1]));
    this.across.replaceChildren(...xs, make("span", "ndt-axis", x ?? ""));
    this.up.replaceChildren(...ys, make("span", "ndt-axis", y ?? ""));
  }

  private resize(): void {
    const { clientWidth: width, clientHeight: height } = this.area;
    if (width < 1 || height < 1) return;
    const ratio = globalThis.devicePixelRatio || 1;
    [this.canvas.width, this.canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    this.size = { width, height };
    this.drawNow();
  }

  // --- the pointer -------------------------------------------------------------------------------------------------

  private listen(): void {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.drag(event));
    canvas.addEventListener("pointerup", (event) => this.release(event));
    canvas.addEventListener("pointercancel", () => this.stop());
    canvas.addEventListener("pointerleave", () => this.explorer.hover(null));
    canvas.addEventListener("dblclick", (event) => {
      const row = this.rowAt(this.at(event));
      if (row !== null) this.explorer.fly(row);
    });
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => {
      if (this.gl === null) return;
      this.gl = new Gl(this.gl.gl);
      this.cloud = new Cloud(this.gl);
      this.redraw();
    });
  }

  private at(event: MouseEvent): Pair {
    const box = this.canvas.getBoundingClientRect();
    const zoom = box.width / Math.max(1, this.size.width) || 1;
    return [(event.clientX - box.left) / zoom, (event.clientY - box.top) / zoom];
  }

  private rowAt(at: Pair): number | null {
    const { placed } = this;
    return placed === null ? null : nearest(placed.places, this.explorer.passing, this.unit, this.size, at, this.diameter);
  }

  private down(event: PointerEvent): void {
    if (event.button !== 0) return;
    this.area.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    const at = this.at(event);
    this.press = { from: at, last: at, moved: false, kind: this.lassoing || event.shiftKey ? "lasso" : "pan", more: event.ctrlKey || event.metaKey };
    this.lasso = [at];
  }

  private drag(event: PointerEvent): void {
    const at = this.at(event);
    const { press } = this;
    if (press === null) return this.explorer.hover(this.rowAt(at));
    press.moved ||= Math.hypot(at[0] - press.from[0], at[1] - press.from[1]) > STILL;
    if (!press.moved) return;
    const [dx, dy] = [at[0] - press.last[0], at[1] - press.last[1]];
    press.last = at;
    if (press.kind === "pan") return this.pan(dx, dy);
    this.lasso.push(at);
    this.trace.setAttribute("points", this.lasso.map(([x, y]) => `${x},${y}`).join(" "));
  }

  private release(event: PointerEvent): void {
    const { press, lasso, explorer, placed } = this;
    const at = this.at(event);
    this.stop();
    if (press === null || placed === null) return;
    const more = press.more || event.ctrlKey || event.metaKey;
    if (press.moved) {
      if (press.kind !== "lasso") return;
      const line = lasso.map((pixel) => toUnits(this.unit, this.size, pixel));
      const rows = inside(placed.places, explorer.passing, line);
      const mask = more ? explorer.mask.slice() : new Uint8Array(explorer.count);
      for (const row of rows) mask[row] = 1;
      return explorer.select(mask);
    }
    const row = this.rowAt(at);
    if (row !== null) explorer.select(chosen(explorer.mask, [row], more || event.shiftKey));
    else if (!more) explorer.select(new Uint8Array(explorer.count));
  }

  private stop(): void {
    this.press = null;
    this.lasso = [];
    this.trace.removeAttribute("points");
  }

  pan(dx: number, dy: number): void {
    this.movedAt = performance.now();
    this.explorer.update({ view: moved(this.view, this.size, dx, dy) });
  }

  zoom(factor: number, at: Pair = [this.size.width / 2, this.size.height / 2], axis: "x" | "y" | null = null): void {
    this.movedAt = performance.now();
    this.explorer.update({ view: zoomed(this.view, this.all, this.size, at, factor, axis) });
  }

  private wheel(event: WheelEvent): void {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 20 : 1;
    const factor = Math.exp(-Math.max(-120, Math.min(120, (event.deltaY || event.deltaX) * lines)) * 0.002);
    this.zoom(factor, this.at(event), event.shiftKey ? "x" : event.altKey ? "y" : null);
  }

  // --- words -------------------------------------------------------------------------------------------------------

  refresh(): void {
    this.element.dataset["tool"] = this.lassoing ? "line" : this.explorer.hovered === null ? "pan" : "pick";
    this.tellLegend();
    this.tellHovered();
    this.redraw();
  }

  private tellLegend(): void {
    const { explorer } = this;
    const { legend, classes } = explorer.look;
    if (this.legendOf === legend) return;
    this.legendOf = legend;
    visible(this.legend, legend.kind !== "none");
    if (legend.kind === "none") return;
    const title = make("div", "ndi-of", explorer.state.classes);
    if (legend.kind === "number") {
      const bar = make("div", "ndg-bar");
      const stops = Array.from({ length: 8 }, (_, i) => `rgb(${mapColor(i / 7).join(" ")})`);
      bar.style.background = `linear-gradient(to right, ${stops.join(", ")})`;
      const ends = make("div", "ndg-ends", make("span", "", legend.low), make("span", "", legend.high));
      return this.legend.replaceChildren(title, bar, ends);
    }
    const entries = legend.entries.map(({ name, color, count, code }) => {
      const sign = make("span", "ndi-sign ndi-sign-points");
      sign.style.setProperty("--ndi-color", `rgb(${color.join(" ")})`);
      const entry = make("button", "ndg-entry ndt-entry", sign, make("span", "ndg-text", name), make("span", "ndi-of", said(count)));
      entry.type = "button";
      entry.title = `Select these ${said(count)} rows`;
      entry.addEventListener("click", (event) => {
        const { passing } = explorer;
        const rows = rowsOf((classes ?? new Uint8Array(0)).map((one, i) => (one === code && passing[i] ? 1 : 0)));
        explorer.select(chosen(explorer.mask, rows, event.shiftKey || event.ctrlKey || event.metaKey));
      });
      return entry;
    });
    return this.legend.replaceChildren(title, ...entries);
  }

  /** What is known of the row under the pointer. */
  private tellHovered(): void {
    const { explorer } = this;
    const row = explorer.hovered;
    visible(this.card, row !== null);
    if (row === null) return;
    const names = [...new Set([...this.names, explorer.state.classes, ...explorer.state.features])].filter((name) => name !== "").slice(0, MOST_FACTS);
    const lines = names.flatMap((name) => {
      const column = explorer.column(name);
      const text = column === null ? "" : textAt(column, row);
      const unit = explorer.factsOf(name)?.unit;
      return text === "" ? [] : [make("dt", "", name), make("dd", "", unit ? `${text} ${unit}` : text)];
    });
    this.card.replaceChildren(make("dt", "ndi-picked", `${explorer.idName} ${explorer.ids.text(row)}`), ...lines);
  }
}

type Pair2 = readonly [string, string];
