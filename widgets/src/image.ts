/** The widget `ndlab.explore.image`: volumes, layer over layer, at any zoom. */

import type { RenderContext } from "./core/anywidget";
import { ImageView } from "./image/view";

/** CSS pixels, where nobody says how high it is. */
const HEIGHT = 480;

function render({ model, el }: RenderContext): () => void {
  const view = new ImageView(model);
  const height = Number(model.get("height")) || HEIGHT;
  view.picture.style.cssText = `position:relative;overflow:hidden;height:${height}px;background:#000`;
  el.append(view.picture);
  // What tests of the page and the console ask.
  Object.assign(el, { ndlabView: view });
  return () => view.close();
}

export default { render };
