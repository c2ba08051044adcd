/** The parts that controls are made of: named for those who listen, quiet when nothing changed. */

import { make } from "../run/dom";
import { type Icon, icon } from "./icons";

/** A button with a picture; `name` is read out, and shown with the key that does the same. */
export function iconButton(picture: Icon, name: string, key: string, act: () => void): HTMLButtonElement {
  const element = make("button", "ndi-button", icon(picture));
  element.type = "button";
  element.title = key ? `${name} (${key})` : name;
  element.setAttribute("aria-label", name);
  element.addEventListener("click", act);
  return element;
}

/** A button with a word. */
export function wordButton(word: string, title: string, act: () => void): HTMLButtonElement {
  const element = make("button", "ndi-button ndi-word", word);
  element.type = "button";
  element.title = title;
  element.addEventListener("click", act);
  return element;
}

/** Say whether a button is on. */
export function press(element: HTMLElement, on: boolean): void {
  const text = String(on);
  if (element.getAttribute("aria-pressed") !== text) element.setAttribute("aria-pressed", text);
}

/** Show another picture on a button, under another name. */
export function repaint(element: HTMLElement, picture: Icon, name: string): void {
  if (element.dataset["icon"] === picture) return;
  element.dataset["icon"] = picture;
  element.setAttribute("aria-label", name);
  element.replaceChildren(icon(picture));
}

/** Buttons of which one is on. */
export class Choice<T extends string> {
  readonly element: HTMLElement;
  private readonly buttons = new Map<T, HTMLButtonElement>();

  constructor(name: string, options: readonly (readonly [T, HTMLButtonElement])[]) {
    this.element = make("div", "ndi-choice", ...options.map(([, one]) => one));
    this.element.setAttribute("role", "group");
    this.element.setAttribute("aria-label", name);
    for (const [value, one] of options) this.buttons.set(value, one);
  }

  show(value: T): void {
    for (const [own, one] of this.buttons) press(one, own === value);
  }
}

/** A line of a form: a name and what it names. */
export function row(name: string, ...inside: HTMLElement[]): HTMLElement {
  return make("div", "ndi-row", make("span", "ndi-name", name), make("div", "ndi-field", ...inside));
}

/** A slider with its value in words beside it. */
export class Slider {
  readonly element: HTMLElement;
  private readonly input = make("input", "ndi-slider");
  private readonly words = make("output", "ndi-words");

  constructor(
    name: string,
    range: readonly [number, number, number],
    private readonly text: (value: number) => string,
    change: (value: number) => void,
  ) {
    this.input.type = "range";
    [this.input.min, this.input.max, this.input.step] = range.map(String) as [string, string, string];
    this.input.setAttribute("aria-label", name);
    this.input.addEventListener("input", () => change(Number(this.input.value)));
    this.element = make("div", "ndi-slide", this.input, this.words);
  }

  show(value: number): void {
    const text = String(value);
    if (this.input.value !== text) this.input.value = text;
    const [low, high] = [Number(this.input.min), Number(this.input.max)];
    this.input.style.setProperty("--ndi-part", `${(100 * (Number(this.input.value) - low)) / (high - low || 1)}%`);
    const words = this.text(value);
    if (this.words.textContent !== words) this.words.textContent = words;
    this.input.setAttribute("aria-valuetext", words);
  }

  span(low: number, high: number): void {
    [this.input.min, this.input.max] = [String(low), String(high)];
  }
}

/** A list to choose from. */
export class Select {
  readonly element = make("select", "ndi-select");

  constructor(name: string, options: readonly (readonly [string, string])[], change: (value: string) => void) {
    this.element.setAttribute("aria-label", name);
    for (const [value, text] of options) this.element.add(new Option(text, value));
    this.element.addEventListener("change", () => change(this.element.value));
  }

  show(value: string): void {
    if (this.element.value !== value) this.element.value = value;
  }
}

/** A box to tick. */
export class Tick {
  readonly element: HTMLElement;
  private readonly input = make("input", "ndi-tick");

  constructor(name: string, change: (on: boolean) => void) {
    this.input.type = "checkbox";
    this.input.addEventListener("change", () => change(this.input.checked));
    this.element = make("label", "ndi-label", this.input, name);
  }

  show(on: boolean): void {
    this.input.checked = on;
  }
}
