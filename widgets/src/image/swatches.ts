/** A row of colours that all eyes tell apart, and one of anybody's own. */

import { make } from "../run/dom";
import { press } from "./parts";
import { COLORS } from "./theme";

export class Swatches {
  readonly element = make("div", "ndi-swatches");
  private readonly buttons = new Map<string, HTMLButtonElement>();
  private readonly own = make("input", "ndi-own-color");

  constructor(change: (color: string) => void) {
    this.element.setAttribute("role", "group");
    this.element.setAttribute("aria-label", "Colour");
    for (const [color, name] of COLORS) {
      const button = make("button", "ndi-swatch");
      button.type = "button";
      button.title = name;
      button.setAttribute("aria-label", name);
      button.style.setProperty("--ndi-color", `#${color}`);
      button.addEventListener("click", () => change(color));
      this.buttons.set(color, button);
      this.element.append(button);
    }
    this.own.type = "color";
    this.own.title = "Another colour";
    this.own.setAttribute("aria-label", "Another colour");
    this.own.addEventListener("input", () => change(this.own.value.slice(1).toUpperCase()));
    this.element.append(this.own);
  }

  show(color: string): void {
    for (const [own, button] of this.buttons) press(button, own === color.toUpperCase());
    const value = `#${color.toLowerCase()}`;
    if (this.own.value !== value) this.own.value = value;
  }
}
