/** The picture of an Image Explorer: draws what the state says as soon as it can, and tells what it shows. */

import { Connection, pageStreams } from "../core/connection";
import type { Model } from "../core/anywidget";
import { Joint, type Selection } from "../core/bus";
import { HttpTransport, type Stores } from "../core/net";
import { Pointing } from "../core/pointing";
import { memo } from "../core/memo";
import { storesOf } from "./stores";
import { Motion } from "../core/prefetch";
import type { Event, Explorer, Facts, Panel, Pick, Place, Status } from "./explorer";
import { type Steps, stepLevel, stepsOf } from "./lanes";
import { NOWHERE, type Parts, pointed, pointedAt, said, told } from "./linked";
import { Loader } from "./loader";
import { pick, placeOf } from "./pick";
import { type LayerPlane, type PanelPlan, type Want, panelsOf, plan, visibleWants, want } from "./planes";
import { PlaneStream, Player } from "./play";
import { absentIn, drawnOf, placesOf, sampleOf } from "./report";
import { Shapes } from "./shapes";
import { Stage } from "./stage";
import { type Info, type Infos, type Vec3, type ViewState, setTime, voxelSize } from "./state";
import { Sync } from "./sync";
import type { Files } from "../zarr/reach";

/** Below this many bytes a second, what moves comes as JPEG; what stands is always exact. */
const SLOW = 12e6;
const STILL_MS = 250;
/** Planes fetched ahead where each message or chunk is dear. */
const FEW_AHEAD = 2;
const NONE: readonly string[] = [];

export interface Pixels {
  readonly width: number;
  readonly height: number;
  /** RGBA, row by row from the top. */
  readonly data: Uint8Array;
}

export class ImageView implements Explorer {
  readonly picture = document.createElement("div");
  facts: Facts | null = null;
  state: ViewState;
  infos: Infos;
  status: Status = { transport: null, loading: 0, layers: {}, absent: false, playing: false, lost: false };
  private readonly listeners = new Map<Event, Set<() => void>>();
  private readonly sync: Sync;
  private readonly joint: Joint;
  private readonly pointing: Pointing;
  private elsewhere = NOWHERE;
  private readonly outlined = memo((selection: readonly string[], segments: readonly string[]) => [...selection, ...segments]);
  private readonly connection: Connection;
  private readonly loader: Loader;
  private readonly shapes = new Shapes();
  private readonly stage: Stage;
  private readonly motions = new Map<string, Motion>();
  private plans: readonly PanelPlan[] = [];
  private player: Player | null = null;
  private frame = 0;
  private settle: ReturnType<typeof setTimeout> | null = null;
  private moved = -Infinity;
  private drawn = 0;
  private closed = false;
  private waiters: (() => void)[] = [];

  constructor(private readonly model: Model) {
    this.picture.className = "ndl-picture";
    this.sync = new Sync(model, {
      state: (change) => this.adopt(change(this.state)),
      infos: (infos) => this.setInfos(infos),
      shapes: () => this.setShapes(),
      endpoint: () => this.reconnect(),
      changed: (layer, version) => this.changed(layer, version),
      facts: (facts) => this.learn(facts),
      shoot: (n) => void this.shoot(n),
    });
    this.state = this.sync.first();
    this.infos = this.sync.infos();
    this.joint = new Joint(model, "image", (selection) => this.follow(selection));
    this.pointing = new Pointing(this.joint);
    this.connection = new Connection(model, () => this.sync.endpoint(), () => this.request(), () => this.stores());
    const net = { transport: () => this.connection.transport(), lost: () => this.connection.lost() };
    this.loader = new Loader(net, pageStreams(), () => this.request(), (tile) => this.stage.drop(tile), (key) => this.stage.pinned(key));
    this.stage = new Stage(this.picture, this.loader, this.shapes, () => {
      this.sync.size(this.picture.clientWidth, this.picture.clientHeight);
      this.request();
    });
    this.setShapes();
    void this.connection.transport();
    this.send({ t: "hello" });
  }

  // --- what the controls and the tests ask -------------------------------------------------------------------------

  update(change: (state: ViewState) => ViewState): void {
    const before = this.state;
    this.change(change(before));
    const news = said(before, this.state, this.parts());
    if (news !== null) this.joint.say("select", news.noun, news.ids);
  }

