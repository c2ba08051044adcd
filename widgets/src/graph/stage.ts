/** The picture: a canvas, what the pointer does over it, and words beside nodes. */

import { fromHex } from "../core/colors";
import { make, visible } from "../run/dom";
import { moved, toPlace, zoomAbout } from "./camera";
import type { Explorer } from "./explorer";
import { Pace, edgeAlpha } from "./lod";
import { Dense } from "./dense";
import { Hints } from "./hints";
import { memo } from "../core/memo";
import { inside, pick } from "./pick";
import type { Frame } from "./renderer";
import { type Spot, byLargest, roomFor } from "./room";
import { Sheet } from "./sheet";
import { MOST_LINES, svgOf } from "./svg";
import { type Pair, selected } from "./state";

/** A press that moves less, in CSS pixels, is a click. */
const STILL = 4;
const REST_MS = 200;
/** Radians a pixel. */
const TURN = 0.008;
const MOST_LABELS = 30;
/** With names of all. */
const MOST_NAMES = 120;
const STRONG = 0.75;
/** The most edges that are drawn smoothly. */
const SMOOTH = 20_000;
/** The same each time: what is another object is drawn anew. */
const NONE = { flat: new Float32Array(0), roles: new Uint8Array(0) };

interface Press {
  readonly from: Pair;
  last: Pair;
  moved: boolean;
  readonly kind: "pan" | "turn" | "lasso";
  readonly more: boolean;
}

export class Stage {
  readonly element = make("div", "ndi-stage ndg-stage");
  lassoing = false;
  private readonly labels = make("div", "ndg-labels");
  private readonly line = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  private readonly trace = document.createElementNS("http://www.w3.org/2000/svg", "polygon");
  private readonly sheet: Sheet;
  private readonly pace = new Pace();
  private readonly dense: Dense;
  private readonly hints: Hints;
  private readonly largest = memo((sizes: Float32Array, degrees: Float64Array) => byLargest(degrees.map((one, row) => (sizes[row] ?? 0) * 1e6 + one)));
  private press: Press | null = null;
  private lasso: Pair[] = [];
  private movedAt = -Infinity;
  /** Whether edges were left out. */
  private bare = false;
  private frame: number | null = null;
  private rest: ReturnType<typeof setTimeout> | null = null;
  private readonly sized: ResizeObserver;

  constructor(private readonly explorer: Explorer) {
    const { length } = explorer.data.ends;
    // Where edges are many and faint, nobody sees their steps, and smoothing them costs several times as much.
    this.sheet = new Sheet(length > 0 && length / 2 <= SMOOTH);
    this.dense = new Dense(explorer);
    this.hints = new Hints(explorer);
    this.line.setAttribute("class", "ndg-lasso");
    this.line.append(this.trace);
    this.element.tabIndex = 0;
    this.element.setAttribute("role", "application");
    this.element.setAttribute("aria-label", "Graph. Arrow keys move, plus and minus zoom, question mark lists the keys.");
    this.element.append(this.canvas, this.hints.element, this.labels, this.line, this.dense.note);
    if (this.sheet.gl === null) this.element.append(make("div", "ndg-none", "This browser draws no WebGL2, which the picture needs."));
    this.listen();
    this.sized = new ResizeObserver(() => this.resize());
    this.sized.observe(this.element);
  }

  close(): void {
    this.sized.disconnect();
    this.dense.close();
    if (this.frame !== null) cancelAnimationFrame(this.frame);
    if (this.rest !== null) clearTimeout(this.rest);
    this.sheet.gl?.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }

  /** Draw soon, once for however many changes. */
  redraw(): void {
    this.frame ??= requestAnimationFrame((now) => this.draw(now));
  }

  get canvas(): HTMLCanvasElement {
    return this.sheet.canvas;
  }

  /** Draw all of it now; the pixels can be had until the page goes on. */
  print(nodes = true): void {
    // Before it stands on the page it has no size.
    if (this.explorer.size.width > 1) this.sheet.print(this.seen(nodes, 1), this.explorer.size);
  }

  private show(): void {
    const { explorer: { size }, sheet, pace } = this;
    if (size.width <= 1) return;
    const now = performance.now();
    const moving = now - this.movedAt < REST_MS;
    if (!moving) pace.rests();
    let frame = this.seen(true, 1);
    // To leave them out of a pan would take two frames more, and save none.
    this.bare = moving && !pace.edges && !sheet.moves(frame);
    if (this.bare) frame = this.seen(true, 0);
    if (moving && !sheet.has(frame, size)) pace.draws(now);
    sheet.show(frame, size);
  }

