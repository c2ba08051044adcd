/** The widget `ndlab.explore.image`: volumes, layer over layer, at any zoom. */

import type { RenderContext } from "./core/anywidget";
import css from "./image.css";
import { Controls } from "./image/controls";
import { ImageView } from "./image/view";

function style(el: HTMLElement): void {
  const root = el.getRootNode();
  const home = root instanceof ShadowRoot ? root : document.head;
  if (home.querySelector("style[data-ndlab-image]") !== null) return;
  const sheet = document.createElement("style");
  sheet.dataset["ndlabImage"] = "";
  sheet.textContent = css;
  home.append(sheet);
}

function render({ model, el }: RenderContext): () => void {
  style(el);
  const view = new ImageView(model);
  const controls = new Controls(view, model);
  el.append(controls.element);
  // What tests of the page and the console ask.
  Object.assign(el, { ndlabView: view });
  return () => {
    controls.close();
    view.close();
  };
}

export default { render };
