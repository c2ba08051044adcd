/** The colours of the widget, read from the page, so that a canvas follows its theme. */

export interface Palette {
  readonly waiting: string;
  readonly done: string;
  readonly running: string;
  readonly failed: string;
  readonly paper: string;
}

/** The colours in force where `element` stands. */
export function palette(element: HTMLElement): Palette {
  const style = getComputedStyle(element);
  const read = (name: string): string => style.getPropertyValue(`--ndl-${name}`).trim();
  return {
    waiting: read("waiting"),
    done: read("done"),
    running: read("running"),
    failed: read("failed"),
    paper: read("paper"),
  };
}

/** `#rrggbb` between two such colours; what is done in part is darker by steps that the eye can tell. */
export function mix(from: string, to: string, share: number): string {
  if (share <= 0) return from;
  if (share >= 1) return to;
  const [a, b] = [parse(from), parse(to)];
  if (a === null || b === null) return share < 0.5 ? from : to;
  const part = 0.15 + 0.75 * share;
  return `#${a.map((v, i) => Math.round(v + ((b[i] ?? v) - v) * part).toString(16).padStart(2, "0")).join("")}`;
}

function parse(color: string): readonly number[] | null {
  const found = /^#([0-9a-f]{6})$/i.exec(color);
  if (found?.[1] === undefined) return null;
  const value = parseInt(found[1], 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

/** Whether `element` stands on a dark page, whatever made it dark. */
export function isDark(element: HTMLElement): boolean {
  for (let at: HTMLElement | null = element.parentElement; at !== null; at = at.parentElement) {
    const found = /^rgba?\((\d+), (\d+), (\d+)(?:, ([\d.]+))?\)$/.exec(getComputedStyle(at).backgroundColor);
    if (found === null || (found[4] !== undefined && Number(found[4]) < 0.5)) continue;
    return 0.299 * Number(found[1]) + 0.587 * Number(found[2]) + 0.114 * Number(found[3]) < 128;
  }
  return globalThis.matchMedia?.("(prefers-color-scheme: dark)").matches ?? false;
}