  /** What a frame shows, with so much of the edges. */
  private seen(nodes: boolean, share: number): Frame {
    const { explorer } = this;
    const strength = explorer.placed ? explorer.state.edges * share : 0;
    return {
      flat: explorer.placed ? explorer.flat : NONE.flat,
      ends: explorer.ends, chosen: explorer.chosen, look: explorer.edgeLook, density: explorer.sampled ? this.dense.density : null,
      colors: explorer.colors, sizes: explorer.sizes, roles: nodes ? explorer.roles : NONE.roles,
      camera: explorer.camera, alpha: this.alpha * strength, strong: STRONG * strength, faded: explorer.some ? 0.6 : 0,
      paper: fromHex(this.color("--ndg-paper")), ink: fromHex(this.color("--ndg-ink")),
    };
  }

  private color(name: string): string {
    return getComputedStyle(this.element).getPropertyValue(name).trim();
  }

  /** How opaque an edge is. */
  private get alpha(): number {
    const { explorer } = this;
    return edgeAlpha(explorer.ends.length / 2, explorer.meanLength, explorer.box, explorer.camera.scale);
  }

  /** What is drawn as SVG; edges as pixels where they are too many. */
  svg(): string {
    const { explorer } = this;
    const { state, data, camera, size, shown, flat, sizes, colors, ends } = explorer;
    const pixels = explorer.sampled || ends.length / 2 > MOST_LINES;
    if (pixels) this.print(false);
    const image = pixels ? this.canvas.toDataURL("image/png") : null;
    this.redraw();
    return svgOf({
      flat, ends, look: explorer.edgeLook, colors, sizes, shown, camera, size, image, alpha: this.alpha * state.edges,
      picked: state.selection.map((name) => data.rows.get(name) ?? -1),
      names: this.spots().map((spot) => ({ ...spot, text: explorer.nameOf(spot.row) })),
      paper: this.color("--ndg-paper"), ink: this.color("--ndg-ink"),
    });
  }

