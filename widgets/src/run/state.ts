/** What the page knows of a Run: messages in, a picture of the whole out. No DOM here. */

import { type Failure, type FromKernel, type Status, bytes, numbers } from "./wire";

export interface Patch {
  readonly y: number;
  readonly x: number;
  readonly h: number;
  readonly w: number;
  /** Grey (1 byte a pixel) or colour (3). */
  readonly pixels: Uint8Array;
}

/** What a message changed, for whoever draws. */
export type Change =
  | { readonly kind: "all" }
  | { readonly kind: "blocks"; readonly numbers: Uint32Array; readonly before: Uint8Array }
  | { readonly kind: "patch"; readonly patch: Patch }
  | { readonly kind: "failures" }
  | { readonly kind: "status" };

export class RunState {
  /** One state for each block; empty until the kernel has told. */
  states: Uint8Array = new Uint8Array(0);
  failures: readonly Failure[] = [];
  moreFailures = 0;

  constructor(public status: Status) {}

  /** Take in a message; null if it does not concern what is drawn. */
  receive(message: FromKernel, buffers: readonly (DataView | ArrayBuffer | Uint8Array)[]): Change | null {
    switch (message.t) {
      case "states":
        this.status = message.status;
        this.states = buffers[0] === undefined ? new Uint8Array(0) : bytes(buffers[0]).slice();
        return { kind: "all" };
      case "tick":
        this.status = message.status;
        return this.tick(buffers);
      case "patch": {
        if (buffers[0] === undefined) return null;
        const { y, x, h, w } = message;
        return { kind: "patch", patch: { y, x, h, w, pixels: bytes(buffers[0]) } };
      }
      case "failures":
        this.failures = message.failures;
        this.moreFailures = message.more;
        return { kind: "failures" };
      default:
        return null;
    }
  }

  private tick(buffers: readonly (DataView | ArrayBuffer | Uint8Array)[]): Change {
    const [which, what] = buffers;
    const changed = which === undefined ? new Uint32Array(0) : numbers(which);
    const after = what === undefined ? new Uint8Array(0) : bytes(what);
    const before = new Uint8Array(changed.length);
    changed.forEach((number, i) => {
      before[i] = this.states[number] ?? 0;
      if (number < this.states.length) this.states[number] = after[i] ?? 0;
    });
    return { kind: "blocks", numbers: changed, before };
  }
}
