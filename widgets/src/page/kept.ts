/** A model without a kernel: its traits are what was kept, and what is sent reaches nobody. No DOM here. */

import type { Model } from "../core/anywidget";

/** Bytes as JSON has them. */
interface Encoded {
  readonly base64: string;
}

type Listener = (...args: never[]) => void;

export class Kept implements Model {
  private readonly traits: Map<string, unknown>;
  private readonly listeners = new Map<string, Set<Listener>>();

  constructor(traits: Readonly<Record<string, unknown>>) {
    this.traits = new Map(Object.entries(decoded(traits) as Record<string, unknown>));
  }

  get(name: string): unknown {
    return this.traits.get(name);
  }

  set(name: string, value: unknown): void {
    this.traits.set(name, value);
    for (const listener of [...(this.listeners.get(`change:${name}`) ?? [])]) (listener as () => void)();
  }

  save_changes(): void {}

  send(): void {}

  on(event: string, callback: Listener): void {
    this.listeners.set(event, (this.listeners.get(event) ?? new Set()).add(callback));
  }

  off(event: string, callback: Listener): void {
    this.listeners.get(event)?.delete(callback);
  }
}

/** JSON values with bytes where they were encoded. */
export function decoded(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(decoded);
  if (value === null || typeof value !== "object") return value;
  if (Object.keys(value).join() === "base64") return bytesOf((value as Encoded).base64);
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, decoded(one)]));
}

function bytesOf(text: string): Uint8Array {
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes;
}
