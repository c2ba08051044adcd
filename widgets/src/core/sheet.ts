/** A widget's style, once in the document or shadow root that it stands in. */

export function dress(el: HTMLElement, widget: string, css: string): void {
  const root = el.getRootNode();
  const home = root instanceof ShadowRoot ? root : document.head;
  if (home.querySelector(`style[data-ndlab-${widget}]`) !== null) return;
  const sheet = document.createElement("style");
  sheet.setAttribute(`data-ndlab-${widget}`, "");
  sheet.textContent = css;
  home.append(sheet);
}
