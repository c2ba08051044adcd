/** One layer in the list: seen or not, its name, how much of it, and what its kind has to set. */

import type { Model } from "../core/anywidget";
import { percent } from "../core/words";
import { make, say, visible } from "../run/dom";
import type { Desk, Held } from "./desk";
import type { Explorer } from "./explorer";
import { type HistogramMessage, BLENDS, ImageBody } from "./imagecard";
import { LabelsBody } from "./labelscard";
import { Select, Slider, iconButton, press, repaint, row } from "./parts";
import { ShapesBody } from "./shapescard";
import { type Blend, type Layer, colorOf, moveLayer, setLayer } from "./state";

/** What a kind of layer has to set. */
export interface Body {
  readonly element: HTMLElement;
  refresh(shown: boolean): void;
  drawn?(): void;
  take?(message: HistogramMessage): void;
}

export class Card {
  readonly element = make("li", "ndi-card");
  readonly grip: HTMLButtonElement;
  private readonly eye: HTMLButtonElement;
  private readonly name = make("button", "ndi-card-name");
  private readonly sign = make("i", "ndi-sign");
  private readonly level = make("span", "ndi-of");
  private readonly opacity: Slider;
  private readonly blend: Select;
  private readonly inside = make("div", "ndi-inside-card");
  private readonly body: Body;

  constructor(
    private readonly explorer: Explorer,
    private readonly desk: Held<Desk>,
    model: Model,
    private readonly id: string,
    private readonly kind: Layer["kind"],
  ) {
    this.body = bodyOf(explorer, desk, model, id, kind);
    this.grip = iconButton("grip", `Move ${id} in the stack`, "drag, or arrow keys", () => undefined);
    this.grip.classList.add("ndi-grip");
    this.grip.addEventListener("keydown", (event) => this.shift(event));
    this.eye = iconButton("eye", "", "", () => this.toggle());
    this.name.type = "button";
    this.name.append(this.sign, make("span", "ndi-layer-name", id), this.level);
    this.name.title = id;
    this.name.addEventListener("click", () => desk.set({ layer: desk.now.layer === id ? null : id }));
    const set = (patch: Parameters<typeof setLayer>[2]): void => explorer.update((state) => setLayer(state, id, patch));
    this.opacity = new Slider("Opacity", [0, 1, 0.01], (value) => percent(value, 1), (value) => set({ opacity: value }));
    this.blend = new Select("Blend", BLENDS, (value) => set({ blend: value as Blend }));
    this.inside.append(row("opacity", this.opacity.element));
    if (kind === "image") this.inside.append(row("blend", this.blend.element));
    this.inside.append(this.body.element);
    this.element.append(make("div", "ndi-card-head", this.eye, this.name, this.grip), this.inside);
    this.element.dataset["layer"] = id;
  }

  refresh(): void {
    const layer = this.explorer.state.layers.find((one) => one.id === this.id);
    if (layer === undefined) return;
    const open = this.desk.now.layer === this.id;
    this.element.classList.toggle("ndi-open", open);
    this.element.classList.toggle("ndi-unseen", !layer.visible);
    this.name.setAttribute("aria-expanded", String(open));
    visible(this.inside, open);
    repaint(this.eye, layer.visible ? "eye" : "closed", layer.visible ? `Hide ${this.id}` : `Show ${this.id}`);
    press(this.eye, layer.visible);
    this.sign.className = `ndi-sign ndi-sign-${layer.kind}`;
    if (layer.kind !== "labels") this.sign.style.setProperty("--ndi-color", `#${colorOf(layer, this.explorer.infos[this.id])}`);
    const drawn = this.explorer.status.layers[this.id];
    const trouble = layer.visible ? (drawn?.trouble ?? "") : "";
    this.element.classList.toggle("ndi-troubled", trouble !== "");
    this.name.title = trouble ? `${this.id}: ${trouble}` : this.id;
    say(this.level, layer.kind === "image" || layer.kind === "labels" ? "" : layer.kind);
    if (open) {
      this.opacity.show(layer.opacity);
      this.blend.show(layer.blend);
    }
    this.body.refresh(open);
  }

  drawn(): void {
    if (this.desk.now.layer === this.id) this.body.drawn?.();
  }

  take(message: HistogramMessage): void {
    this.body.take?.(message);
  }

  is(layer: Layer): boolean {
    return layer.kind === this.kind;
  }

  private toggle(): void {
    this.explorer.update((state) => {
      const layer = state.layers.find((one) => one.id === this.id);
      return layer === undefined ? state : setLayer(state, this.id, { visible: !layer.visible });
    });
  }

  /** Up on the page is up in the stack. */
  private shift(event: KeyboardEvent): void {
    const by = event.key === "ArrowUp" ? 1 : event.key === "ArrowDown" ? -1 : 0;
    if (by === 0) return;
    event.preventDefault();
    event.stopPropagation();
    this.explorer.update((state) => moveLayer(state, this.id, by));
    this.grip.focus();
  }
}

function bodyOf(explorer: Explorer, desk: Held<Desk>, model: Model, id: string, kind: Layer["kind"]): Body {
  if (kind === "image") return new ImageBody(explorer, model, id);
  return kind === "labels" ? new LabelsBody(explorer, desk, id) : new ShapesBody(explorer, model, id);
}
