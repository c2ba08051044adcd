/** A picture of a graph as SVG: lines and circles that can be edited. No DOM here. */

import { type Camera, type Size, toPixel } from "./camera";
import type { EdgeLook } from "./look";
import type { Spot } from "./room";

export interface Drawing {
  readonly flat: Float32Array;
  readonly ends: Uint32Array;
  readonly look: EdgeLook | null;
  readonly colors: Uint8Array;
  readonly sizes: Float32Array;
  readonly shown: Uint8Array;
  readonly picked: readonly number[];
  readonly names: readonly (Spot & { readonly text: string })[];
  readonly camera: Camera;
  readonly size: Size;
  readonly alpha: number;
  readonly paper: string;
  readonly ink: string;
  /** The edges as pixels, where they are too many to be lines: an address of data. */
  readonly image: string | null;
}

/** Lines beyond which a file helps nobody. */
export const MOST_LINES = 60_000;

function round(value: number): string {
  return String(Math.round(value * 100) / 100);
}

export function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

export function svgOf(drawing: Drawing): string {
  const { flat, ends, look, colors, sizes, shown, camera, size, alpha, paper, ink } = drawing;
  const at = (row: number): readonly [number, number] => toPixel(camera, size, [flat[2 * row] ?? 0, flat[2 * row + 1] ?? 0]);
  const { width, height } = size;
  const seen = (x: number, y: number, reach: number): boolean => x > -reach && y > -reach && x < width + reach && y < height + reach;
  const lines: string[] = [];
  for (let e = 0; drawing.image === null && alpha > 0 && 2 * e < ends.length; e++) {
    const [[ax, ay], [bx, by]] = [at(ends[2 * e] ?? 0), at(ends[2 * e + 1] ?? 0)];
    if (Math.max(ax, bx) < 0 || Math.min(ax, bx) > width || Math.max(ay, by) < 0 || Math.min(ay, by) > height) continue;
    const path = `M${round(ax)} ${round(ay)}L${round(bx)} ${round(by)}`;
    if (look === null) lines.push(path);
    else {
      const [r, g, b] = look.tints.subarray(4 * e, 4 * e + 3);
      lines.push(`<path d="${path}" stroke="rgb(${r},${g},${b})" stroke-width="${round(look.widths[e] ?? 1)}"/>`);
    }
  }
  const edges = drawing.image !== null
    ? `<image width="${width}" height="${height}" href="${drawing.image}"/>`
    : `<g fill="none" stroke="${ink}" stroke-opacity="${round(alpha)}">${look === null ? `<path d="${lines.join("")}"/>` : lines.join("")}</g>`;
  const picked = new Set(drawing.picked);
  const circles: string[] = [];
  for (let row = 0; row < shown.length; row++) {
    if (!shown[row]) continue;
    const [x, y] = at(row);
    if (!seen(x, y, 20)) continue;
    const [r, g, b] = colors.subarray(4 * row, 4 * row + 3);
    const rim = picked.has(row) ? ` stroke="${ink}" stroke-width="2"` : "";
    circles.push(`<circle cx="${round(x)}" cy="${round(y)}" r="${round((sizes[row] ?? 0) / 2)}" fill="rgb(${r},${g},${b})"${rim}/>`);
  }
  const names = drawing.names.map(({ x, y, text }) => `<text x="${round(x + 4)}" y="${round(y + 13)}">${escaped(text)}</text>`);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    `<rect width="${width}" height="${height}" fill="${paper}"/>`,
    edges,
    `<g>${circles.join("")}</g>`,
    `<g fill="${ink}" font-family="sans-serif" font-size="12">${names.join("")}</g>`,
    "</svg>",
  ].join("\n");
}
