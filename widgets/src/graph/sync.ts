/** The state goes out a tenth of a second after it settled, and comes in at once. */

import type { Model } from "../core/anywidget";
import { type GraphState, same } from "./state";

const DEBOUNCE_MS = 100;
/** What was sent so lately and is heard again while someone moves is an echo, and no wish of the kernel. */
const ECHO_MS = 1000;

export class Sync {
  private clock: ReturnType<typeof setTimeout> | null = null;
  private pending: GraphState | null = null;
  private sent: { readonly state: GraphState; readonly at: number }[] = [];

  constructor(
    private readonly model: Model,
    private readonly told: (state: GraphState) => void,
  ) {
    model.on("change:state", this.hear);
  }

  first(): GraphState {
    return this.model.get("state") as GraphState;
  }

  write(state: GraphState): void {
    this.pending = state;
    this.clock ??= setTimeout(() => this.flush(), DEBOUNCE_MS);
  }

  close(): void {
    this.flush();
    this.model.off("change:state", this.hear);
  }

  /** Send what waits. */
  flush(): void {
    if (this.clock !== null) clearTimeout(this.clock);
    const [state, now] = [this.pending, performance.now()];
    [this.clock, this.pending] = [null, null];
    if (state === null || same(state, this.model.get("state"))) return;
    this.sent = [...this.sent.filter(({ at }) => now - at < ECHO_MS), { state, at: now }];
    this.model.set("state", state);
    this.model.save_changes();
  }

  private readonly hear = (): void => {
    const state = this.first();
    const now = performance.now();
    if (this.pending !== null && this.sent.some((one) => now - one.at < ECHO_MS && same(one.state, state))) return;
    // Older than what the kernel says now.
    this.pending = null;
    this.told(state);
  };
}
