/** The adjacency matrix, ordered by groups: a cell for each pair of nodes, or a density where there are many. */

import { type Rgb, fromHex } from "../core/colors";
import { counted } from "../core/words";
import { make, say, visible } from "../run/dom";
import { NONE } from "./data";
import { type Order, raster, shade } from "./blocks";
import { cellAt, closer, seen, slid } from "./cells";
import { css, groupColor } from "./derived";
import { OTHER } from "./look";
import type { Explorer } from "./explorer";
import { memo } from "../core/memo";
import { rowAt } from "./tree";
import { type Cells, type Pair, selected } from "./state";

const STRIP = 7;
const GAP = 3;
const NAMES = 96;
const MARK = 5;
/** How wide the tree is. */
const TREE = 72;
const STILL = 4;
/** Groups lower than this, in CSS pixels, have no name and no line. */
const LOW = 12;

interface Press {
  readonly from: Pair;
  last: Pair;
  moved: boolean;
  readonly selects: boolean;
  readonly more: boolean;
}

/** Where the square of cells lies in the picture, in CSS pixels. */
interface Square {
  readonly x: number;
  readonly y: number;
  readonly side: number;
}

export class Matrix {
  readonly element = make("div", "ndi-stage ndg-matrix");
  readonly canvas = make("canvas", "ndg-canvas");
  /** Whether a drag draws a box. */
  boxing = false;
  private readonly told = make("div", "ndg-told");
  private readonly cells = document.createElement("canvas");
  private press: Press | null = null;
  private box: readonly [Pair, Pair] | null = null;
  private frame: number | null = null;
  private size = { width: 1, height: 1 };
  private readonly sized: ResizeObserver;
  private readonly counts = memo((ends: Uint32Array, order: Order, directed: boolean, top: number, left: number, many: number, side: number) =>
    raster(ends, order.rows, directed, [top, left, many], side));
  private readonly drawn = memo((counts: Float32Array, side: number, ink: string) => this.paint(counts, side, ink));

  constructor(private readonly explorer: Explorer) {
    this.element.tabIndex = 0;
    this.element.setAttribute("role", "application");
    this.element.setAttribute("aria-label", "Adjacency matrix, ordered by groups. Plus and minus zoom, Shift and drag selects.");
    this.element.append(this.canvas, this.told);
    this.listen();
    this.sized = new ResizeObserver(() => this.resize());
    this.sized.observe(this.element);
  }

  close(): void {
    this.sized.disconnect();
    if (this.frame !== null) cancelAnimationFrame(this.frame);
  }

  refresh(): void {
    this.element.dataset["tool"] = this.boxing ? "line" : "pick";
    if (!this.element.hidden) this.frame ??= requestAnimationFrame(() => this.draw());
  }

  zoom(factor: number, at: Pair = [0.5, 0.5]): void {
    const { state, data } = this.explorer;
    this.explorer.update({ cells: closer(state.cells, data.names.length, at, factor) });
  }

  move(dx: number, dy: number): void {
    const { state, data } = this.explorer;
    const { side } = this.square;
    this.explorer.update({ cells: slid(state.cells, data.names.length, dx / side, dy / side) });
  }

  get seen(): Cells {
    return seen(this.explorer.state.cells, this.explorer.data.names.length);
  }

  /** Of the tree, if there is one. */
  private get room(): number {
    return this.explorer.derived.tree === null ? 0 : TREE + GAP;
  }

  get square(): Square {
    const { width, height } = this.size;
    const side = Math.max(1, Math.min(width - NAMES - 2 * STRIP - 24 - this.room, height - 2 * STRIP - 32));
    return { x: Math.max(NAMES + STRIP, (width - side - this.room) / 2), y: STRIP + GAP + 10, side };
  }

  // --- drawing -----------------------------------------------------------------------------------------------------

