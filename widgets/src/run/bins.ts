/** How many blocks of each cell are in which state; a change costs the same however many blocks there are. */

import { type Layout, cellOf, covered, size } from "./layout";
import { BEFORE, DONE, STATES } from "./wire";

export class Bins {
  /** Blocks in a cell. */
  readonly total: Uint32Array;
  private readonly counts: readonly Uint32Array[];

  constructor(
    readonly layout: Layout,
    states: Uint8Array,
  ) {
    const n = size(layout);
    this.total = new Uint32Array(n);
    this.counts = Array.from({ length: STATES }, () => new Uint32Array(n));
    for (let cell = 0; cell < n; cell++) {
      this.total[cell] = covered(layout, cell).reduce((product, [a, b]) => product * (b - a), 1);
    }
    for (let number = 0; number < states.length; number++) this.add(cellOf(layout, number), states[number] ?? 0, 1);
  }

  /** Blocks of `cell` in `state`. */
  count(cell: number, state: number): number {
    return this.counts[state]?.[cell] ?? 0;
  }

  /** Blocks of `cell` that are done, whichever Run did them. */
  done(cell: number): number {
    return this.count(cell, DONE) + this.count(cell, BEFORE);
  }

  /** Move a block from one state to another; returns its cell. */
  change(number: number, from: number, to: number): number {
    const cell = cellOf(this.layout, number);
    this.add(cell, from, -1);
    this.add(cell, to, 1);
    return cell;
  }

  private add(cell: number, state: number, by: number): void {
    const row = this.counts[state];
    if (row !== undefined) row[cell] = (row[cell] ?? 0) + by;
  }
}
