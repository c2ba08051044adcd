/** The widget `ndlab.explore.link`: joins views of a page, and says in one line what is selected. */

import type { Model, RenderContext } from "./core/anywidget";
import { dress } from "./core/sheet";
import css from "./link.css";
import { Bar } from "./link/bar";
import { Hub } from "./link/hub";

/** By channel: a model comes in another wrapping each time. One of each, whether it is shown, not at all or twice. */
const hubs = new Map<string, Hub>();

function hubOf(model: Model): Hub {
  const channel = String(model.get("channel"));
  let hub = hubs.get(channel);
  if (hub === undefined) {
    hub = new Hub(model);
    hubs.set(channel, hub);
  }
  return hub;
}

/** Views are joined from the first, even where this line is not shown. */
function initialize({ model }: { readonly model: Model }): () => void {
  const hub = hubOf(model);
  return () => {
    hub.close();
    hubs.delete(String(model.get("channel")));
  };
}

function render({ model, el }: RenderContext): () => void {
  dress(el, "link", css);
  const bar = new Bar(hubOf(model), model);
  el.append(bar.element);
  // What tests of the page and the console ask.
  Object.assign(el, { ndlabLink: hubOf(model) });
  return () => bar.close();
}

export default { initialize, render };
