/** Between what is selected in a plot and the rows of the table. No DOM here. */

import { type Column, numberAt, textAt } from "./data";

export interface Way {
  /** Which of the plot's marks to show as selected; null for as they are. */
  indices(mask: Uint8Array, selected: number): number[] | null;
  /** The rows that selected marks stand for. */
  mask(indices: readonly number[], before: Uint8Array): Uint8Array | null;
}

/** A mark for each row; rows that the plot has no mark for keep what they were while some mark is chosen. */
export function ofRows(rows: ArrayLike<number>): Way {
  return {
    indices(mask) {
      const found: number[] = [];
      for (let i = 0; i < rows.length; i++) if (mask[rows[i] ?? 0]) found.push(i);
      return found;
    },
    mask(indices, before) {
      const found = new Uint8Array(before.length);
      for (const i of indices) found[rows[i] ?? 0] = 1;
      return found;
    },
  };
}

/** A mark for a range of values, of one class or of all; the last range has its upper end, too. */
export function ofRanges(
  lows: ArrayLike<number>, highs: ArrayLike<number>, classes: ArrayLike<string>, count: number,
  value: () => Column | null, kind: () => Column | null, passing: () => Uint8Array,
): Way {
  let top = -Infinity;
  for (let i = 0; i < highs.length; i++) top = Math.max(top, highs[i] ?? top);
  const named = new Set(Array.from(classes));
  return {
    // Bars say how many, not which.
    indices: (_, selected) => (selected === 0 ? [] : null),
    mask(indices) {
      const [column, of, there] = [value(), kind(), passing()];
      if (column === null) return null;
      const found = new Uint8Array(count);
      for (let row = 0; row < count; row++) {
        if (!there[row]) continue;
        const at = numberAt(column, row);
        const name = of === null ? null : textAt(of, row);
        found[row] = indices.some((i) => {
          const [low, high, own] = [lows[i] ?? 0, highs[i] ?? 0, classes[i] ?? ""];
          if (!(at >= low && (at < high || (at === high && high === top)))) return false;
          return name === null || own === name || (own === "other" && !named.has(name));
        }) ? 1 : 0;
      }
      return found;
    },
  };
}

/** A mark for several rows: shown as chosen where any of them is. */
export function ofGroups(groups: ArrayLike<ArrayLike<number>>): Way {
  return {
    indices(mask) {
      const found: number[] = [];
      for (let i = 0; i < groups.length; i++) if (Array.from(groups[i] ?? []).some((row) => mask[row] === 1)) found.push(i);
      return found;
    },
    mask(indices, before) {
      const found = new Uint8Array(before.length);
      for (const i of indices) for (const row of Array.from(groups[i] ?? [])) found[row] = 1;
      return found;
    },
  };
}
