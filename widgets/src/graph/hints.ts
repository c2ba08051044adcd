/** What another view points at, laid over the picture, which is not drawn anew for it: a line along an edge, rings, a name. */

import { toPixel } from "./camera";
import type { Explorer } from "./explorer";
import type { Pair } from "./state";

const SVG = "http://www.w3.org/2000/svg";
/** CSS pixels between a node and its ring. */
const GAP = 4;

export class Hints {
  readonly element = document.createElementNS(SVG, "svg");

  constructor(private readonly explorer: Explorer) {
    this.element.setAttribute("class", "ndg-hints");
    this.element.setAttribute("aria-hidden", "true");
    explorer.onPointed(() => this.draw());
  }

  /** Where nodes stand now: to be called when they or the camera moved, too. */
  draw(): void {
    const { explorer, element } = this;
    const { pointedNode: node, pointedEdges: edges, placed } = explorer;
    const nothing = !placed || (node === null && edges.length === 0);
    if (nothing && element.childElementCount === 0) return;
    if (nothing) return element.replaceChildren();
    const rings = new Set([...edges.flat(), ...(node === null ? [] : [node])]);
    element.replaceChildren(
      ...edges.map(([a, b]) => this.line(this.at(a), this.at(b))),
      ...[...rings].map((row) => this.ring(row)),
      ...(node === null ? [] : [this.name(node)]),
    );
  }

  private at(row: number): Pair {
    const { flat, camera, size } = this.explorer;
    return toPixel(camera, size, [flat[2 * row] ?? 0, flat[2 * row + 1] ?? 0]);
  }

  private line([ax, ay]: Pair, [bx, by]: Pair): SVGElement {
    return shape("line", { x1: ax, y1: ay, x2: bx, y2: by });
  }

  private ring(row: number): SVGElement {
    const [cx, cy] = this.at(row);
    return shape("circle", { cx, cy, r: (this.explorer.sizes[row] ?? 0) / 2 + GAP });
  }

  private name(row: number): SVGElement {
    const [x, y] = this.at(row);
    const found = shape("text", { x: x + (this.explorer.sizes[row] ?? 0) / 2 + 2 * GAP, y: y + GAP });
    found.textContent = this.explorer.nameOf(row);
    return found;
  }
}

function shape(name: "line" | "circle" | "text", numbers: Readonly<Record<string, number>>): SVGElement {
  const found = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(numbers)) found.setAttribute(key, value.toFixed(1));
  return found;
}
