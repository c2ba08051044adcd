/** Tiles: asks for what is wanted, most urgent first, drops what is out of date, keeps what came. No DOM here. */

import type { Streams } from "../core/connection";
import { CODEC, type Frame, type Picture, decode, decodeQuick, isQuick, pixelBytes } from "../core/frames";
import type { Texture } from "../core/gl";
import { Lru } from "../core/lru";
import { Refused, type Transport } from "../core/net";
import { type Source, type Want, want } from "./planes";
import type { Labels } from "./rim";

/** What came for one key, and what the graphics made of it. */
export interface Tile {
  readonly want: Want;
  readonly picture: Picture;
  /** Value = low + number / 255 * (high - low), where the numbers are those of a JPEG; null: they are the values. */
  readonly window: readonly [number, number] | null;
  texture: Texture | null;
  /** The colours of its ids, for each layer that shows it. */
  luts: Map<string, { texture: Texture; version: number }> | null;
  /** Where its ids differ from those of the tiles beside it, of which these were there. */
  rim: { texture: Texture; known: number } | null;
}

interface Flight {
  readonly source: Source;
  readonly wants: readonly Want[];
  readonly left: Set<string>;
  readonly quality: string;
  readonly visible: boolean;
  readonly started: number;
  readonly control: AbortController;
}

/** Keys of one request, at most: the server takes no more. */
const MOST_KEYS = 64;
const FLIGHTS = 2;
/** Bytes that one request fetches ahead. */
const AHEAD_BYTES = 16 << 20;
/** A plane that was asked for is worth waiting for this long, even if the view has gone on: else a fast scroll shows nothing. */
const PATIENCE_MS = 300;
const OVERHEAD = 512;

export interface Net {
  /** The way to the kernel; asks anew after `lost`. */
  transport(): Promise<Transport>;
  /** It does not answer any more. */
  lost(): void;
}

export class Loader {
  readonly cache: Lru<Tile>;
  /** The last tile that came for each place, whatever its plane: `Source` without time and plane. */
  private readonly recent = new Map<string, string>();
  private readonly flights = new Set<Flight>();
  private wanted = new Map<string, Want>();
  private quality = "raw";
  private retries = 0;
  private closed = false;
  readonly counts = { requests: 0, aborted: 0, tiles: 0, bytes: 0 };

  constructor(
    private readonly net: Net,
    private readonly streams: Streams,
    private readonly arrived: () => void,
    evicted: (tile: Tile) => void,
    pinned: (key: string) => boolean,
    capacity = 256 << 20,
  ) {
    const gone = (tile: Tile): void => {
      const { source, row, col, key } = tile.want;
      if (this.recent.get(place(source, row, col)) === key) this.recent.delete(place(source, row, col));
      evicted(tile);
    };
    this.cache = new Lru(capacity, gone, pinned);
  }

  /** Want these from now on, the most urgent first, and nothing else. */
  want(wants: readonly Want[], quality = "raw"): void {
    this.wanted = new Map(wants.map((one) => [one.key, one]));
    this.quality = quality;
    for (const flight of [...this.flights]) if (this.outOfDate(flight)) this.abort(flight);
    this.launch();
  }

  /** Tiles that the picture still waits for. */
  get waiting(): number {
    let count = 0;
    for (const want of this.wanted.values()) if (want.visible && this.lacks(want)) count++;
    return count;
  }

  /** The tile that came last for a place, of whatever plane. */
  latest(source: Source, row: number, col: number): Tile | undefined {
    const key = this.recent.get(place(source, row, col));
    return key === undefined ? undefined : this.cache.peek(key);
  }

  /** Keep what came by another way than a request for it. */
  put(want: Want, picture: Picture, window: Tile["window"]): void {
    this.counts.tiles++;
    this.cache.set(want.key, { want, picture, window, texture: null, luts: null, rim: null }, sizeOf(picture));
    // What was fetched ahead stands in for nothing: what was on show stays.
    if (want.visible && (picture.kind === "values" || picture.kind === "labels")) {
      this.recent.set(place(want.source, want.row, want.col), want.key);
    }
    this.arrived();
  }

  /** The labels of the tile so many rows and columns from another one, in its plane. */
  beside({ source, depth, row, col }: Want, rows: number, cols: number): Labels | undefined {
    const picture = this.cache.peek(want(source, depth, row + rows, col + cols, false).key)?.picture;
    return picture?.kind === "labels" ? picture : undefined;
  }

  /** Ask again for what could not be read. */
  retry(): void {
    this.cache.clear((_, tile) => tile.picture.kind === "error");
    this.launch();
  }

  close(): void {
    this.closed = true;
    for (const flight of [...this.flights]) this.abort(flight);
    this.cache.clear();
  }

  private lacks(want: Want): boolean {
    const tile = this.cache.peek(want.key);
    if (tile === undefined) return true;
    const rough = tile.picture.kind === "values" && !tile.picture.exact;
    return rough && want.visible && this.quality === "raw";
  }

