/** What lies under the pointer of one view, told to the others: once a frame at most, and never the same twice. */

import type { Joint } from "./bus";
import { same } from "./same";

interface Said {
  readonly noun: string;
  readonly ids: readonly string[];
}

const NOTHING: Said = { noun: "", ids: [] };

export class Pointing {
  private said = NOTHING;
  private next = NOTHING;
  private frame: number | null = null;

  constructor(private readonly joint: Joint) {}

  /** Whether the others were told of something, and of no end of it. */
  get there(): boolean {
    return this.said.ids.length > 0;
  }

  /** What is there now; no ids for nothing. */
  at(noun: string, ids: readonly string[]): void {
    if (!this.joint.linked) return;
    this.next = { noun, ids };
    this.frame ??= requestAnimationFrame(() => this.tell());
  }

  /** What was pointed at is so no more. */
  close(): void {
    if (this.frame !== null) cancelAnimationFrame(this.frame);
    this.next = { noun: this.said.noun, ids: [] };
    if (this.there) this.tell();
  }

  private tell(): void {
    this.frame = null;
    const { noun, ids } = this.next;
    // An end is one, whatever it is the end of.
    if (same(ids, this.said.ids) && (ids.length === 0 || noun === this.said.noun)) return;
    this.said = this.next;
    this.joint.say("hover", noun, ids);
  }
}
