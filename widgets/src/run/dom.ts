/** Elements with a class and text, in one line each. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  name: string,
  ...inside: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  element.className = name;
  element.append(...inside);
  return element;
}

/** A button that acts on a click. */
export function button(name: string, text: string, act: () => void): HTMLButtonElement {
  const element = make("button", `ndl-button ${name}`, text);
  element.type = "button";
  element.addEventListener("click", act);
  return element;
}

/** Show or hide. */
export function visible(element: HTMLElement, shown: boolean): void {
  element.hidden = !shown;
}

/** Set text only where it differs, so that a selection in it survives. */
export function say(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
