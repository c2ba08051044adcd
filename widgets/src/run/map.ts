/** The map of blocks on a canvas: what waits is pale, what runs is a ring, what failed is crossed out. */

import { Bins } from "./bins";
import { type Layout, cellAt, corner, layout, size } from "./layout";
import { type Palette, mix } from "./palette";
import { FAILED, type Facts, RUNNING, WAITING } from "./wire";

const MOST_HEIGHT = 264;

export class BlockMap {
  readonly canvas: HTMLCanvasElement;
  bins: Bins | null = null;
  private width = 0;
  private scale = 1;

  constructor(
    private readonly facts: Facts,
    private palette: Palette,
  ) {
    this.canvas = document.createElement("canvas");
    this.canvas.className = "ndl-map";
    this.canvas.setAttribute("role", "img");
  }

  /** Draw everything for a column `width` px wide. */
  show(states: Uint8Array, width: number, palette: Palette): void {
    this.palette = palette;
    this.width = 0; // What is hidden now (a page that changes its theme) is drawn once it has a width again.
    if (states.length === 0 || width < 8) return;
    const { counts, lead } = shape(this.facts, states.length);
    const found = layout(counts, lead, width, MOST_HEIGHT);
    this.bins = new Bins(found, states);
    this.width = width;
    this.resize(found);
    for (let cell = 0; cell < size(found); cell++) this.draw(cell);
  }

  /** Draw the cells of blocks that changed. */
  update(changed: Uint32Array, before: Uint8Array, states: Uint8Array): void {
    if (this.bins === null) return;
    const dirty = new Set<number>();
    changed.forEach((number, i) => {
      if (number < states.length) {
        dirty.add((this.bins as Bins).change(number, before[i] ?? WAITING, states[number] ?? WAITING));
      }
    });
    dirty.forEach((cell) => this.draw(cell));
  }

  /** Whether a column of this width is drawn already. */
  fits(width: number): boolean {
    return Math.abs(width - this.width) < 1;
  }

  /** The cell under the pointer. */
  at(event: MouseEvent): number | null {
    const box = this.canvas.getBoundingClientRect();
    return this.bins && cellAt(this.bins.layout, event.clientX - box.left, event.clientY - box.top);
  }

  private resize(found: Layout): void {
    this.scale = Math.max(1, Math.round(globalThis.devicePixelRatio || 1));
    this.canvas.width = found.width * this.scale;
    this.canvas.height = found.height * this.scale;
    this.canvas.style.width = `${found.width}px`;
    this.canvas.style.height = `${found.height}px`;
  }

  private draw(cell: number): void {
    const pen = this.canvas.getContext("2d");
    const bins = this.bins;
    if (pen === null || bins === null) return;
    const { cell: side, inset } = bins.layout;
    const { x, y } = corner(bins.layout, cell);
    const inner = side - inset;
    const total = Math.max(1, bins.total[cell] ?? 1);
    const [failed, running] = [bins.count(cell, FAILED), bins.count(cell, RUNNING)];
    pen.setTransform(this.scale, 0, 0, this.scale, 0, 0);
    pen.clearRect(x, y, side, side);
    pen.fillStyle = failed ? this.palette.failed : mix(this.palette.waiting, this.palette.done, bins.done(cell) / total);
    pen.fillRect(x, y, inner, inner);
    if (failed && inner >= 5) this.cross(pen, x, y, inner);
    else if (running && !failed) this.ring(pen, x, y, inner);
  }

  /** Failure shows without colour, too. */
  private cross(pen: CanvasRenderingContext2D, x: number, y: number, inner: number): void {
    const margin = Math.max(1.5, inner / 4);
    pen.strokeStyle = this.palette.paper;
    pen.lineWidth = inner >= 9 ? 1.5 : 1;
    pen.beginPath();
    pen.moveTo(x + margin, y + margin);
    pen.lineTo(x + inner - margin, y + inner - margin);
    pen.moveTo(x + inner - margin, y + margin);
    pen.lineTo(x + margin, y + inner - margin);
    pen.stroke();
  }

  private ring(pen: CanvasRenderingContext2D, x: number, y: number, inner: number): void {
    if (inner < 5) {
      pen.fillStyle = this.palette.running;
      pen.fillRect(x, y, inner, inner);
      return;
    }
    const line = inner >= 9 ? 2 : 1.5;
    pen.strokeStyle = this.palette.running;
    pen.lineWidth = line;
    pen.strokeRect(x + line / 2, y + line / 2, inner - line, inner - line);
  }
}

/** Blocks without a grid make one near-square slab. */
function shape(facts: Facts, total: number): { counts: readonly [number, number, number]; lead: number } {
  if (facts.grid !== null) return { counts: facts.grid.counts, lead: Math.max(1, facts.grid.lead.length) };
  const columns = Math.max(1, Math.ceil(Math.sqrt(total * 3)));
  return { counts: [1, Math.ceil(total / columns), columns], lead: 1 };
}
