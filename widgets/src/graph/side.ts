/** The side of the picture: four tabs, of which one is there. */

import { Choice, wordButton } from "../image/parts";
import { make, visible } from "../run/dom";
import type { Explorer } from "./explorer";
import { GroupsTab } from "./groups";
import { NumbersTab } from "./numbers";
import { Panel } from "./panel";
import { SourceTab } from "./source";
import type { Tab } from "./state";

const TITLES: Readonly<Record<Tab, string>> = {
  look: "Layout, colours, sizes, filters, selection",
  groups: "Communities and other groups, how they are joined, how far apart they are",
  numbers: "Plots, and numbers of the whole graph",
  graph: "Open, choose, make or save a graph",
};

export class Side {
  readonly element: HTMLElement;
  private readonly tabs: Choice<Tab>;
  private readonly bodies: Readonly<Record<Tab, { readonly element: HTMLElement; refresh(): void; close?(): void }>>;

  constructor(private readonly explorer: Explorer, savers: { readonly png: () => void; readonly svg: () => void; readonly state: () => void }) {
    this.bodies = {
      look: new Panel(explorer), groups: new GroupsTab(explorer), numbers: new NumbersTab(explorer), graph: new SourceTab(explorer, savers),
    };
    const names = Object.keys(TITLES) as Tab[];
    this.tabs = new Choice("Panel", names.map((name) => [name, wordButton(name, TITLES[name], () => explorer.update({ panel: name }))] as const));
    this.tabs.element.classList.add("ndg-tabs");
    const inner = make("div", "ndi-layers", this.tabs.element, ...names.map((name) => this.bodies[name].element));
    this.element = make("div", "ndi-side", inner);
  }

  close(): void {
    for (const body of Object.values(this.bodies)) body.close?.();
  }

  refresh(): void {
    const { panel } = this.explorer.state;
    this.tabs.show(panel);
    for (const [name, { element }] of Object.entries(this.bodies)) visible(element, name === panel);
    // What nobody sees costs nothing.
    if (!this.element.hidden) this.bodies[panel].refresh();
  }
}