  /** The pixels as they are drawn, RGBA from the bottom row up. */
  pixels(): { readonly width: number; readonly height: number; readonly data: Uint8Array } {
    this.print();
    const { width, height } = this.canvas;
    const data = new Uint8Array(4 * width * height);
    const gl = this.sheet.gl?.gl;
    gl?.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, data);
    return { width, height, data };
  }

  /** Zoom about the middle, or move, as keys do. */
  zoom(factor: number, at: Pair = [this.explorer.size.width / 2, this.explorer.size.height / 2]): void {
    this.moving();
    this.explorer.update(zoomAbout(this.explorer.camera, this.explorer.size, at, factor));
  }

  move(dx: number, dy: number): void {
    this.moving();
    this.explorer.update(moved(this.explorer.camera, dx, dy));
  }

  // --- drawing -----------------------------------------------------------------------------------------------------

  private draw(now: number): void {
    this.frame = null;
    this.pace.begins(now);
    this.show();
    this.drawLabels();
    const left = this.movedAt + REST_MS - performance.now();
    // The next frame tells how long this one took.
    if (this.pace.measuring) this.redraw();
    // What was left out while it moved comes back when it rests.
    if (!this.bare) return;
    if (this.rest !== null) clearTimeout(this.rest);
    this.rest = setTimeout(() => this.redraw(), Math.max(0, left) + 1);
  }

  /** Where names stand: those of the selection in any case, and of others where there is room. */
  private spots(): Spot[] {
    const { explorer } = this;
    const { state, data, flat, sizes, shown, camera, size } = explorer;
    if (!explorer.placed) return [];
    const picked = state.selection.slice(0, MOST_LABELS).map((name) => data.rows.get(name) ?? -1);
    const others = state.named === "all" ? this.largest(sizes, explorer.derived.degrees) : [];
    return roomFor(picked, others, MOST_NAMES, { flat, sizes, shown, camera, size, name: (row) => explorer.nameOf(row) });
  }

  private drawLabels(): void {
    const { explorer } = this;
    this.hints.draw();
    const picked = new Set(explorer.state.selection);
    this.labels.replaceChildren(
      ...this.spots().map(({ row, x, y }) => {
        const label = make("span", picked.has(explorer.data.names[row] ?? "") ? "ndg-label ndg-label-picked" : "ndg-label", explorer.nameOf(row));
        label.style.transform = `translate(${x}px, ${y}px)`;
        return label;
      }),
    );
  }

  private resize(): void {
    const { clientWidth: width, clientHeight: height } = this.element;
    if (width < 1 || height < 1) return;
    this.explorer.size = { width, height };
    // Only on the page can it be told whether that is dark.
    this.explorer.tell();
    // At once, or it would have the old size for a frame; and once.
    if (this.frame !== null) cancelAnimationFrame(this.frame);
    this.frame = null;
    this.show();
    this.drawLabels();
  }

  // --- the pointer -------------------------------------------------------------------------------------------------

  private listen(): void {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.drag(event));
    canvas.addEventListener("pointerup", (event) => this.up(event));
    canvas.addEventListener("dblclick", (event) => {
      const row = this.node(this.at(event));
      if (row !== null) this.explorer.fly(row);
    });
    canvas.addEventListener("pointercancel", () => this.stop());
    canvas.addEventListener("pointerleave", () => this.explorer.hover(null));
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    // Else the browser does not give it back.
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => {
      this.sheet.restore();
      this.redraw();
    });
  }

  private at(event: MouseEvent): Pair {
    const box = this.element.getBoundingClientRect();
    // A page that is zoomed by a transform has other pixels.
    const zoom = box.width / Math.max(1, this.explorer.size.width) || 1;
    return [(event.clientX - box.left) / zoom, (event.clientY - box.top) / zoom];
  }

  private node(at: Pair): number | null {
    const { flat, sizes, shown, camera, size, placed } = this.explorer;
    return placed ? pick(flat, sizes, shown, camera, size, at) : null;
  }

  private down(event: PointerEvent): void {
    if (event.button !== 0) return;
    this.element.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    const at = this.at(event);
    const kind = event.altKey ? "turn" : this.lassoing || event.shiftKey ? "lasso" : "pan";
    this.press = { from: at, last: at, moved: false, kind, more: event.shiftKey };
    this.lasso = [at];
  }

  private drag(event: PointerEvent): void {
    const at = this.at(event);
    const { press } = this;
    if (press === null) return this.explorer.hover(this.node(at));
    press.moved ||= Math.hypot(at[0] - press.from[0], at[1] - press.from[1]) > STILL;
    if (!press.moved) return;
    const [dx, dy] = [at[0] - press.last[0], at[1] - press.last[1]];
    press.last = at;
    if (press.kind === "pan") this.move(dx, dy);
    else if (press.kind === "turn") this.turn(dx, dy);
    else this.draws(at);
  }

  private turn(dx: number, dy: number): void {
    this.moving();
    const [yaw, pitch] = this.explorer.state.turn;
    this.explorer.update({ turn: [yaw + dx * TURN, pitch - dy * TURN] });
  }

  private draws(at: Pair): void {
    this.lasso.push(at);
    this.trace.setAttribute("points", this.lasso.map(([x, y]) => `${x},${y}`).join(" "));
  }

  private up(event: PointerEvent): void {
    const { press, lasso, explorer } = this;
    const at = this.at(event);
    this.stop();
    if (press === null) return;
    const { selection } = explorer.state;
    if (press.moved) {
      if (press.kind !== "lasso") return;
      const line = lasso.map((pixel) => toPlace(explorer.camera, explorer.size, pixel));
      const names = inside(explorer.flat, explorer.shown, line).map((row) => explorer.data.names[row] ?? "");
      return explorer.update({ selection: press.more ? [...new Set([...selection, ...names])] : names });
    }
    const row = this.node(at);
    if (row !== null) explorer.update({ selection: selected(selection, [explorer.data.names[row] ?? ""], press.more) });
    else if (!press.more) explorer.update({ selection: [] });
  }

  private stop(): void {
    this.press = null;
    this.lasso = [];
    this.trace.removeAttribute("points");
  }

  private wheel(event: WheelEvent): void {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 20 : 1;
    this.zoom(Math.exp(-Math.max(-120, Math.min(120, event.deltaY * lines)) * 0.002), this.at(event));
  }

  private moving(): void {
    this.movedAt = performance.now();
  }

  /** Say with the cursor what a press would do. */
  refresh(): void {
    this.element.dataset["tool"] = this.lassoing ? "line" : this.explorer.hovered === null ? "pan" : "pick";
    visible(this.labels, this.explorer.placed);
    if (this.element.hidden) return;
    this.dense.refresh();
    this.redraw();
  }
}
