/** Dark or light: as the state says, else as the page around. */

import { isDark } from "../run/palette";
import { repaint } from "./parts";
import type { Theme } from "./state";

const SAID = { auto: "as the page is", dark: "dark", light: "light" } as const;

/** Colours that people with any eyes tell apart (Okabe and Ito), white first. */
export const COLORS: readonly (readonly [string, string])[] = [
  ["FFFFFF", "white"],
  ["56B4E9", "sky blue"],
  ["E69F00", "orange"],
  ["009E73", "green"],
  ["F0E442", "yellow"],
  ["D55E00", "vermilion"],
  ["CC79A7", "pink"],
  ["0072B2", "blue"],
];

/** Put the theme on an element. */
export function wear(element: HTMLElement, theme: Theme): void {
  element.classList.toggle("ndi-own", theme !== "auto");
  element.classList.toggle("ndl-dark", theme === "auto" ? isDark(element) : theme === "dark");
}

/** The theme that a press of its button leads to. */
export function nextTheme(theme: Theme): Theme {
  return theme === "auto" ? "dark" : theme === "dark" ? "light" : "auto";
}

/** Show a theme on its button. */
export function showTheme(button: HTMLElement, theme: Theme): void {
  repaint(button, theme, `Theme: ${SAID[theme]}`);
  button.title = `Theme: ${SAID[theme]} (d)`;
}

/** Call `changed` when the page changes its theme; returns how to stop that. */
export function watchTheme(changed: () => void): () => void {
  // A moment later: while a page changes its theme, nothing on it has a colour.
  const watch = new MutationObserver(() => requestAnimationFrame(changed));
  const named = { attributes: true, attributeFilter: ["class", "data-jp-theme-light", "data-jp-theme-name"] };
  watch.observe(document.body, named);
  watch.observe(document.documentElement, named);
  return () => watch.disconnect();
}