  on(event: Event, listener: () => void): () => void {
    const listeners = this.listeners.get(event) ?? new Set();
    this.listeners.set(event, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  panels(): readonly Panel[] {
    const { width, height } = this.stage.size;
    return panelsOf(this.state.layout, width, height);
  }

  placeAt(clientX: number, clientY: number): Place | null {
    const [x, y] = this.stage.pixelAt(clientX, clientY);
    return placeOf(this.state, this.plan(), x, y, this.stage.ratio);
  }

  pickAt(clientX: number, clientY: number): readonly Pick[] {
    const place = this.placeAt(clientX, clientY);
    const plan = this.plans.find(({ panel }) => panel.plane === place?.panel.plane);
    if (place === null || plan === undefined || this.stage.scene === null) return [];
    return pick(this.state, this.infos, plan, place.position, this.stage.scene, this.shapes);
  }

  get pointed(): Vec3 | null {
    return this.elsewhere.at;
  }

  point(picks: readonly Pick[]): void {
    if (!this.joint.linked) return;
    const { noun, ids } = pointedAt(picks, this.parts());
    this.pointing.at(noun, ids);
  }

  sample(layer: string): Float32Array {
    return sampleOf(this.plans, this.loader, layer);
  }

  calibration(info: Info): Vec3 | null {
    const level = info.levels[0];
    return level === undefined || info.calibrated === false || level.voxel_size === null ? null : voxelSize(level);
  }

  trait(name: string): unknown {
    return this.model.get(name);
  }

  onTrait(name: string, listener: () => void): () => void {
    this.model.on(`change:${name}`, listener);
    return () => this.model.off(`change:${name}`, listener);
  }

  hear(listener: (message: Readonly<Record<string, unknown>>) => void): () => void {
    this.model.on("msg:custom", listener);
    return () => this.model.off("msg:custom", listener);
  }

  send(message: Readonly<Record<string, unknown>>, buffers: readonly ArrayBuffer[] = []): void {
    this.model.send(message, undefined, buffers);
  }

  play(along: "z" | "t", perSecond: number): void {
    this.stop();
    if (perSecond === 0) return;
    this.player = new Player(along, perSecond, this.loader, (planes, stride, quality) => {
      const transport = (): ReturnType<Connection["transport"]> => this.connection.transport();
      return new PlaneStream(planes, stride, quality, transport, pageStreams(), this.loader);
    });
    this.report();
    this.request();
  }

  stop(): void {
    this.player?.close();
    this.player = null;
    this.report();
    this.request();
  }

  retry(): void {
    this.loader.retry();
    this.request();
  }

  /** What is on the canvas now. */
  pixels(): Pixels {
    this.draw();
    return this.stage.read();
  }

  /** Wait until everything that the state shows is drawn. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      this.waiters.push(resolve);
      this.request();
    });
  }

  /** Counts for tests and benchmarks. */
  get stats(): Readonly<Record<string, unknown>> {
    const { cache, counts } = this.loader;
    const { current } = this.connection;
    const rate = current instanceof HttpTransport ? current.meter.rate : null;
    return {
      ...counts, drawn: this.drawn, uploads: this.stage.uploads, cached: cache.size, cachedBytes: cache.bytes,
      transport: current?.name ?? null, rate, ratio: this.stage.ratio, panels: placesOf(this.plans),
    }; // prettier-ignore
  }

  close(): void {
    this.stop();
    this.closed = true;
    cancelAnimationFrame(this.frame);
    if (this.settle !== null) clearTimeout(this.settle);
    this.pointing.close();
    this.joint.close();
    this.sync.close();
    this.loader.close();
    this.connection.close();
    this.stage.close();
  }

  // --- drawing -----------------------------------------------------------------------------------------------------

  /** Draw with the next frame of the screen; whatever changes until then is drawn with it. */
  private request(): void {
    if (this.frame === 0 && !this.closed) this.frame = requestAnimationFrame((now) => this.tick(now));
  }

  private tick(now: number): void {
    this.frame = 0;
    if (this.player !== null) this.advance(this.player, now);
    this.draw();
    this.report();
    if (this.player !== null) this.request();
    // What stands is worth waiting for until it is exact; what plays is as good as the link.
    const final = this.player !== null || this.quality() === "raw";
    if (final && this.loader.waiting === 0 && this.stage.scene !== null && this.plans.length > 0) {
      for (const done of this.waiters.splice(0)) done();
    }
  }

  private draw(): void {
    this.plans = this.plan();
    if (this.plans.length === 0) return;
    this.loader.want([...visibleWants(this.plans), ...this.ahead()], this.quality());
    this.stage.draw(this.looks(), this.infos, this.plans);
    this.drawn++;
    this.tell("drawn");
  }

  /** As it is drawn: what another view points at looks as if it were selected, and is not. */
  private looks(): ViewState {
    const { state, elsewhere } = this;
    const layer = this.parts().neurons;
    if (layer === undefined || elsewhere.segments.length === 0) return state;
    return { ...state, selection: { ...state.selection, [layer]: this.outlined(state.selection[layer] ?? NONE, elsewhere.segments) } };
  }

  private plan(): readonly PanelPlan[] {
    const { width, height } = this.stage.size;
    return width < 1 || height < 1 ? [] : plan(this.state, this.infos, this.panels(), this.stage.ratio);
  }

  /** What to fetch beside what is shown: the next planes, as the view moves or plays. */
  private ahead(): Want[] {
    const [main] = this.plans;
    if (main === undefined) return [];
    if (this.player !== null) return this.player.follow(main, this.steps(this.player, main), this.plans.length === 1, this.quality());
    const now = performance.now();
    const steps = main.layers.map((plane) => {
      const depths = this.motion(plane).next(plane.depth, plane.count, now);
      return this.connection.current?.name === "http" ? depths : depths.slice(0, FEW_AHEAD);
    });
    const found: Want[] = [];
    for (let i = 0; i < Math.max(0, ...steps.map((depths) => depths.length)); i++) {
      main.layers.forEach((plane, k) => {
        const depth = steps[k]?.[i];
        if (depth !== undefined) for (const { row, col } of plane.cells) found.push(want(plane.source, depth, row, col, false));
      });
    }
    return found;
  }

  private motion(plane: LayerPlane): Motion {
    const name = `${plane.layer.id}|${plane.source.query["axis"]}|${plane.level}`;
    const motion = this.motions.get(name) ?? new Motion();
    this.motions.set(name, motion);
    motion.saw(plane.depth, performance.now());
    return motion;
  }

  private quality(): string {
    const still = this.player === null && performance.now() - this.moved > STILL_MS;
    const { current } = this.connection;
    const slow = current instanceof HttpTransport ? (current.meter.rate ?? Infinity) < SLOW : current?.name === "comm";
    return slow && !still ? "jpeg75" : "raw";
  }

  private steps(player: Player, main: PanelPlan): Steps {
    return stepsOf(this.state, this.infos, main, player.stride);
  }

  private advance(player: Player, now: number): void {
    const [main] = this.plans;
    if (main === undefined || !player.step(main, this.steps(player, main), now, this.loader.waiting)) return;
    const { state } = this;
    if (player.along === "t") this.update((before) => setTime(before, this.infos, before.t + player.stride));
    else this.update((before) => stepLevel(before, this.infos, main, player.stride));
    if (this.state === state || (player.along === "t" && this.state.t === state.t)) this.stop();
  }

  // --- news --------------------------------------------------------------------------------------------------------

  private follow(selection: Selection): void {
    if (selection.kind !== "hover") return this.change(told(this.state, this.parts(), selection));
    // While the pointer is here, what others say follows from what lies under it.
    const next = this.pointing.there ? NOWHERE : pointed(this.elsewhere, selection);
    if (next === this.elsewhere) return;
    this.elsewhere = next;
    this.tell("pointed");
    this.request();
  }

  private change(state: ViewState): void {
    if (state === this.state) return;
    this.adopt(state);
    this.sync.write(state);
  }

  private parts(): Parts {
    return (this.model.get("linked") ?? {}) as Parts;
  }

  private adopt(state: ViewState): void {
    if (state === this.state) return;
    this.state = state;
    this.moved = performance.now();
    if (this.settle !== null) clearTimeout(this.settle);
    // Then what came as JPEG is asked for exactly.
    this.settle = setTimeout(() => this.request(), STILL_MS + 20);
    this.tell("state");
    this.request();
  }

  private setInfos(infos: Infos): void {
    this.infos = infos;
    this.tell("infos");
    this.request();
  }

  private setShapes(): void {
    const kinds = new Map(this.state.layers.filter((layer) => layer.kind === "points" || layer.kind === "boxes").map((layer) => [layer.id, layer.kind as "points" | "boxes"]));
    this.shapes.set(kinds, this.sync.shapes());
    this.request();
  }

  private changed(layer: string, version: number | string): void {
    const info = this.infos[layer];
    if (info !== undefined) this.setInfos({ ...this.infos, [layer]: { ...info, version } });
  }

  private stores(): Stores | null {
    const files = (this.model.get("files") ?? null) as Files | null;
    return storesOf(() => this.infos, String(this.model.get("reader") ?? ""), this.model.get("transport") === "zarr", files);
  }

  private reconnect(): void {
    this.connection.lost();
    this.loader.retry();
    void this.connection.transport();
  }

  private learn(facts: Facts): void {
    this.facts = facts;
    this.tell("facts");
  }

  private async shoot(n: number): Promise<void> {
    await this.idle();
    this.draw();
    const png = await this.stage.png();
    this.send({ t: "shot", n }, [png]);
  }

  private report(): void {
    const status: Status = {
      transport: this.connection.current?.name ?? null,
      loading: this.loader.waiting,
      layers: drawnOf(this.plans, this.loader),
      absent: absentIn(this.plans, this.loader),
      playing: this.player !== null,
      lost: this.stage.scene === null,
    };
    if (JSON.stringify(status) === JSON.stringify(this.status)) return;
    const other = status.transport !== null && status.transport !== this.status.transport;
    this.status = status;
    if (other) {
      this.sync.carrier(status.transport);
      // What one way could not bring another may.
      this.loader.retry();
    }
    this.tell("status");
  }

  private tell(event: Event): void {
    for (const listener of this.listeners.get(event) ?? []) listener();
  }
}
