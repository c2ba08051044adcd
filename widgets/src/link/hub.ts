/** Hears what one view selects, and tells the others what follows: inside the page, whatever the kernel does. */

import type { Model } from "../core/anywidget";
import { Joint, type Selection } from "../core/bus";
import { same } from "../core/same";
import { Settled } from "../core/settled";
import { type Chosen, Mapping, type Told } from "./mapping";

const NOUNS = ["rows", "synapses", "neurons", "edges"] as const;

export class Hub {
  chosen: Chosen;
  readonly mapping: Mapping;
  private readonly joint: Joint;
  private readonly settled: Settled<Chosen>;
  private readonly listeners = new Set<() => void>();

  constructor(model: Model) {
    this.mapping = new Mapping(model.get("mapping") as Told);
    this.settled = new Settled<Chosen>(model, "chosen", (chosen) => this.take(chosen));
    this.joint = new Joint(model, "link", (selection) => this.hear(selection));
    this.chosen = this.settled.first();
    // Views that are made later ask for it.
    this.tell(this.chosen);
  }

  on(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Select from here, and tell everybody. */
  choose(chosen: Chosen): void {
    this.put(chosen);
    this.tell(chosen);
    this.show(chosen);
  }

  fly(chosen: Chosen): void {
    const at = this.mapping.place(chosen);
    if (at !== null) this.joint.say("fly", chosen.noun, chosen.ids.slice(0, 1), at);
  }

  /** Have neurons shown alone in the picture; without ids all are shown again. */
  alone(ids: readonly string[]): void {
    this.joint.say("alone", "neurons", ids);
  }

  close(): void {
    this.joint.close();
    this.settled.close();
    this.listeners.clear();
  }

  private hear({ kind, noun, ids, at, source }: Selection): void {
    const chosen = this.mapping.chosen(noun, ids);
    // Who knows where to fly needs nobody in between.
    if (chosen === null || kind === "alone" || (kind === "fly" && at !== undefined)) return;
    if (kind === "hover") return this.point(chosen);
    if (kind === "fly") return this.fly(chosen);
    this.put(chosen);
    this.tell(chosen, noun);
    // A neuron that is shown alone and lies elsewhere would leave the picture empty.
    if (!source.startsWith("image")) this.show(chosen);
  }

  /** What passes is told of every noun: only here it is known what follows, and where it lies. */
  private point(chosen: Chosen): void {
    const follows = this.mapping.follows(chosen);
    const at = chosen.noun === "synapses" ? (this.mapping.place(chosen) ?? undefined) : undefined;
    for (const noun of NOUNS) this.joint.say("hover", noun, follows[noun], at);
  }

  private show(chosen: Chosen): void {
    if (chosen.noun === "neurons" && chosen.ids.length === 1) this.fly(chosen);
  }

  private put(chosen: Chosen): void {
    this.chosen = chosen;
    this.settled.write(chosen);
    this.listeners.forEach((listener) => listener());
  }

  /** What the kernel wishes. */
  private take(chosen: Chosen): void {
    if (same(chosen, this.chosen)) return;
    this.chosen = chosen;
    this.listeners.forEach((listener) => listener());
    this.tell(chosen);
    this.show(chosen);
  }

  /** All but whoever said it, and knows. */
  private tell(chosen: Chosen, spoken = ""): void {
    const follows = this.mapping.follows(chosen);
    for (const noun of NOUNS) if (noun !== spoken) this.joint.say("select", noun, follows[noun]);
  }
}
