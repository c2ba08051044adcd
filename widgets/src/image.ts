/** The widget `ndlab.explore.image`: volumes, layer over layer, at any zoom. */

import type { RenderContext } from "./core/anywidget";
import { dress } from "./core/sheet";
import css from "./image.css";
import { Controls } from "./image/controls";
import { ImageView } from "./image/view";

function render({ model, el }: RenderContext): () => void {
  dress(el, "image", css);
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
