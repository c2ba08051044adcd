/** A bar of a round length over the picture. */

import { make, say, visible } from "../run/dom";
import { type Length, roundLength } from "../core/units";
import type { Explorer, Panel } from "./explorer";
import { reference } from "./state";

const MOST = 160;
const SHARE = 0.3;

/** The bar that fits a panel, and how many CSS pixels it takes; in voxels where nobody knows nm. */
export function barOf(scale: number, panel: Panel, calibrated: boolean): Length & { readonly pixels: number } {
  const length = roundLength(scale, Math.max(24, Math.min(MOST, SHARE * panel.width)));
  const text = calibrated ? length.text : `${length.nm} voxel${length.nm === 1 ? "" : "s"}`;
  return { nm: length.nm, text, pixels: length.nm / scale };
}

export class ScaleBar {
  readonly element = make("div", "ndi-scale");
  private readonly bar = make("i", "ndi-scale-bar");
  private readonly text = make("span", "ndi-scale-text");

  constructor(private readonly explorer: Explorer) {
    this.element.append(this.text, this.bar);
  }

  refresh(): void {
    const { state, infos } = this.explorer;
    const [panel] = this.explorer.panels();
    const info = reference(state, infos);
    visible(this.element, panel !== undefined && info !== null);
    if (panel === undefined || info === null) return;
    const bar = barOf(state.scale, panel, this.explorer.calibration(info) !== null);
    say(this.text, bar.text);
    const width = `${bar.pixels.toFixed(1)}px`;
    if (this.bar.style.width !== width) this.bar.style.width = width;
    const [left, top] = [`${panel.x + 8}px`, `${panel.y + panel.height - 8}px`];
    if (this.element.style.left !== left) this.element.style.left = left;
    if (this.element.style.top !== top) this.element.style.top = top;
  }
}
