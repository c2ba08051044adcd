/** From nm to levels, planes and tiles: what a panel of the picture shows of a volume. */

/** A plane of a level: what tiles are cut from. All pairs are columns, rows. */
export interface Slice {
  /** Voxels. */
  readonly shape: readonly [number, number];
  /** nm of one voxel. */
  readonly size: readonly [number, number];
  /** nm of the outer corner of voxel (0, 0). */
  readonly origin: readonly [number, number];
}

/** A rectangle in device pixels from the top left corner of the canvas. */
export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Where nm stand on the canvas. */
export interface Projection {
  /** nm, columns and rows, that stand at device pixel `at`. */
  readonly base: readonly [number, number];
  readonly at: readonly [number, number];
  /** nm for each device pixel. */
  readonly scale: number;
}

/** A tile of a plane: its row and column, and the voxels in it, cropped to the plane. */
export interface TileCell {
  readonly row: number;
  readonly col: number;
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/**
 * The projection of a panel. The corner of the base lies on a whole pixel: at whole zooms every voxel then covers whole
 * pixels, and a pixel shows one voxel.
 *
 * @param centre nm, columns and rows, in the middle of the panel
 * @param base nm of a corner of voxels
 */
export function projection(
  panel: Rect,
  centre: readonly [number, number],
  base: readonly [number, number],
  scale: number,
): Projection {
  const at = (axis: 0 | 1, start: number, length: number): number =>
    Math.round(start + length / 2 - (centre[axis] - base[axis]) / scale);
  return { base, at: [at(0, panel.x, panel.width), at(1, panel.y, panel.height)], scale };
}

/** Device pixel -> nm; axis 0 is columns. */
export function toNm(view: Projection, axis: 0 | 1, pixel: number): number {
  return view.base[axis] + (pixel - view.at[axis]) * view.scale;
}

/** nm -> device pixel; axis 0 is columns. */
export function toPixel(view: Projection, axis: 0 | 1, nm: number): number {
  return view.at[axis] + (nm - view.base[axis]) / view.scale;
}

/** Where voxels of a plane stand on the canvas. */
export function rectOf(view: Projection, slice: Slice, cell: Pick<TileCell, "left" | "top" | "right" | "bottom">): Rect {
  const x = toPixel(view, 0, slice.origin[0] + cell.left * slice.size[0]);
  const y = toPixel(view, 1, slice.origin[1] + cell.top * slice.size[1]);
  const right = toPixel(view, 0, slice.origin[0] + cell.right * slice.size[0]);
  const bottom = toPixel(view, 1, slice.origin[1] + cell.bottom * slice.size[1]);
  return { x, y, width: right - x, height: bottom - y };
}

/** What two rectangles share; null if nothing. */
export function overlap(a: Rect, b: Rect): Rect | null {
  const [x, y] = [Math.max(a.x, b.x), Math.max(a.y, b.y)];
  const width = Math.min(a.x + a.width, b.x + b.width) - x;
  const height = Math.min(a.y + a.height, b.y + b.height) - y;
  return width > 0 && height > 0 ? { x, y, width, height } : null;
}

/** Whether `inner` lies within `outer`, to a hundredth of a pixel. */
export function within(outer: Rect, inner: Rect): boolean {
  const slack = 0.01;
  return (
    inner.x >= outer.x - slack &&
    inner.y >= outer.y - slack &&
    inner.x + inner.width <= outer.x + outer.width + slack &&
    inner.y + inner.height <= outer.y + outer.height + slack
  );
}

/** More tiles than this for one plane are not asked for: a level is missing that would show it with few. */
export const MOST_TILES = 256;

export interface Choice {
  /** The level that suits the zoom. */
  readonly wanted: number;
  /** The one to draw; null if none can be. */
  readonly level: number | null;
  readonly trouble: string | null;
}

/**
 * The coarsest level whose voxels are not larger than a pixel, along the finer axis of the plane; where that one cannot
 * be read, the next finer one of few enough tiles, else the next coarser one, and in words why.
 *
 * @param slices the plane in each level, the finest first
 * @param missing why each level cannot be read; null if it can
 * @param tiles how many tiles of a level the panel shows
 */
export function chooseLevel(
  slices: readonly Slice[],
  missing: readonly (string | null)[],
  scale: number,
  tiles: (level: number) => number,
): Choice {
  let wanted = 0;
  slices.forEach((slice, level) => {
    // A hair's breadth: that 8.000001 nm still count as 8.
    if (Math.min(...slice.size) <= scale * (1 + 1e-6)) wanted = Math.max(wanted, level);
  });
  const why = missing[wanted] ?? null;
  if (why === null) {
    const many = tiles(wanted) > MOST_TILES;
    return { wanted, level: wanted, trouble: many ? "no level is coarse enough to show all of this: zoom in" : null };
  }
  const readable = (level: number): boolean => level >= 0 && level < slices.length && (missing[level] ?? null) === null;
  const tell = (level: number | null): Choice => ({
    wanted,
    level,
    trouble: `level ${wanted}: ${why}${level === null ? "" : `; level ${level} is shown`}`,
  });
  for (let level = wanted - 1; level >= 0; level--) if (readable(level) && tiles(level) <= MOST_TILES) return tell(level);
  for (let level = wanted + 1; level < slices.length; level++) if (readable(level)) return tell(level);
  return tell(null);
}

interface Range {
  readonly from: number;
  readonly to: number;
}

function tilesAlong(view: Projection, slice: Slice, axis: 0 | 1, start: number, length: number, side: number): Range {
  const voxel = (pixel: number): number => (toNm(view, axis, pixel) - slice.origin[axis]) / slice.size[axis];
  const count = Math.ceil(slice.shape[axis] / side);
  // A millionth of a voxel outside shows nothing.
  const from = Math.max(0, Math.floor(voxel(start) / side + 1e-6));
  const to = Math.min(count, Math.ceil(voxel(start + length) / side - 1e-6));
  return { from, to: Math.max(from, to) };
}

/** How many tiles of a plane a panel shows. */
export function countTiles(panel: Rect, view: Projection, slice: Slice, side: number): number {
  const cols = tilesAlong(view, slice, 0, panel.x, panel.width, side);
  const rows = tilesAlong(view, slice, 1, panel.y, panel.height, side);
  return (cols.to - cols.from) * (rows.to - rows.from);
}

/** The tiles of a plane that a panel shows, from its centre outwards; `MOST_TILES` at most. */
export function visibleTiles(panel: Rect, view: Projection, slice: Slice, side: number): TileCell[] {
  let cols = tilesAlong(view, slice, 0, panel.x, panel.width, side);
  let rows = tilesAlong(view, slice, 1, panel.y, panel.height, side);
  if ((cols.to - cols.from) * (rows.to - rows.from) > MOST_TILES) [cols, rows] = [middle(cols), middle(rows)];
  const found: TileCell[] = [];
  for (let row = rows.from; row < rows.to; row++) {
    for (let col = cols.from; col < cols.to; col++) found.push(cellAt(slice, side, row, col));
  }
  const [x, y] = [panel.x + panel.width / 2, panel.y + panel.height / 2];
  const far = (cell: TileCell): number => {
    const rect = rectOf(view, slice, cell);
    return Math.hypot(rect.x + rect.width / 2 - x, rect.y + rect.height / 2 - y);
  };
  return found
    .map((cell) => ({ cell, far: far(cell) }))
    .sort((a, b) => a.far - b.far)
    .map(({ cell }) => cell);
}

function middle({ from, to }: Range): Range {
  const side = Math.sqrt(MOST_TILES);
  const start = Math.max(from, Math.floor((from + to - side) / 2));
  return { from: start, to: Math.min(to, start + side) };
}

/** The tile in a row and column of tiles. */
export function cellAt(slice: Slice, side: number, row: number, col: number): TileCell {
  return {
    row,
    col,
    left: col * side,
    top: row * side,
    right: Math.min(slice.shape[0], (col + 1) * side),
    bottom: Math.min(slice.shape[1], (row + 1) * side),
  };
}
