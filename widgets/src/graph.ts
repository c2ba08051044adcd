/** The widget `ndlab.explore.graph`: nodes and edges, as many as fit the card. */

import type { RenderContext } from "./core/anywidget";
import { dress } from "./core/sheet";
import css from "./graph.css";
import { Controls } from "./graph/controls";
import { Explorer } from "./graph/explorer";
import shared from "./image.css";

function render({ model, el }: RenderContext): () => void {
  // The look is that of images.
  dress(el, "graph", shared + css);
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
