/** The widget `ndlab.explore.graph`: nodes and edges, as many as fit the card. */

import type { RenderContext } from "./core/anywidget";
import css from "./graph.css";
import { Controls } from "./graph/controls";
import { Explorer } from "./graph/explorer";
import shared from "./image.css";

function style(el: HTMLElement): void {
  const root = el.getRootNode();
  const home = root instanceof ShadowRoot ? root : document.head;
  if (home.querySelector("style[data-ndlab-graph]") !== null) return;
  const sheet = document.createElement("style");
  sheet.dataset["ndlabGraph"] = "";
  // The look is that of images.
  sheet.textContent = shared + css;
  home.append(sheet);
}

function render({ model, el }: RenderContext): () => void {
  style(el);
  const explorer = new Explorer(model);
  const controls = new Controls(explorer);
  el.append(controls.element);
  // What tests of the page and the console ask.
  Object.assign(el, { ndlabGraph: { explorer, stage: controls.stage, matrix: controls.matrix } });
  return () => {
    controls.close();
    explorer.close();
  };
}

export default { render };
