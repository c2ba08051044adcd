/** Asks the kernel for the density of edges, of what is on screen once it rests, and says that it is one. */

import { count } from "../core/words";
import { make, say, visible } from "../run/dom";
import { type Density, densityOf, wanted } from "./density";
import type { Explorer } from "./explorer";
import { memo } from "../core/memo";
import { same } from "./state";

const REST_MS = 150;

export class Dense {
  readonly note = make("div", "ndg-note");
  private readonly made = memo((given: unknown) => densityOf(given));
  private asked: unknown = null;
  private places: unknown = null;
  private clock: ReturnType<typeof setTimeout> | null = null;

  constructor(private readonly explorer: Explorer) {
    visible(this.note, false);
  }

  close(): void {
    if (this.clock !== null) clearTimeout(this.clock);
  }

  get density(): Density | null {
    return this.made(this.explorer.model.get("density"));
  }

  refresh(): void {
    const { explorer } = this;
    visible(this.note, explorer.sampled);
    if (!explorer.sampled) return;
    const found = this.density;
    say(this.note, `${count(found?.edges ?? explorer.total)} edges, as density${found === null ? ", being added up …" : ""}; ${count(explorer.data.ends.length / 2)} of them, by chance, in the matrix and in what is estimated`);
    if (!explorer.placed || explorer.size.width <= 1) return;
    if (this.clock !== null) clearTimeout(this.clock);
    this.clock = setTimeout(() => this.ask(), REST_MS);
  }

  private ask(): void {
    const { explorer } = this;
    const { turn, filters } = explorer.state;
    const { box, size } = wanted(explorer.camera, explorer.size, globalThis.devicePixelRatio || 1);
    const asking = { do: "density", box, size, turn, filters };
    const places = explorer.model.get("positions");
    if (places === this.places && same(this.asked, asking)) return;
    [this.asked, this.places] = [asking, places];
    explorer.model.send(asking);
  }
}
