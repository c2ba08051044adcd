/** How points or boxes are shown, and how many there are. */

import type { Model } from "../core/anywidget";
import { count, counted } from "../core/words";
import { make, say } from "../run/dom";
import type { Body } from "./card";
import type { Explorer } from "./explorer";
import { row } from "./parts";
import { type ShapesLayer, colorOf, setLayer } from "./state";
import { Swatches } from "./swatches";

/** Of one shape, as the kernel sends them. */
const BYTES = { points: 12, boxes: 24 } as const;

export class ShapesBody implements Body {
  readonly element = make("div", "ndi-body");
  private readonly swatches: Swatches;
  private readonly count = make("span", "ndi-of");

  constructor(
    private readonly explorer: Explorer,
    private readonly model: Model,
    private readonly id: string,
  ) {
    this.swatches = new Swatches((color) => explorer.update((state) => setLayer(state, id, { color })));
    this.element.append(row("colour", this.swatches.element), row("there are", this.count));
  }

  refresh(shown: boolean): void {
    const layer = this.explorer.state.layers.find(({ id }) => id === this.id) as ShapesLayer | undefined;
    if (layer === undefined || !shown) return;
    this.swatches.show(colorOf(layer, this.explorer.infos[this.id]));
    const shapes = (this.model.get("shapes") ?? {}) as Readonly<Record<string, { readonly data?: { readonly byteLength: number } }>>;
    const n = (shapes[this.id]?.data?.byteLength ?? 0) / BYTES[layer.kind];
    say(this.count, layer.kind === "points" ? counted(n, "point") : n === 1 ? "1 box" : `${count(n)} boxes`);
  }
}
