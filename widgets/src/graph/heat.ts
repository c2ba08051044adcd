/** A square of coloured cells with a name for each row. */

import { make } from "../run/dom";
import { mapColor } from "./look";

/** Rows and columns beyond which cells are too small to be told apart. */
export const MOST = 24;

export interface Heat {
  readonly names: readonly string[];
  readonly colors: readonly string[];
  /** From 0 to 1. */
  readonly share: (row: number, column: number) => number;
  readonly title: (row: number, column: number) => string;
  readonly choose: ((row: number, column: number) => void) | null;
}

/** Cells of the first rows and columns, as buttons where they can be chosen. */
export function heat({ names, colors, share, title, choose }: Heat): HTMLElement {
  const n = Math.min(MOST, names.length);
  const grid = make("div", "ndg-heat");
  grid.setAttribute("role", "grid");
  grid.style.setProperty("--ndg-many", String(n));
  for (let row = 0; row < n; row++) {
    const head = make("span", "ndg-heat-name ndg-text", names[row] ?? "");
    head.title = names[row] ?? "";
    if (colors[row] !== undefined) head.style.setProperty("--ndi-color", colors[row] ?? "");
    grid.append(head);
    for (let column = 0; column < n; column++) {
      const cell = make("button", "ndg-cell");
      cell.type = "button";
      cell.title = title(row, column);
      cell.setAttribute("aria-label", cell.title);
      cell.style.background = `rgb(${mapColor(share(row, column)).join(" ")})`;
      if (choose === null) cell.disabled = true;
      else cell.addEventListener("click", () => choose(row, column));
      grid.append(cell);
    }
  }
  return grid;
}
