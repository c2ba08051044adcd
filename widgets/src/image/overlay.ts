/** Lines over the picture: cross-hair, marker, what was drawn, and what is being drawn. */

import { labelColor } from "../core/colors";
import { type Draft, type DrawnShape, meets } from "./drawing";
import type { Explorer, Panel } from "./explorer";
import { type Plane, type Vec3, planeAxes, reference, voxelSize } from "./state";

const SVG = "http://www.w3.org/2000/svg";
const MARK = 7;
const RING = 10;

/** A brush stroke on its way: shown until its voxels are. */
export interface Stroke extends Draft {
  readonly id: string;
}

export interface Over {
  readonly cross: boolean;
  readonly drawn: readonly DrawnShape[];
  readonly draft: Draft | null;
  readonly strokes: readonly Stroke[];
  /** Under the pointer: where a line would go on, and the ring of the brush. */
  readonly ring: { readonly plane: Plane; readonly at: Vec3; readonly radius: number } | null;
  readonly paint: string;
}

export class Overlay {
  readonly element = document.createElementNS(SVG, "svg");
  private shown = "";

  constructor(private readonly explorer: Explorer) {
    this.element.setAttribute("class", "ndi-overlay");
    this.element.setAttribute("aria-hidden", "true");
  }

  refresh(over: Over): void {
    const text = this.explorer.panels().map((panel) => this.panel(panel, over)).join("");
    if (text === this.shown) return;
    this.shown = text;
    this.element.innerHTML = text;
  }

  private panel(panel: Panel, over: Over): string {
    const { state, infos, pointed } = this.explorer;
    const { x, y, width, height, plane } = panel;
    const parts: string[] = [];
    const slack = sliceOf(this.explorer, plane);
    if (over.cross) parts.push(cross(panel));
    const shown = over.drawn.filter(({ points }) => meets(points, plane, state.position, slack / 2));
    for (const { kind, points } of shown) parts.push(this.shape(panel, kind, points, "ndi-drawn"));
    for (const stroke of over.strokes) if (stroke.plane === plane) parts.push(this.brush(panel, stroke, stroke.id));
    const { draft, ring } = over;
    if (draft !== null && draft.plane === plane) {
      const points = ring !== null && ring.plane === plane && draft.kind === "line" ? [...draft.points, ring.at] : draft.points;
      if (draft.kind === "brush") parts.push(this.brush(panel, draft, over.paint));
      else parts.push(this.shape(panel, draft.kind, points, "ndi-draft"));
    }
    if (ring !== null && ring.plane === plane && ring.radius > 0) parts.push(circle(this.at(panel, ring.at), ring.radius / state.scale, "ndi-ring"));
    if (state.marker !== null && meets([state.marker], plane, state.position, 4 * slack)) parts.push(marker(this.at(panel, state.marker)));
    if (pointed !== null && meets([pointed], plane, state.position, 4 * slack)) {
      parts.push(twice((style) => circle(this.at(panel, pointed), RING, `ndi-pointed ${style}`)));
    }
    if (state.layout === "three" && reference(state, infos) !== null) {
      parts.push(`<text class="ndi-tag" x="${x + width - 8}" y="${y + 16}">${plane}</text>`);
    }
    // Each panel clips what is its own.
    return `<svg x="${x}" y="${y}" width="${width}" height="${height}" viewBox="${x} ${y} ${width} ${height}">${parts.join("")}</svg>`;
  }

  private at(panel: Panel, position: Vec3): readonly [number, number] {
    const { col, row } = planeAxes(panel.plane);
    const { state } = this.explorer;
    const of = (axis: 0 | 1 | 2, middle: number): number => round(middle + (position[axis] - state.position[axis]) / state.scale);
    return [of(col, panel.x + panel.width / 2), of(row, panel.y + panel.height / 2)];
  }

  private shape(panel: Panel, kind: DrawnShape["kind"] | "brush", points: readonly Vec3[], name: string): string {
    const at = points.map((point) => this.at(panel, point));
    const [first, last] = [at[0], at.at(-1)];
    if (first === undefined || last === undefined) return "";
    if (kind === "point") return circle(first, 4, `${name} ndi-dot`);
    if (kind === "box") {
      const [x, y] = [Math.min(first[0], last[0]), Math.min(first[1], last[1])];
      const [width, height] = [Math.abs(first[0] - last[0]), Math.abs(first[1] - last[1])];
      return twice((style) => `<rect class="${name} ${style}" x="${x}" y="${y}" width="${width}" height="${height}"/>`);
    }
    return twice((style) => `<polyline class="${name} ${style}" points="${at.join(" ")}"/>`);
  }

  private brush(panel: Panel, { points, radius }: Draft, id: string): string {
    const at = points.map((point) => this.at(panel, point));
    const color = id === "0" ? "#808080" : `rgb(${labelColor(BigInt(id)).join()})`;
    const width = round(Math.max(1, (2 * radius) / this.explorer.state.scale));
    const line = at.length === 1 ? [at[0], at[0]] : at;
    return `<polyline class="ndi-brush" stroke="${color}" stroke-width="${width}" points="${line.join(" ")}"/>`;
  }
}

/** How deep one plane of the reference volume is, nm. */
function sliceOf({ state, infos }: Explorer, plane: Plane): number {
  const level = reference(state, infos)?.levels[0];
  return level === undefined ? 1 : voxelSize(level)[planeAxes(plane).depth];
}

function cross({ x, y, width, height }: Panel): string {
  const [cx, cy] = [round(x + width / 2), round(y + height / 2)];
  // Open in the middle, where one wants to see.
  const lines = `M${x} ${cy}H${cx - 8}M${cx + 8} ${cy}H${x + width}M${cx} ${y}V${cy - 8}M${cx} ${cy + 8}V${y + height}`;
  return twice((style) => `<path class="ndi-cross ${style}" d="${lines}"/>`);
}

function marker([x, y]: readonly [number, number]): string {
  return twice((style) => `<path class="ndi-marker ${style}" d="M${x - MARK} ${y}h${2 * MARK}M${x} ${y - MARK}v${2 * MARK}"/>${circle([x, y], MARK - 3, `ndi-marker ${style}`)}`);
}

/** Dark under light, so that it is seen on any picture. */
function twice(draw: (style: string) => string): string {
  return draw("ndi-under") + draw("ndi-over");
}

function circle([x, y]: readonly [number, number], radius: number, name: string): string {
  return `<circle class="${name}" cx="${x}" cy="${y}" r="${round(Math.max(1, radius))}"/>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
