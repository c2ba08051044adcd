/** One line above linked views: what is selected, what it was called, and the way to it. */

import type { Model } from "../core/anywidget";
import { Press } from "../core/press";
import { same } from "../core/same";
import { button, make, say, visible } from "../run/dom";
import { isDark } from "../run/palette";
import { watchTheme } from "../image/theme";
import type { Hub } from "./hub";
import type { Chosen } from "./mapping";
import { sentence } from "./words";

type Named = Readonly<Record<string, Chosen>>;

export class Bar {
  readonly element = make("section", "ndl-link");
  private readonly said = make("span", "ndl-link-said");
  private readonly names = make("span", "ndl-link-names");
  private readonly name = make("input", "ndl-link-name");
  private readonly keep = button("", "Keep", () => this.save());
  private readonly fly = button("", "Fly there", () => this.hub.fly(this.hub.chosen));
  private readonly alone = button("", "Isolate", () => this.hub.alone(this.hub.chosen.ids));
  private readonly all = button("", "Show all", () => this.hub.alone([]));
  private readonly clear = button("", "Clear", () => this.hub.choose({ ...this.hub.chosen, ids: [] }));
  private readonly press = new Press(this.names, () => this.refresh());
  private readonly ends: readonly (() => void)[];

  constructor(
    private readonly hub: Hub,
    private readonly model: Model,
  ) {
    this.element.setAttribute("aria-label", "Linked selection");
    this.said.setAttribute("role", "status");
    this.name.placeholder = "Name it";
    this.name.setAttribute("aria-label", "Name of the selection");
    this.name.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter") this.save();
    });
    this.name.addEventListener("input", () => this.refresh());
    this.element.dataset["lmSuppressShortcuts"] = "true";
    this.element.append(this.said, this.fly, this.alone, this.all, this.clear, make("span", "ndl-link-gap"), this.names, this.name, this.keep);
    for (const one of [this.alone, this.all]) visible(one, model.get("segments") === true);
    this.all.title = "Show every segment of the picture again";
    const named = (): void => this.refresh();
    model.on("change:named", named);
    this.ends = [hub.on(() => this.refresh()), watchTheme(() => this.refresh()), () => model.off("change:named", named)];
    this.refresh();
    // Only on the page can it be told whether that is dark.
    requestAnimationFrame(() => this.refresh());
  }

  close(): void {
    for (const end of this.ends) end();
    this.element.remove();
  }

  private get named(): Named {
    return (this.model.get("named") ?? {}) as Named;
  }

  private refresh(): void {
    const { chosen, mapping } = this.hub;
    const { rows, synapses } = mapping.follows(chosen);
    this.element.classList.toggle("ndl-dark", isDark(this.element));
    say(this.said, sentence(chosen, synapses.length, chosen.noun === "synapses" ? mapping.ends(chosen.ids) : 0));
    this.element.dataset["rows"] = String(rows.length);
    this.clear.disabled = chosen.ids.length === 0;
    this.fly.disabled = mapping.place(chosen) === null;
    this.alone.disabled = chosen.noun !== "neurons" || chosen.ids.length === 0;
    this.alone.title = this.alone.disabled ? "Select a neuron first: of those the picture has segments" : "Show only the segments of what is selected";
    this.keep.disabled = chosen.ids.length === 0 || this.name.value.trim() === "";
    visible(this.names, Object.keys(this.named).length > 0);
    if (this.press.holds()) return;
    this.names.replaceChildren(
      ...Object.entries(this.named).map(([name, one]) => {
        const chip = button("ndl-link-chip", name, () => this.hub.choose(one));
        chip.setAttribute("aria-pressed", String(same(one, chosen)));
        return chip;
      }),
    );
  }

  private save(): void {
    const name = this.name.value.trim();
    if (name === "" || this.hub.chosen.ids.length === 0) return;
    this.name.value = "";
    this.model.set("named", { ...this.named, [name]: this.hub.chosen });
    this.model.save_changes();
    this.refresh();
  }
}