  private outOfDate(flight: Flight): boolean {
    const useful = [...flight.left].filter((key) => this.wanted.has(key));
    if (useful.length === 0) return !flight.visible || performance.now() - flight.started > PATIENCE_MS || !this.near(flight);
    if (flight.visible) return false;
    // What is fetched ahead makes room for what is needed now.
    const urgent = [...this.wanted.values()].some((want) => want.visible && this.lacks(want) && !this.inFlight(want.key));
    return urgent && this.flights.size >= FLIGHTS && !useful.some((key) => this.wanted.get(key)?.visible);
  }

  /** Whether a request is for the planes beside those wanted now. */
  private near(flight: Flight): boolean {
    const axis = place(flight.source, 0, 0);
    for (const want of this.wanted.values()) if (place(want.source, 0, 0) === axis) return true;
    return false;
  }

  private inFlight(key: string): boolean {
    for (const flight of this.flights) if (flight.left.has(key)) return true;
    return false;
  }

  private abort(flight: Flight): void {
    this.counts.aborted++;
    this.flights.delete(flight);
    flight.control.abort();
  }

  private launch(): void {
    while (!this.closed && this.flights.size < FLIGHTS) {
      const open = [...this.wanted.values()].filter((want) => this.lacks(want) && !this.inFlight(want.key));
      const first = open[0];
      if (first === undefined) return;
      if (!first.visible && [...this.flights].some((flight) => !flight.visible)) return;
      void this.fly(this.board(first, open));
    }
  }

  /** One request: everything of the same source, in order, as much as it may hold. */
  private board(first: Want, open: readonly Want[]): Flight {
    const wants: Want[] = [];
    let ahead = 0;
    for (const want of open) {
      if (want.source.name !== first.source.name || wants.length >= MOST_KEYS) continue;
      if (!want.visible) ahead += want.source.bytes;
      if (want.visible || ahead <= AHEAD_BYTES) wants.push(want);
    }
    const flight: Flight = {
      source: first.source,
      wants,
      left: new Set(wants.map((want) => want.key)),
      quality: this.quality,
      visible: first.visible,
      started: performance.now(),
      control: new AbortController(),
    };
    this.flights.add(flight);
    return flight;
  }

  private async fly(flight: Flight): Promise<void> {
    const { signal } = flight.control;
    let back = (): void => {};
    try {
      back = await this.streams.take(flight.visible ? 2 : 0, false, signal);
      const transport = await this.net.transport();
      this.counts.requests++;
      await transport.stream("tiles", ask(flight), (frame) => this.take(flight, frame), signal);
      // An answer whose last bytes were there before it was given up ends as if it had not been.
      for (const want of signal.aborted ? [] : flight.wants) if (flight.left.has(want.key)) this.fail(flight, want, "the answer left this tile out");
      this.retries = 0;
    } catch (error) {
      back();
      if (!signal.aborted) await this.failed(flight, error);
    } finally {
      back();
      this.flights.delete(flight);
      this.arrived();
      this.launch();
    }
  }

  private async failed(flight: Flight, error: unknown): Promise<void> {
    const gone = !(error instanceof Refused) || error.status >= 500 || [401, 403, 404].includes(error.status);
    // A kernel that was restarted has no such key any more; neither has a volume that was never there.
    const final = error instanceof Refused && this.retries >= 2 && error.status < 500;
    if (gone && !final) {
      this.retries++;
      this.net.lost();
      const seconds = Math.min(30, 0.25 * 2 ** this.retries);
      await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
      return;
    }
    const message = error instanceof Error ? error.message : String(error);
    for (const want of flight.wants) if (flight.left.has(want.key)) this.fail(flight, want, message);
  }

  private fail(flight: Flight, want: Want, message: string): void {
    this.keep(flight, want, { kind: "error", message });
  }

  private take(flight: Flight, frame: Frame): void | Promise<void> {
    const want = flight.wants[frame.index];
    if (want === undefined || flight.control.signal.aborted) return;
    this.counts.bytes += frame.payload.length;
    if (isQuick(frame)) this.keep(flight, want, decodeQuick(frame), frame);
    else return decode(frame).then((picture) => this.keep(flight, want, picture, frame));
  }

  private keep(flight: Flight, want: Want, picture: Picture, frame?: Frame): void {
    flight.left.delete(want.key);
    this.put(want, picture, frame?.codec === CODEC.jpeg ? flight.source.window : null);
  }
}

function ask({ source, wants, quality }: Flight): Record<string, string> {
  const query: Record<string, string> = { ...source.query, q: quality };
  if (quality !== "raw" && source.window !== null) query["win"] = source.window.join(",");
  query["k"] = wants.map(({ depth, row, col }) => `${depth},${row},${col}`).join(";");
  return query;
}

function place(source: Source, row: number, col: number): string {
  const { vol, lod, axis, c } = source.query;
  return `${vol}|${lod}|${axis}|${c}|${row},${col}`;
}

function sizeOf(picture: Picture): number {
  return OVERHEAD + pixelBytes(picture) + (picture.kind === "labels" ? 12 * picture.ids.length : 0);
}