  draw(): void {
    this.frame = null;
    const { explorer, canvas } = this;
    const context = canvas.getContext("2d");
    const count = explorer.data.names.length;
    if (context === null || count === 0) return;
    const style = getComputedStyle(this.element);
    const color = (name: string): string => style.getPropertyValue(name).trim();
    const ratio = canvas.width / Math.max(1, this.size.width);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, this.size.width, this.size.height);
    const { derived } = explorer;
    const { order } = derived;
    const { x, y, side } = this.square;
    const [top, left, many] = this.seen;
    const pixels = Math.max(1, Math.min(Math.ceil(many), Math.round(side * ratio)));
    const counts = this.counts(explorer.ends, order, explorer.directed, top, left, many, pixels);
    this.drawn(counts, pixels, color("--ndg-ink"));
    context.imageSmoothingEnabled = pixels > side * ratio * 0.75;
    context.drawImage(this.cells, x, y, side, side);
    this.drawGroups(context, style);
    this.drawTree(context, color("--ndi-soft"));
    this.drawPicked(context, color("--ndi-accent"));
    context.strokeStyle = color("--ndi-line");
    context.lineWidth = 1;
    context.strokeRect(x - 0.5, y - 0.5, side + 1, side + 1);
    if (this.box !== null) this.drawBox(context, color("--ndi-accent"));
  }

  private paint(counts: Float32Array, side: number, ink: string): true {
    const [r, g, b] = fromHex(ink).map((one) => Math.round(255 * one)) as unknown as Rgb;
    [this.cells.width, this.cells.height] = [side, side];
    const image = new ImageData(side, side);
    const there = counts.filter((one) => one > 0).sort();
    const most = there[Math.floor(0.995 * (there.length - 1))] ?? 1;
    for (let i = 0; i < counts.length; i++) image.data.set([r, g, b, Math.round(255 * shade(counts[i] ?? 0, most))], 4 * i);
    this.cells.getContext("2d")?.putImageData(image, 0, 0);
    return true;
  }

  private drawGroups(context: CanvasRenderingContext2D, style: CSSStyleDeclaration): void {
    const { groups, order } = this.explorer.derived;
    if (groups === null) return;
    const { x, y, side } = this.square;
    const [top, left, many] = this.seen;
    const scale = side / many;
    const soft = style.getPropertyValue("--ndi-soft").trim();
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "middle";
    const clip = (at: number): number => Math.min(Math.max(at, 0), side);
    order.codes.forEach((code, place) => {
      const name = groups.names[code] ?? "";
      const [first, last] = [order.begins[place] ?? 0, order.begins[place + 1] ?? 0];
      const [y0, y1] = [clip((first - top) * scale), clip((last - top) * scale)];
      const [x0, x1] = [clip((first - left) * scale), clip((last - left) * scale)];
      context.fillStyle = css(groupColor(code));
      if (y1 > y0) context.fillRect(x - GAP - STRIP, y + y0, STRIP, Math.max(0.5, y1 - y0 - (y1 - y0 > LOW ? 1 : 0)));
      if (x1 > x0) context.fillRect(x + x0, y - GAP - STRIP, Math.max(0.5, x1 - x0 - (x1 - x0 > LOW ? 1 : 0)), STRIP);
      if (y1 - y0 < LOW) return;
      context.fillStyle = soft;
      context.textAlign = "right";
      context.fillText(clipped(context, name, NAMES - 12), x - GAP - STRIP - 5, y + (y0 + y1) / 2);
      context.fillStyle = css(OTHER, 0.35);
      if (y1 < side && (last - first) * scale >= LOW) {
        context.fillRect(x, y + y1 - 0.5, side, 1);
        if (x1 > 0 && x1 < side) context.fillRect(x + x1 - 0.5, y, 1, side);
      }
    });
  }

  /** The tree of groups, its leaves at their middles; what lies beyond what is seen is cut off. */
  private drawTree(context: CanvasRenderingContext2D, soft: string): void {
    const { tree, order } = this.explorer.derived;
    if (tree === null) return;
    const { x, y, side } = this.square;
    const [top, , many] = this.seen;
    const left = x + side + 2 * GAP + MARK;
    context.save();
    context.beginPath();
    context.rect(left, y, TREE + 1, side);
    context.clip();
    context.strokeStyle = soft;
    context.lineWidth = 1;
    context.beginPath();
    for (const bracket of tree.brackets) {
      bracket.forEach(([place, height], corner) => {
        const at = [left + TREE * height, y + ((rowAt(order, place) - top) * side) / many] as const;
        if (corner === 0) context.moveTo(...at);
        else context.lineTo(...at);
      });
    }
    context.stroke();
    context.restore();
  }

  private drawPicked(context: CanvasRenderingContext2D, accent: string): void {
    const { state, data, derived } = this.explorer;
    const { x, y, side } = this.square;
    const [top, left, many] = this.seen;
    const thick = Math.max(1, side / many);
    for (const name of state.selection) {
      const row = derived.order.rows[data.rows.get(name) ?? -1];
      if (row === undefined) continue;
      const [down, across] = [(row - top) * (side / many), (row - left) * (side / many)];
      context.fillStyle = accent;
      if (down >= 0 && down < side) context.fillRect(x + side + GAP, y + down, MARK, thick);
      if (across >= 0 && across < side) context.fillRect(x + across, y + side + GAP, thick, MARK);
      if (state.selection.length > 60) continue;
      context.globalAlpha = 0.18;
      if (down >= 0 && down < side) context.fillRect(x, y + down, side, thick);
      if (across >= 0 && across < side) context.fillRect(x + across, y, thick, side);
      context.globalAlpha = 1;
    }
  }

  private drawBox(context: CanvasRenderingContext2D, accent: string): void {
    const [[ax, ay], [bx, by]] = this.box ?? [[0, 0], [0, 0]];
    context.strokeStyle = context.fillStyle = accent;
    context.setLineDash([5, 4]);
    context.strokeRect(Math.min(ax, bx), Math.min(ay, by), Math.abs(bx - ax), Math.abs(by - ay));
    context.setLineDash([]);
    context.globalAlpha = 0.12;
    context.fillRect(Math.min(ax, bx), Math.min(ay, by), Math.abs(bx - ax), Math.abs(by - ay));
    context.globalAlpha = 1;
  }

  private resize(): void {
    const { clientWidth: width, clientHeight: height } = this.element;
    if (width < 1 || height < 1) return;
    const ratio = globalThis.devicePixelRatio || 1;
    [this.canvas.width, this.canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    this.size = { width, height };
    this.draw();
  }

  // --- the pointer -------------------------------------------------------------------------------------------------

  private listen(): void {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      this.element.focus({ preventScroll: true });
      canvas.setPointerCapture(event.pointerId);
      const at = this.at(event);
      this.press = { from: at, last: at, moved: false, selects: this.boxing || event.shiftKey, more: event.shiftKey };
    });
    canvas.addEventListener("pointermove", (event) => this.drag(this.at(event)));
    canvas.addEventListener("pointerup", (event) => this.up(this.at(event)));
    canvas.addEventListener("pointercancel", () => this.stop());
    canvas.addEventListener("pointerleave", () => this.tell(null));
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 20 : 1;
      const [x, y] = this.part(this.at(event));
      this.zoom(Math.exp(-Math.max(-120, Math.min(120, event.deltaY * lines)) * 0.002), [x, y]);
    }, { passive: false });
  }

  private at(event: MouseEvent): Pair {
    const box = this.canvas.getBoundingClientRect();
    const zoom = box.width / Math.max(1, this.size.width) || 1;
    return [(event.clientX - box.left) / zoom, (event.clientY - box.top) / zoom];
  }

  /** Shares across and down the square, from 0 to 1. */
  private part([px, py]: Pair): Pair {
    const { x, y, side } = this.square;
    const within = (one: number): number => Math.min(1, Math.max(0, one));
    return [within((px - x) / side), within((py - y) / side)];
  }

  private drag(at: Pair): void {
    const { press } = this;
    if (press === null) return this.tell(at);
    press.moved ||= Math.hypot(at[0] - press.from[0], at[1] - press.from[1]) > STILL;
    if (!press.moved) return;
    if (press.selects) this.box = [press.from, at];
    else this.move(at[0] - press.last[0], at[1] - press.last[1]);
    press.last = at;
    this.refresh();
  }

  private up(at: Pair): void {
    const { press, explorer } = this;
    this.stop();
    if (press === null || (press.moved && !press.selects)) return this.refresh();
    const [from, to] = press.moved ? [press.from, at] : [at, at];
    const names = this.names(from, to);
    if (press.moved) explorer.update({ selection: press.more ? [...new Set([...explorer.state.selection, ...names])] : names });
    else if (names.length === 1 || !press.more) explorer.update({ selection: names });
    else explorer.update({ selection: selected(explorer.state.selection, names, true) });
    this.refresh();
  }

  private stop(): void {
    [this.press, this.box] = [null, null];
  }

  /** Nodes of the rows and of the columns between two places that are joined there; beside the square, of a group. */
  names(from: Pair, to: Pair): string[] {
    const { data, derived, shown, ends } = this.explorer;
    const { x, y, side } = this.square;
    const { rows, codes, begins } = derived.order;
    const beside = (at: number, low: number): boolean => at < low || at > low + side;
    if (from === to && (beside(from[0], x) || beside(from[1], y))) {
      const [row, column] = cellAt(this.seen, this.part(from));
      const down = from[0] < x && !beside(from[1], y);
      if (!down && !(from[1] < y && !beside(from[0], x))) return [];
      const at = down ? row : column;
      return derived.members(codes[begins.filter((one) => one <= at).length - 1] ?? NONE);
    }
    const [[r0, c0], [r1, c1]] = [cellAt(this.seen, this.part(from)), cellAt(this.seen, this.part(to))];
    // A click takes what its pixel shows.
    const reach = from === to ? Math.max(1, this.seen[2] / side) : 0;
    const span = (a: number, b: number): Pair =>
      reach > 0 ? [Math.floor(a / reach) * reach, Math.floor(a / reach) * reach + reach] : [Math.floor(Math.min(a, b)), Math.ceil(Math.max(a, b))];
    const [[top, bottom], [left, right]] = [span(r0, r1), span(c0, c1)];
    const found = new Set<number>();
    const both = !this.explorer.directed;
    const take = (a: number, b: number): void => {
      const [row, column] = [rows[a] ?? 0, rows[b] ?? 0];
      if (row >= top && row < bottom && column >= left && column < right) found.add(a).add(b);
    };
    for (let e = 0; 2 * e < ends.length; e++) {
      const [a, b] = [ends[2 * e] ?? 0, ends[2 * e + 1] ?? 0];
      take(a, b);
      if (both) take(b, a);
    }
    return [...found].filter((row) => shown[row]).map((row) => data.names[row] ?? "");
  }

  /** Say what is under the pointer. */
  private tell(at: Pair | null): void {
    const { explorer } = this;
    const { x, y, side } = this.square;
    const within = at !== null && at[0] >= x && at[1] >= y && at[0] < x + side && at[1] < y + side;
    visible(this.told, within);
    if (!within) return;
    const { groups, order } = explorer.derived;
    const [row, column] = cellAt(this.seen, this.part(at)).map(Math.floor) as unknown as Pair;
    const pixels = Math.min(this.seen[2], side);
    const said = (one: number): string => {
      const node = order.nodes[one] ?? 0;
      const code = groups?.codes[node] ?? NONE;
      const group = code === NONE || explorer.state.groups === explorer.state.label ? "" : ` · ${groups?.names[code] ?? ""}`;
      return `${this.seen[2] > pixels ? "near " : ""}${explorer.nameOf(node)}${group}`;
    };
    const many = this.names(at, at).length;
    const edges = many > 0 ? `${counted(many, "node")} joined here` : "not joined";
    say(this.told, `${said(row)} ${explorer.directed ? "→" : "–"} ${said(column)}: ${edges}`);
  }
}

function clipped(context: CanvasRenderingContext2D, text: string, width: number): string {
  if (context.measureText(text).width <= width) return text;
  let end = text.length;
  while (end > 1 && context.measureText(`${text.slice(0, end)}…`).width > width) end--;
  return `${text.slice(0, end)}…`;
}
