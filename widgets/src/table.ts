/** The widget `ndlab.explore.table`: rows, and what statistics say of them. */

import type { RenderContext } from "./core/anywidget";
import graph from "./graph.css";
import shared from "./image.css";
import css from "./table.css";
import { Controls } from "./table/controls";
import { Explorer } from "./table/explorer";

function style(el: HTMLElement): void {
  const root = el.getRootNode();
  const home = root instanceof ShadowRoot ? root : document.head;
  if (home.querySelector("style[data-ndlab-table]") !== null) return;
  const sheet = document.createElement("style");
  sheet.dataset["ndlabTable"] = "";
  // The look is that of images and graphs.
  sheet.textContent = shared + graph + css;
  home.append(sheet);
}

function render({ model, el }: RenderContext): () => void {
  style(el);
  const explorer = new Explorer(model);
  const controls = new Controls(explorer);
  el.append(controls.element);
  // What tests of the page and the console ask.
  Object.assign(el, { ndlabTable: { explorer, stage: controls.stage, plots: controls.plots } });
  return () => {
    controls.close();
    explorer.close();
  };
}

export default { render };
