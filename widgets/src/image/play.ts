/** Runs through planes or times at a steady pace, never past what has come. */

import type { Frame, Picture } from "../core/frames";
import { CODEC, decode, layerOf } from "../core/frames";
import { NO_HOLES, cropped } from "../core/holes";
import type { Streams } from "../core/connection";
import type { Transport } from "../core/net";
import type { Loader } from "./loader";
import { type LayerPlane, type PanelPlan, SIDE, type Want, want } from "./planes";
import { type Infos, type ViewState, mainPlane, planeAxes, step, voxelSize } from "./state";

/** Planes that may lie ready; then the sender waits. */
const AHEAD = 24;

interface Box {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

/** One stream of planes, cut into the tiles that the picture is made of. */
export class PlaneStream {
  private readonly control = new AbortController();
  private readonly box: Box;
  private readonly first: number;
  private at: number;
  private wake = (): void => {};
  /** Nothing more comes this way, because everything did or because it broke. */
  over = false;
  /** What it was opened for. */
  readonly name: string;

  constructor(
    private readonly planes: readonly LayerPlane[],
    private readonly stride: number,
    quality: string,
    transport: () => Promise<Transport>,
    streams: Streams,
    private readonly loader: Loader,
  ) {
    const lead = planes[0] as LayerPlane;
    this.box = boxOf(lead);
    this.name = nameOf(planes, stride);
    this.at = lead.depth;
    this.first = lead.depth + stride;
    const last = stride > 0 ? lead.count - 1 : 0;
    void this.run(transport, streams, this.query(last, quality));
  }

  /** The picture shows this plane now. */
  shows(depth: number): void {
    this.at = depth;
    this.wake();
  }

  close(): void {
    this.control.abort();
    this.wake();
  }

  private async run(transport: () => Promise<Transport>, streams: Streams, query: Record<string, string>): Promise<void> {
    const { signal } = this.control;
    let back = (): void => {};
    try {
      back = await streams.take(1, true, signal);
      const way = await transport();
      await way.stream("play", query, (frame) => this.take(frame), signal);
    } catch {
      // What did not come this way is asked for tile by tile.
    } finally {
      back();
      this.over = true;
    }
  }

  private query(last: number, quality: string): Record<string, string> {
    const { query, window } = (this.planes[0] as LayerPlane).source;
    const { top, bottom, left, right } = this.box;
    const { vol: _vol, s: _side, ...rest } = query;
    return {
      vol: this.planes.map(({ source }) => source.query["vol"]).join(","),
      ...rest,
      q: quality,
      ...(quality !== "raw" && window !== null ? { win: window.join(",") } : {}),
      from: String(this.first),
      to: String(last),
      step: String(this.stride),
      box: [top, bottom, left, right].join(","),
    };
  }

  private async take(frame: Frame): Promise<void> {
    const plane = this.planes[layerOf(frame)];
    if (plane === undefined) return;
    const round = Math.round(((this.at - this.first) / this.stride - frame.index) / 65536);
    const depth = this.first + (frame.index + 65536 * round) * this.stride;
    const picture = await decode(frame);
    const window = frame.codec === CODEC.jpeg ? plane.source.window : null;
    this.cut(plane, depth, picture, window);
    while (!this.control.signal.aborted && Math.abs(depth - this.at) > AHEAD * Math.abs(this.stride)) {
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }

  private cut(plane: LayerPlane, depth: number, picture: Picture, window: readonly [number, number] | null): void {
    const { top, bottom, left, right } = this.box;
    for (let row = top / SIDE; row * SIDE < bottom; row++) {
      for (let col = left / SIDE; col * SIDE < right; col++) {
        const tile = piece(picture, row * SIDE - top, col * SIDE - left);
        this.loader.put(want(plane.source, depth, row, col, true), tile, window);
      }
    }
  }
}

/** Says which stream would be opened: as long as it is the same, the open one goes on. */
export function nameOf(planes: readonly LayerPlane[], stride: number): string {
  return JSON.stringify([planes.map(({ source }) => source.name), planes[0] && boxOf(planes[0]), stride]);
}

/** Whether one stream can carry all layers: they lie voxel on voxel. */
export function playable(plan: PanelPlan): boolean {
  const lead = plan.layers[0];
  if (lead === undefined || lead.level === null || lead.cells.length === 0) return false;
  const grid = (plane: LayerPlane): string =>
    JSON.stringify([plane.level, plane.slice, plane.depth, plane.count, plane.source.query["t"], plane.source.query["c"]]);
  return plan.layers.every((plane) => grid(plane) === grid(lead));
}

function boxOf({ cells }: LayerPlane): Box {
  return {
    top: Math.min(...cells.map((cell) => cell.top)),
    bottom: Math.max(...cells.map((cell) => cell.bottom)),
    left: Math.min(...cells.map((cell) => cell.left)),
    right: Math.max(...cells.map((cell) => cell.right)),
  };
}

/** The tile of a picture that begins at a row and a column of it. */
export function piece(picture: Picture, top: number, left: number): Picture {
  if (picture.kind === "error" || picture.kind === "outside") return picture;
  const height = Math.min(SIDE, picture.height - top);
  const width = Math.min(SIDE, picture.width - left);
  if (picture.kind === "values" && picture.holes.length > 0) {
    const holes = cropped(picture.holes, { top, left, bottom: top + height, right: left + width });
    return { ...piece({ ...picture, holes: NO_HOLES }, top, left), holes } as Picture;
  }
  if (picture.values.length === 1) return { ...picture, height, width };
  const whole = picture.width;
  // The same for all types of numbers.
  const rows = (from: Uint8Array, into: Uint8Array): Uint8Array => {
    for (let y = 0; y < height; y++) {
      const start = (top + y) * whole + left;
      into.set(from.subarray(start, start + width), y * width);
    }
    return into;
  };
  const kind = picture.values.constructor as new (length: number) => Uint8Array;
  const values = rows(picture.values as Uint8Array, new kind(height * width));
  return { ...picture, height, width, values } as Picture;
}

/** Plays one picture: steps when it is time and the next plane or time has come. */
export class Player {
  private stream: PlaneStream | null = null;
  private due = 0;

