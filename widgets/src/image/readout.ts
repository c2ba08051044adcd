/** The line under the picture: where, what, how fine, and whether more is to come. */

import { make, say, visible } from "../run/dom";
import type { Desk, Held } from "./desk";
import type { Explorer } from "./explorer";
import * as words from "./say";
import { reference } from "./state";

export class Readout {
  readonly element = make("footer", "ndi-readout");
  /** What is wrong with what is shown, to lay over the picture. */
  readonly trouble = make("div", "ndi-trouble");
  /** What the hairlines mean, while there are some. */
  readonly absent = make("div", "ndi-absent", make("i", "ndi-hairlines"), "no data stored here");
  private readonly voxel = make("span", "ndi-voxel");
  private readonly nm = make("span", "ndi-nm");
  private readonly values = make("span", "ndi-values");
  private readonly level = make("span", "ndi-level");
  private readonly loading = make("span", "ndi-loading");
  private readonly link = make("span", "ndi-link");
  private shown = "";

  constructor(
    private readonly explorer: Explorer,
    private readonly desk: Held<Desk>,
  ) {
    this.trouble.setAttribute("role", "status");
    this.loading.setAttribute("aria-hidden", "true");
    this.element.setAttribute("aria-label", "Read-out");
    this.element.append(this.voxel, this.nm, this.values, make("span", "ndi-gap"), this.level, this.loading, this.link);
  }

  refresh(): void {
    const { state, infos, status } = this.explorer;
    const info = reference(state, infos);
    const position = this.desk.now.place?.position ?? state.position;
    say(this.voxel, info === null ? "" : words.voxelWords(info, position));
    say(this.nm, info === null ? "" : words.nmWords(this.explorer.calibration(info), position));
    this.value();
    const trouble = words.troubleWords(state, status);
    say(this.trouble, trouble);
    this.trouble.title = trouble;
    visible(this.trouble, trouble !== "");
    visible(this.absent, status.absent);
    const drawn = info === null ? undefined : status.layers[layerOf(this.explorer, info.id) ?? ""];
    const level = drawn === undefined || info === null ? [] : [words.levelWords(drawn), words.sizeWords(info, info.levels[drawn.level])];
    say(this.level, level.filter(Boolean).join("  ·  "));
    this.level.title = "The level that is shown, and the size of its voxels (x × y × z)";
    this.loading.classList.toggle("ndi-busy", status.loading > 0);
    this.loading.title = words.loadingWords(status.loading);
    say(this.link, words.transportWords(status));
    this.link.title = words.transportAdvice(status);
    this.link.dataset["link"] = status.lost ? "lost" : (status.transport ?? "none");
  }

  /** What each layer holds under the pointer, top to bottom. */
  private value(): void {
    const picks = this.desk.now.picks.filter(({ kind, id }) => kind === "image" || (id !== null && id !== "0")).slice(0, 4);
    const pairs = picks.map((pick) => [pick.layer, words.pickWords(pick)] as const);
    const key = JSON.stringify(pairs);
    if (key === this.shown) return;
    this.shown = key;
    this.values.replaceChildren(
      ...pairs.map(([layer, text]) => make("span", "ndi-value", make("span", "ndi-of", layer), make("b", "", text))),
    );
  }
}

/** The layer that shows a volume. */
function layerOf({ state, infos, status }: Explorer, volume: string): string | undefined {
  return state.layers.find(({ id }) => infos[id]?.id === volume && status.layers[id] !== undefined)?.id;
}
