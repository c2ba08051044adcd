/** Runs through planes or times at a steady pace, never past what has come. */

import type { Frame, Picture } from "../core/frames";
import { CODEC, decode, layerOf } from "../core/frames";
import { NO_HOLES, cropped } from "../core/holes";
import type { Streams } from "../core/connection";
import type { Transport } from "../core/net";
import { type Lane, type Steps, depthAfter, lanesOf } from "./lanes";
import type { Loader } from "./loader";
import { type LayerPlane, type PanelPlan, SIDE, type Source, type Want, sourceOf, want } from "./planes";
import type { Plane } from "./state";

/** Planes that may lie ready; then the sender waits. */
const AHEAD = 24;
/** Planes that are asked for ahead where no stream brings them. */
const MANY = 4;
/** So long a stream may wait for a connection before its planes are asked for another way. */
const PATIENCE_MS = 500;
/** Streams at once: each is a connection of the few that a page has. */
const LANES = 2;

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
  private state: "waiting" | "open" | "over" = "waiting";
  private readonly asked = performance.now();
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

  /** Whether planes come this way, or will: not if no connection is free, all of them came, or it broke. */
  get flows(): boolean {
    return this.state === "open" || (this.state === "waiting" && performance.now() - this.asked < PATIENCE_MS);
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
      this.state = "open";
      const way = await transport();
      await way.stream("play", query, (frame) => this.take(frame), signal);
    } catch {
      // What did not come this way is asked for tile by tile.
    } finally {
      back();
      this.state = "over";
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
  private readonly streams = new Map<string, PlaneStream>();
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

  /** What to ask for beside the picture: the next planes or times that no stream brings. */
  follow(plan: PanelPlan, steps: Steps, only: boolean, quality: string): Want[] {
    const lanes = this.along === "z" && only ? lanesOf(plan, steps).filter(({ stride }) => stride !== 0) : [];
    const wanted = new Map(lanes.slice(0, LANES).map((lane) => [nameOf(lane.planes, lane.stride), lane]));
    for (const [name, stream] of this.streams) {
      if (wanted.has(name)) continue;
      stream.close();
      this.streams.delete(name);
    }
    const carried = new Set<LayerPlane>();
    for (const [name, lane] of wanted) {
      const stream = this.streams.get(name) ?? this.start(name, lane, quality);
      stream?.shows((lane.planes[0] as LayerPlane).depth);
      if (stream?.flows) for (const plane of lane.planes) carried.add(plane);
    }
    return this.next(plan.layers.filter((plane) => !carried.has(plane)), steps, MANY);
  }

  private start(name: string, { planes, stride }: Lane, quality: string): PlaneStream | undefined {
    const lead = planes[0] as LayerPlane;
    if (lead.depth + stride < 0 || lead.depth + stride >= lead.count) return undefined;
    // One request has one window, and JPEGs of wide values need their own.
    const mixed = planes.length > 1 && planes.some(({ source }) => source.window !== null);
    const stream = this.open(planes, stride, mixed ? "raw" : quality);
    this.streams.set(name, stream);
    return stream;
  }

  /** Whether to step now. */
  step(plan: PanelPlan, steps: Steps, now: number, waiting: number): boolean {
    if (now < this.due) return false;
    const next = this.along === "t" ? [] : this.next(plan.layers, steps, 1);
    const ready = this.along === "t" ? waiting === 0 : next.every((want) => this.loader.cache.peek(want.key) !== undefined);
    if (!ready) return false;
    // Late is late: what was missed is not made up for.
    this.due = Math.max(this.due + 1000 / Math.abs(this.perSecond), now);
    return true;
  }

  close(): void {
    for (const stream of this.streams.values()) stream.close();
    this.streams.clear();
  }

  /** The tiles of the next planes, or times; what is there already is asked for by nobody. */
  private next(planes: readonly LayerPlane[], steps: Steps, many: number): Want[] {
    const found: Want[] = [];
    for (let i = 1; i <= many; i++) {
      for (const plane of planes) {
        const [source, depth] = this.along === "t" ? [timeOf(plane, i * this.stride), plane.depth] : [plane.source, depthAfter(plane, i, steps)];
        if (source === null || depth < 0 || depth >= plane.count) continue;
        for (const { row, col } of plane.cells) found.push(want(source, depth, row, col, false));
      }
    }
    return found;
  }
}

/** What to ask of a plane so many times on; null where there is none, or it is the same. */
function timeOf({ info, layer, level, source }: LayerPlane, times: number): Source | null {
  const at = Number(source.query["t"]) + times;
  if (level === null || at < 0 || at >= info.times) return null;
  return sourceOf(info, layer.channel, level, source.query["axis"] as Plane, at);
}
