/** Linked views as a page of their own, without kernel and network: does for one file what anywidget does in a notebook. */

import type { Model, RenderContext } from "./core/anywidget";
import { Kept } from "./page/kept";

interface Shipped {
  /** Which bundle, where on the page it is shown, and what the kernel would have told. In the order in which they begin. */
  readonly module: string;
  readonly place: string;
  readonly traits: Readonly<Record<string, unknown>>;
}

interface Module {
  readonly initialize?: (context: { readonly model: Model }) => unknown;
  readonly render: (context: RenderContext) => unknown;
}

function start(): void {
  const given = document.getElementById("ndlab-views");
  // The bundles stand before this one on the page, and have left word there.
  const modules = (globalThis as { ndlabModules?: Readonly<Record<string, Module>> }).ndlabModules ?? {};
  for (const { module, place, traits } of JSON.parse(given?.textContent ?? "[]") as readonly Shipped[]) {
    const model = new Kept(traits);
    const el = document.getElementById(place);
    modules[module]?.initialize?.({ model });
    if (el !== null) modules[module]?.render({ model, el });
  }
}

start();
