/** The widget `ndlab.explore.run`: shows a Run and steers it. */

import type { Model, RenderContext } from "./core/anywidget";
import { Pulse } from "./core/pulse";
import { dress } from "./core/sheet";
import css from "./run.css";
import { RunState } from "./run/state";
import { RunView } from "./run/view";
import { type Facts, type FromKernel, type Status, type ToKernel, isUnderWay } from "./run/wire";

const now = (): number => performance.now() / 1000;

function listen(model: Model, state: RunState, view: RunView, pulse: Pulse): () => void {
  const receive = (message: FromKernel, buffers: readonly DataView[]): void => {
    pulse.heard(now());
    const change = state.receive(message, buffers);
    if (change !== null) view.apply(change);
  };
  const told = (): void => {
    state.status = model.get("status") as Status;
    view.apply({ kind: "status" });
  };
  const cut = (): void => pulse.cut();
  model.on("msg:custom", receive);
  model.on("change:status", told);
  model.on("comm_live_update", cut);
  const clock = setInterval(() => pulse.check(now(), isUnderWay(state.status.phase)), 1000);
  return () => {
    model.off("msg:custom", receive);
    model.off("change:status", told);
    model.off("comm_live_update", cut);
    clearInterval(clock);
  };
}

function watchPage(view: RunView): () => void {
  // A moment later: while a page changes its theme, nothing on it has a size.
  const theme = new MutationObserver(() => requestAnimationFrame(() => view.redraw()));
  theme.observe(document.body, { attributes: true, attributeFilter: ["class", "data-jp-theme-light", "data-jp-theme-name"] });
  const size = new ResizeObserver(() => view.resized());
  size.observe(view.element);
  return () => {
    theme.disconnect();
    size.disconnect();
  };
}

function render({ model, el }: RenderContext): () => void {
  dress(el, "run", css);
  const state = new RunState(model.get("status") as Status);
  const view = new RunView(model.get("facts") as Facts, state, (message) => model.send(message));
  const hello: ToKernel = { t: "hello" };
  const pulse = new Pulse(() => model.send(hello), (alive) => view.connect(alive), now());
  el.append(view.element);
  const silence = listen(model, state, view, pulse);
  const look = watchPage(view);
  view.redraw();
  model.send(hello);
  return () => {
    silence();
    look();
  };
}

export default { render };