  constructor(
    readonly along: "z" | "t",
    readonly perSecond: number,
    private readonly loader: Loader,
    private readonly open: (planes: readonly LayerPlane[], stride: number, quality: string) => PlaneStream,
  ) {}

  get stride(): number {
    return Math.sign(this.perSecond);
  }

  /** What to ask for beside the picture: the next planes, where no stream brings them. */
  follow(plan: PanelPlan, only: boolean, quality: string): Want[] {
    const planes = plan.layers.filter((plane) => plane.cells.length > 0);
    const lead = planes[0];
    if (this.along === "t" || lead === undefined || !only || !playable(plan)) {
      this.close();
      return this.along === "t" ? [] : this.next(planes, 4);
    }
    if (this.stream?.name !== nameOf(planes, this.stride)) {
      this.close();
      const rest = this.stride > 0 ? lead.count - 1 - lead.depth : lead.depth;
      // One request has one window, and JPEGs of wide values need their own.
      const mixed = planes.length > 1 && planes.some(({ source }) => source.window !== null);
      if (rest > 0) this.stream = this.open(planes, this.stride, mixed ? "raw" : quality);
    }
    this.stream?.shows(lead.depth);
    return this.stream?.over === true ? this.next(planes, 4) : [];
  }

  /** Whether to step now. */
  step(plan: PanelPlan, now: number, waiting: number): boolean {
    if (now < this.due) return false;
    const planes = plan.layers.filter((plane) => plane.cells.length > 0);
    const ready =
      this.along === "t" ? waiting === 0 : this.next(planes, 1).every((want) => this.loader.cache.peek(want.key) !== undefined);
    if (!ready) return false;
    // Late is late: what was missed is not made up for.
    this.due = Math.max(this.due + 1000 / Math.abs(this.perSecond), now);
    return true;
  }

  close(): void {
    this.stream?.close();
    this.stream = null;
  }

  private next(planes: readonly LayerPlane[], many: number): Want[] {
    const found: Want[] = [];
    for (let i = 1; i <= many; i++) {
      for (const { source, depth, count, cells } of planes) {
        const at = depth + i * this.stride;
        if (at < 0 || at >= count) continue;
        for (const { row, col } of cells) found.push(want(source, at, row, col, false));
      }
    }
    return found;
  }
}

/** One plane on of the level that is drawn; the same state where there is none. */
export function stepLevel(state: ViewState, infos: Infos, main: PanelPlan, stride: number): ViewState {
  const lead = main.layers[0];
  if (lead === undefined || lead.depth + stride < 0 || lead.depth + stride >= lead.count) return state;
  const finest = lead.info.levels[0];
  const level = lead.info.levels[lead.level ?? 0];
  if (finest === undefined || level === undefined) return state;
  const plane = mainPlane(state.layout);
  const axis = planeAxes(plane).depth;
  return step(state, infos, plane, stride * Math.max(1, Math.round(voxelSize(level)[axis] / voxelSize(finest)[axis])));
}
