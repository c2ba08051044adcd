/** How an image layer is shown: window, gamma, colour, channel, and the planes that it runs ahead. */

import type { Model } from "../core/anywidget";
import { make, visible } from "../run/dom";
import { type Bins, autoWindow, binned } from "./bins";
import type { Body } from "./card";
import type { Explorer } from "./explorer";
import { Histogram } from "./histogram";
import { Select, Slider, Tick, row, wordButton } from "./parts";
import { type Blend, type ImageLayer, colorOf, setLayer, setWindow, windowOf } from "./state";
import { Swatches } from "./swatches";

export const BLENDS: readonly (readonly [Blend, string])[] = [
  ["normal", "normal"],
  ["additive", "additive"],
  ["subtractive", "subtractive"],
  ["multiply", "multiply"],
];

/** What the kernel answers. */
export interface HistogramMessage {
  readonly t: "histogram";
  readonly layer: string;
  readonly channel?: number;
  readonly counts: readonly number[];
  readonly edges: readonly number[];
  /** Null where no voxel counts. */
  readonly percentiles: Readonly<Record<string, number | null>>;
}

const GAMMA = 3;

export class ImageBody implements Body {
  readonly element = make("div", "ndi-body");
  private readonly histogram: Histogram;
  private readonly gamma: Slider;
  private readonly invert: Tick;
  private readonly swatches: Swatches;
  private readonly channel: Select;
  private readonly channelRow: HTMLElement;
  private readonly ahead = make("input", "ndi-number");
  private known: HistogramMessage | null = null;
  private bins: Bins | null = null;
  private asked = "";

  constructor(
    private readonly explorer: Explorer,
    private readonly model: Model,
    private readonly id: string,
  ) {
    const set = (patch: Parameters<typeof setLayer>[2]): void => explorer.update((state) => setLayer(state, id, patch));
    this.histogram = new Histogram((window) => explorer.update((state) => setWindow(state, id, window)));
    // The middle of the slider leaves values as they are.
    this.gamma = new Slider("Gamma", [-GAMMA, GAMMA, 0.1], (at) => (2 ** at).toFixed(2), (at) => set({ gamma: Number((2 ** at).toFixed(3)) }));
    this.invert = new Tick("invert", (on) => set({ invert: on }));
    this.swatches = new Swatches((color) => set({ color }));
    const channels = explorer.infos[id]?.channels ?? [];
    this.channel = new Select("Channel", channels.map(({ name }, i) => [String(i), name || String(i)]), (value) => set({ channel: Number(value) }));
    this.channelRow = row("channel", this.channel.element);
    this.ahead.type = "number";
    this.ahead.step = "1";
    this.ahead.setAttribute("aria-label", "Planes ahead in z");
    this.ahead.title = "Show planes that lie this far on in z, over those of another layer";
    this.ahead.addEventListener("change", () => set({ z_offset: Math.round(Number(this.ahead.value) || 0) }));
    const auto = wordButton("auto", "From 1 to 99 percent of the values", () => this.auto());
    const own = wordButton("reset", "The window that the volume came with", () => explorer.update((state) => setWindow(setLayer(state, id, { gamma: 1, invert: false }), id, null)));
    const tools = make("div", "ndi-line", auto, own, make("span", "ndi-gap"), this.invert.element);
    this.element.append(this.histogram.element, tools, row("gamma", this.gamma.element), row("colour", this.swatches.element), this.channelRow, row("z offset", this.ahead));
  }

  refresh(shown: boolean): void {
    const layer = this.layer;
    if (layer === undefined || !shown) return;
    const info = this.explorer.infos[this.id];
    this.ask(layer);
    this.drawn();
    this.histogram.show({ window: windowOf(layer, info), gamma: layer.gamma, invert: layer.invert, dtype: info?.dtype ?? "uint8" });
    this.gamma.show(Math.round(10 * Math.log2(layer.gamma)) / 10);
    this.invert.show(layer.invert);
    this.swatches.show(colorOf(layer, info));
    visible(this.channelRow, (info?.channels.length ?? 0) > 1);
    this.channel.show(String(layer.channel));
    if (this.ahead.value !== String(layer.z_offset)) this.ahead.value = String(layer.z_offset);
  }

  /** Count what is on show, until the kernel has counted the volume. */
  drawn(): void {
    if (this.bins === null && this.explorer.status.loading === 0) this.count(binned(this.explorer.sample(this.id)));
  }

  take(message: HistogramMessage): void {
    const channel = this.layer?.channel ?? 0;
    if (message.counts.length === 0 || (message.channel ?? channel) !== channel) return;
    this.known = message;
    this.count(message);
  }

  private count(bins: Bins | null): void {
    this.bins = bins;
    this.histogram.count(bins);
  }

  private get layer(): ImageLayer | undefined {
    return this.explorer.state.layers.find((layer) => layer.id === this.id && layer.kind === "image") as ImageLayer | undefined;
  }

  /** Ask for the counts of this channel and version once. */
  private ask(layer: ImageLayer): void {
    const key = `${layer.channel}|${this.explorer.infos[this.id]?.version}`;
    if (key === this.asked) return;
    if (this.asked.split("|")[0] !== String(layer.channel)) {
      this.known = null;
      this.count(null);
    }
    this.asked = key;
    this.model.send({ t: "histogram", layer: this.id, channel: layer.channel, time: this.explorer.state.t });
  }

  private auto(): void {
    const [low, high] = [this.known?.percentiles["1"], this.known?.percentiles["99"]];
    const bins = this.bins ?? binned(this.explorer.sample(this.id));
    const known = low != null && high != null && low < high ? ([low, high] as const) : null;
    const window = known ?? (bins === null ? null : autoWindow(bins));
    if (window !== null) this.explorer.update((state) => setWindow(state, this.id, window));
  }
}
