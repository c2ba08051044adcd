/** What only this page knows: which layer is at hand, how broad the brush is, what lies under the pointer. */

import type { Pick, Place } from "./explorer";

export interface Desk {
  /** The layer that keys and brush act on. */
  readonly layer: string | null;
  readonly cross: boolean;
  /** Layers beside the picture. */
  readonly side: boolean;
  readonly help: boolean;
  /** Views under names, over the picture. */
  readonly views: boolean;
  /** Of the brush, CSS pixels. */
  readonly radius: number;
  /** The id that the brush paints; "0" wipes. */
  readonly paint: string;
  readonly place: Place | null;
  /** What is under the pointer, top to bottom. */
  readonly picks: readonly Pick[];
}

export class Held<T extends object> {
  private readonly listeners = new Set<(before: T) => void>();

  constructor(public now: T) {}

  set(patch: Partial<T>): void {
    const before = this.now;
    if (Object.entries(patch).every(([name, value]) => Object.is(before[name as keyof T], value))) return;
    this.now = { ...before, ...patch };
    for (const listener of this.listeners) listener(before);
  }

  on(listener: (before: T) => void): void {
    this.listeners.add(listener);
  }
}

export const FIRST: Desk = { layer: null, cross: false, side: true, help: false, views: false, radius: 8, paint: "1", place: null, picks: [] };
