/**
 * What is selected, told from view to view inside the page: no kernel takes part. One bus to a page, shared by bundles
 * that know nothing of each other; what they share is data, so that each may bring its own copy of this file. No DOM here.
 */

import type { Model } from "./anywidget";

export interface Selection {
  /** Exact decimal text; names, where a graph has those; of edges what `edgeId` makes of both ends. */
  readonly ids: readonly string[];
  /**
   * "select" stays; "hover" passes, and ends with no ids; "fly" asks that one be brought into sight; "alone" that nothing
   * else be shown, or all again, with no ids.
   */
  readonly kind: "select" | "hover" | "fly" | "alone";
  /** Who says it. */
  readonly source: string;
  /** What the ids are of: "rows", "synapses", "neurons", "edges". */
  readonly noun: string;
  /** nm, z, y, x: where it lies, if who says it knows. */
  readonly at?: readonly [number, number, number];
}

export type Listener = (selection: Selection) => void;

interface Channel {
  readonly listeners: Set<Listener>;
  /** What was selected last, of each noun; the latest at the end. */
  readonly last: Map<string, Selection>;
  /** What is said while something else is being told waits its turn: all hear everything in one order. */
  readonly waiting: Selection[];
  telling: boolean;
}

export interface Bus {
  publish(selection: Selection): void;
  /** Hear everything, one's own words too; returns how to stop it. */
  subscribe(listener: Listener): () => void;
  /** What was selected last; of one noun, if that is given. */
  current(noun?: string): Selection | undefined;
}

/** Stands in no id and no name. */
const BETWEEN = "\u0000";

export function edgeId(pre: string, post: string): string {
  return pre + BETWEEN + post;
}

export function endsOf(edge: string): readonly [string, string] {
  const at = edge.indexOf(BETWEEN);
  return [edge.slice(0, at), edge.slice(at + 1)];
}

/** Its number goes up when channels of old pages and new bundles would not understand each other. */
const NAME = Symbol.for("ndlab.bus.1");

/** The bus of a channel; without a name nobody speaks on it. */
export function bus(channel: string): Bus {
  if (channel === "") return { publish: () => {}, subscribe: () => () => {}, current: () => undefined };
  const found = channelOf(channel);
  return {
    publish: (selection) => tell(found, selection),
    subscribe: (listener) => {
      found.listeners.add(listener);
      return () => void found.listeners.delete(listener);
    },
    current: (noun) => (noun === undefined ? [...found.last.values()].at(-1) : found.last.get(noun)),
  };
}

/** What one view of a widget has of the bus: it follows the model's `channel`, and never hears itself. */
export class Joint {
  private readonly source: string;
  private bus: Bus;
  private leave: () => void = () => {};

  constructor(
    private readonly model: Model,
    name: string,
    private readonly hear: Listener,
  ) {
    // Two views of one model are two speakers.
    this.source = `${name}-${Math.random().toString(36).slice(2, 10)}`;
    this.bus = this.follow();
    model.on("change:channel", this.changed);
  }

  get linked(): boolean {
    return this.model.get("channel") !== "";
  }

  say(kind: Selection["kind"], noun: string, ids: readonly string[], at?: Selection["at"]): void {
    this.bus.publish({ ids, kind, noun, source: this.source, ...(at === undefined ? {} : { at }) });
  }

  current(noun?: string): Selection | undefined {
    return this.bus.current(noun);
  }

  close(): void {
    this.leave();
    this.model.off("change:channel", this.changed);
  }

  private follow(): Bus {
    const found = bus(String(this.model.get("channel") ?? ""));
    this.leave = found.subscribe((selection) => {
      if (selection.source !== this.source) this.hear(selection);
    });
    return found;
  }

  private readonly changed = (): void => {
    this.leave();
    this.bus = this.follow();
  };
}

function channelOf(name: string): Channel {
  const page = globalThis as unknown as Record<symbol, Map<string, Channel> | undefined>;
  const all = (page[NAME] ??= new Map());
  let found = all.get(name);
  if (found === undefined) {
    found = { listeners: new Set(), last: new Map(), waiting: [], telling: false };
    all.set(name, found);
  }
  return found;
}

function tell(channel: Channel, selection: Selection): void {
  channel.waiting.push(selection);
  if (channel.telling) return;
  channel.telling = true;
  try {
    for (let next = channel.waiting.shift(); next !== undefined; next = channel.waiting.shift()) {
      if (next.kind === "select") {
        channel.last.delete(next.noun);
        channel.last.set(next.noun, next);
      }
      for (const listener of [...channel.listeners]) heard(listener, next);
    }
  } finally {
    channel.telling = false;
  }
}

/** One view in trouble keeps no other from hearing. */
function heard(listener: Listener, selection: Selection): void {
  try {
    listener(selection);
  } catch (error) {
    console.error("ndlab: a linked view could not follow", error);
  }
}
