/** One plane of the output, filled in as its blocks are done. */

import type { Patch } from "./state";
import type { PreviewFacts } from "./wire";

const MOST_HEIGHT = 264;

/** RGBA of a grey or coloured patch. */
export function rgba(patch: Patch): Uint8ClampedArray<ArrayBuffer> {
  const n = patch.h * patch.w;
  const channels = patch.pixels.length === 3 * n ? 3 : 1;
  const found = new Uint8ClampedArray(4 * n);
  for (let i = 0; i < n; i++) {
    for (let c = 0; c < 3; c++) found[4 * i + c] = patch.pixels[channels * i + (channels === 3 ? c : 0)] ?? 0;
    found[4 * i + 3] = 255;
  }
  return found;
}

/** Size on the page [px] of a plane whose pixels are `aspect` times as high as wide. */
export function fit(facts: PreviewFacts, width: number): { width: number; height: number } {
  const ratio = (facts.height * facts.aspect) / facts.width;
  const height = Math.min(MOST_HEIGHT, width * ratio);
  return { width: Math.round(height / ratio), height: Math.round(height) };
}

export class Preview {
  readonly element: HTMLElement;
  private readonly canvas: HTMLCanvasElement;

  constructor(facts: PreviewFacts) {
    this.element = document.createElement("figure");
    this.element.className = "ndl-preview";
    this.canvas = document.createElement("canvas");
    [this.canvas.width, this.canvas.height] = [facts.width, facts.height];
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", `preview of the output, ${facts.label}`);
    const size = fit(facts, 280);
    this.canvas.style.width = `${size.width}px`;
    this.canvas.style.height = `${size.height}px`;
    const caption = document.createElement("figcaption");
    caption.textContent = facts.label;
    this.element.append(this.canvas, caption);
  }

  /** Show a piece. */
  put(patch: Patch): void {
    if (patch.h < 1 || patch.w < 1) return;
    this.canvas.getContext("2d")?.putImageData(new ImageData(rgba(patch), patch.w, patch.h), patch.x, patch.y);
  }
}
