/** The widget `ndlab.explore.run`: shows a Run and steers it. */

import type { Model, RenderContext } from "./core/anywidget";
import css from "./run.css";
import { RunState } from "./run/state";
import { RunView } from "./run/view";
import type { Facts, FromKernel, Status } from "./run/wire";

/** The page may drop the kernel: ipywidgets then marks the element that holds the view. */
function isConnected(el: HTMLElement): boolean {
  return el.closest(".jupyter-widgets-disconnected") === null;
}

function style(el: HTMLElement): void {
  const root = el.getRootNode();
  const home = root instanceof ShadowRoot ? root : document.head;
  if (home.querySelector("style[data-ndlab-run]") !== null) return;
  const sheet = document.createElement("style");
  sheet.dataset["ndlabRun"] = "";
  sheet.textContent = css;
  home.append(sheet);
}

function listen(model: Model, state: RunState, view: RunView): () => void {
  const receive = (message: FromKernel, buffers: readonly DataView[]): void => {
    const change = state.receive(message, buffers);
    if (change !== null) view.apply(change);
  };
  const told = (): void => {
    state.status = model.get("status") as Status;
    view.apply({ kind: "blocks", numbers: new Uint32Array(0), before: new Uint8Array(0) });
  };
  model.on("msg:custom", receive);
  model.on("change:status", told);
  return () => {
    model.off("msg:custom", receive);
    model.off("change:status", told);
  };
}

function watchPage(el: HTMLElement, view: RunView): () => void {
  const page = new MutationObserver(() => {
    view.connect(isConnected(el));
    view.redraw();
  });
  // The theme stands on the body, the loss of the kernel on an element around the view.
  for (let at: HTMLElement | null = el; at !== null; at = at.parentElement) {
    page.observe(at, { attributes: true, attributeFilter: ["class", "data-jp-theme-light", "data-jp-theme-name"] });
  }
  const size = new ResizeObserver(() => view.resized());
  size.observe(view.element);
  return () => {
    page.disconnect();
    size.disconnect();
  };
}

function render({ model, el }: RenderContext): () => void {
  style(el);
  const state = new RunState(model.get("status") as Status);
  const view = new RunView(model.get("facts") as Facts, state, (message) => model.send(message));
  el.append(view.element);
  const silence = listen(model, state, view);
  const look = watchPage(el, view);
  view.redraw();
  model.send({ t: "hello" });
  return () => {
    silence();
    look();
  };
}

export default { render };
