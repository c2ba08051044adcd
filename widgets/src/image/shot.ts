/** Saves what is on show as a file. */

import type { Explorer } from "./explorer";
import { barOf } from "./scalebar";
import { reference } from "./state";

/** Have the browser save the picture as a PNG, with the scale bar in it. */
export function savePicture(explorer: Explorer): void {
  // The pixels can only be had in the moment when they were drawn.
  const stop = explorer.on("drawn", () => {
    stop();
    const canvas = copy(explorer);
    canvas?.toBlob((blob) => {
      if (blob !== null) save(blob, `${nameOf(explorer)}.png`);
    }, "image/png");
  });
  explorer.update((state) => ({ ...state }));
}

function copy(explorer: Explorer): HTMLCanvasElement | null {
  const source = explorer.picture.querySelector("canvas");
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d");
  if (source === null || context === null) return null;
  [canvas.width, canvas.height] = [source.width, source.height];
  context.drawImage(source, 0, 0);
  const [panel] = explorer.panels();
  const info = reference(explorer.state, explorer.infos);
  if (panel === undefined || info === null) return canvas;
  const ratio = source.width / Math.max(1, source.clientWidth);
  const bar = barOf(explorer.state.scale, panel, explorer.calibration(info) !== null);
  const [x, y] = [panel.x + 12, panel.y + panel.height - 14];
  context.scale(ratio, ratio);
  context.shadowColor = "rgba(0, 0, 0, 0.8)";
  context.shadowBlur = 3 * ratio;
  context.fillStyle = "#fff";
  context.font = "12px system-ui, sans-serif";
  context.fillText(bar.text, x, y - 6);
  context.fillRect(x, y, bar.pixels, 3);
  return canvas;
}

function nameOf({ state, infos }: Explorer): string {
  const name = reference(state, infos)?.name ?? "";
  return name.replace(/[^\w.-]+/g, "-").replace(/^-+|-+$/g, "") || "picture";
}

/** Have the browser save a file. */
export function save(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
