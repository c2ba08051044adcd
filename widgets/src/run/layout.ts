/**
 * Where each block is drawn: slabs of the grid side by side in reading order, one small cell a block, or a cell for
 * several blocks where a million of them would not fit.
 */

import type { Triple } from "./wire";

export interface Layout {
  /** Blocks along time points and channels, z, y, x; and how many of them make a cell. */
  readonly counts: readonly [number, number, number, number];
  readonly bin: readonly [number, number, number, number];
  /** Cells along each. */
  readonly cells: readonly [number, number, number, number];
  /** Side of a cell, gap within it, and gap between slabs [px]. */
  readonly cell: number;
  readonly inset: number;
  readonly gap: number;
  /** Slabs in a row. */
  readonly columns: number;
  readonly width: number;
  readonly height: number;
}

const LARGEST = 18;
const SMALLEST = 3;

/** The layout with the largest cells that fits; binned only if even the smallest do not. */
export function layout(counts: Triple, lead: number, width: number, maxHeight: number): Layout {
  const all = [Math.max(1, lead), ...counts] as [number, number, number, number];
  const bin: [number, number, number, number] = [1, 1, 1, 1];
  for (;;) {
    const cells = all.map((n, i) => Math.ceil(n / (bin[i] ?? 1))) as [number, number, number, number];
    for (let cell = LARGEST; cell >= SMALLEST; cell--) {
      const found = arrange(cells, cell, width);
      if (found !== null && found.height <= maxHeight) return { counts: all, bin: [...bin], cells, ...found };
    }
    const widest = cells[1] * cells[0] > 4 * Math.max(cells[2], cells[3]) ? (cells[1] > 1 ? 1 : 0) : longest(cells);
    bin[widest] = (bin[widest] ?? 1) * 2;
  }
}

/** The axis of (z, y, x) with most cells; time points and channels are joined last. */
function longest(cells: readonly number[]): number {
  let found = 3;
  for (const axis of [2, 1]) if ((cells[axis] ?? 0) > (cells[found] ?? 0)) found = axis;
  return (cells[found] ?? 0) > 1 ? found : 0;
}

type Arranged = Pick<Layout, "cell" | "inset" | "gap" | "columns" | "width" | "height">;

function arrange(cells: readonly [number, number, number, number], cell: number, width: number): Arranged | null {
  const slabs = cells[0] * cells[1];
  const gap = slabs > 1 ? Math.max(4, Math.min(10, cell)) : 0;
  const [w, h] = [cells[3] * cell, cells[2] * cell];
  const columns = Math.min(slabs, Math.floor((width + gap) / (w + gap)));
  if (columns < 1) return null;
  const rows = Math.ceil(slabs / columns);
  const inset = cell >= 8 ? 2 : cell >= 4 ? 1 : 0;
  return { cell, inset, gap, columns, width: columns * (w + gap) - gap, height: rows * (h + gap) - gap };
}

/** Number of cells. */
export function size(layout: Layout): number {
  return layout.cells.reduce((a, b) => a * b, 1);
}

/** The cell that block `number` belongs to. */
export function cellOf(layout: Layout, number: number): number {
  const { counts, bin, cells } = layout;
  let rest = number;
  const x = rest % counts[3];
  rest = Math.floor(rest / counts[3]);
  const y = rest % counts[2];
  rest = Math.floor(rest / counts[2]);
  const z = rest % counts[1];
  const l = Math.floor(rest / counts[1]);
  const row = Math.floor(l / bin[0]) * cells[1] + Math.floor(z / bin[1]);
  return (row * cells[2] + Math.floor(y / bin[2])) * cells[3] + Math.floor(x / bin[3]);
}

/** Upper left corner of a cell [px]. */
export function corner(layout: Layout, cell: number): { x: number; y: number } {
  const { cells, columns, gap } = layout;
  const x = cell % cells[3];
  const y = Math.floor(cell / cells[3]) % cells[2];
  const slab = Math.floor(cell / (cells[3] * cells[2]));
  return {
    x: (slab % columns) * (cells[3] * layout.cell + gap) + x * layout.cell,
    y: Math.floor(slab / columns) * (cells[2] * layout.cell + gap) + y * layout.cell,
  };
}

/** The cell under a point [px]; null between slabs and outside. */
export function cellAt(layout: Layout, px: number, py: number): number | null {
  const { cells, columns, gap, cell } = layout;
  const [w, h] = [cells[3] * cell, cells[2] * cell];
  const [column, row] = [Math.floor(px / (w + gap)), Math.floor(py / (h + gap))];
  const [x, y] = [Math.floor((px - column * (w + gap)) / cell), Math.floor((py - row * (h + gap)) / cell)];
  const slab = row * columns + column;
  if (px < 0 || py < 0 || column >= columns || x >= cells[3] || y >= cells[2] || slab >= cells[0] * cells[1]) return null;
  return (slab * cells[2] + y) * cells[3] + x;
}

export type Range = readonly [start: number, stop: number];

/** The grid positions that a cell covers: time points and channels, z, y, x; half-open. */
export function covered(layout: Layout, cell: number): readonly [Range, Range, Range, Range] {
  const { counts, bin, cells } = layout;
  const at = [
    Math.floor(cell / (cells[3] * cells[2] * cells[1])),
    Math.floor(cell / (cells[3] * cells[2])) % cells[1],
    Math.floor(cell / cells[3]) % cells[2],
    cell % cells[3],
  ];
  return at.map((i, axis) => {
    const k = bin[axis] ?? 1;
    return [i * k, Math.min((i + 1) * k, counts[axis] ?? 1)] as const;
  }) as unknown as readonly [Range, Range, Range, Range];
}
