/** One trait of a model: it goes out a tenth of a second after it settled, and comes in at once. */

import type { Model } from "./anywidget";
import { same } from "./same";

const DEBOUNCE_MS = 100;
/** What was sent so lately and is heard again while someone moves is an echo, and no wish of the kernel. */
const ECHO_MS = 1000;

export class Settled<T> {
  private clock: ReturnType<typeof setTimeout> | null = null;
  private pending: T | null = null;
  private sent: { readonly value: T; readonly at: number }[] = [];

  constructor(
    private readonly model: Model,
    private readonly trait: string,
    private readonly told: (value: T) => void,
  ) {
    model.on(`change:${trait}`, this.hear);
  }

  first(): T {
    return this.model.get(this.trait) as T;
  }

  write(value: T): void {
    this.pending = value;
    this.clock ??= setTimeout(() => this.flush(), DEBOUNCE_MS);
  }

  close(): void {
    this.flush();
    this.model.off(`change:${this.trait}`, this.hear);
  }

  /** Send what waits. */
  flush(): void {
    if (this.clock !== null) clearTimeout(this.clock);
    const [value, now] = [this.pending, performance.now()];
    [this.clock, this.pending] = [null, null];
    if (value === null || same(value, this.model.get(this.trait))) return;
    this.sent = [...this.sent.filter(({ at }) => now - at < ECHO_MS), { value, at: now }];
    this.model.set(this.trait, value);
    this.model.save_changes();
  }

  private readonly hear = (): void => {
    const value = this.first();
    const now = performance.now();
    if (this.pending !== null && this.sent.some((one) => now - one.at < ECHO_MS && same(one.value, value))) return;
    // Older than what the kernel says now.
    this.pending = null;
    this.told(value);
  };
}
