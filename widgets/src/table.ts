/** The widget `ndlab.explore.table`: rows, and what statistics say of them. */

import type { RenderContext } from "./core/anywidget";
import { dress } from "./core/sheet";
import graph from "./graph.css";
import shared from "./image.css";
import css from "./table.css";
import { Controls } from "./table/controls";
import { Explorer } from "./table/explorer";

function render({ model, el }: RenderContext): () => void {
  // The look is that of images and graphs.
  dress(el, "table", shared + graph + css);
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
