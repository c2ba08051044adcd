/** The layers beside the picture, the topmost first; dragged into another order by their grips. */

import type { Model } from "../core/anywidget";
import { make } from "../run/dom";
import { Card } from "./card";
import type { Desk, Held } from "./desk";
import type { Explorer } from "./explorer";
import type { HistogramMessage } from "./imagecard";
import { moveLayer } from "./state";

export class LayersPanel {
  readonly element = make("aside", "ndi-side");
  private readonly list = make("ul", "ndi-layers");
  private readonly cards = new Map<string, Card>();

  constructor(
    private readonly explorer: Explorer,
    private readonly desk: Held<Desk>,
    private readonly model: Model,
  ) {
    this.element.setAttribute("aria-label", "Layers");
    this.element.append(this.list);
  }

  refresh(): void {
    const layers = [...this.explorer.state.layers].reverse();
    const names = new Set(layers.map(({ id }) => id));
    for (const [id, card] of this.cards) {
      if (names.has(id)) continue;
      card.element.remove();
      this.cards.delete(id);
    }
    layers.forEach((layer, at) => {
      const before = this.cards.get(layer.id);
      const card = before?.is(layer) ? before : this.make(layer.id, layer.kind);
      if (before !== undefined && before !== card) before.element.remove();
      this.cards.set(layer.id, card);
      this.put(card.element, at);
      card.refresh();
    });
  }

  /** A new picture is there. */
  drawn(): void {
    for (const card of this.cards.values()) card.drawn();
  }

  take(message: HistogramMessage): void {
    this.cards.get(message.layer)?.take(message);
  }

  private make(id: string, kind: Parameters<Card["is"]>[0]["kind"]): Card {
    const card = new Card(this.explorer, this.desk, this.model, id, kind);
    card.grip.addEventListener("pointerdown", (event) => this.grab(event, card));
    return card;
  }

  /** Moved only where it is not there yet: what is moved loses the focus. */
  private put(element: HTMLElement, at: number): void {
    const there = this.list.children[at] ?? null;
    if (there === element) return;
    const active = (this.list.getRootNode() as Document | ShadowRoot).activeElement;
    this.list.insertBefore(element, there);
    if (active instanceof HTMLElement && element.contains(active)) active.focus();
  }

  private grab(down: PointerEvent, card: Card): void {
    if (down.button !== 0) return;
    down.preventDefault();
    const { grip, element } = card;
    grip.focus();
    const done = new AbortController();
    const { signal } = done;
    element.classList.add("ndi-dragged");
    // The list moves under the pointer, and with it what captured it: listen to the page.
    window.addEventListener("pointermove", (event) => this.drag(event, element), { signal });
    const end = (): void => {
      done.abort();
      element.classList.remove("ndi-dragged");
    };
    window.addEventListener("pointerup", end, { signal });
    window.addEventListener("pointercancel", end, { signal });
  }

  private drag(event: PointerEvent, element: HTMLElement): void {
    const id = element.dataset["layer"];
    const cards = [...this.list.children];
    const own = cards.indexOf(element);
    // Past the middle of a neighbour's head they change places.
    const middle = (at: number): number => {
      const head = cards[at]?.firstElementChild?.getBoundingClientRect();
      return head === undefined ? NaN : head.y + head.height / 2;
    };
    if (id === undefined) return;
    if (event.clientY < middle(own - 1)) this.explorer.update((state) => moveLayer(state, id, 1));
    else if (event.clientY > middle(own + 1)) this.explorer.update((state) => moveLayer(state, id, -1));
  }
}
