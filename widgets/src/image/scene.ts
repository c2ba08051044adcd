/** Draws one picture: panel by panel, layer over layer, each place by the best tile there is for it. */

import type { Gl } from "../core/gl";
import { type Rect, overlap, rectOf, within } from "../core/viewport";
import { type Canvas, Painter, blendAs } from "./layers";
import type { Loader, Tile } from "./loader";
import type { LayerPlane, PanelPlan } from "./planes";
import { SIDE, lowestImage, want } from "./planes";
import { COPY_FRAGMENT, RECT_VERTEX } from "./shaders";
import type { Shapes } from "./shapes";
import type { ImageLayer, Infos, LabelsLayer, ViewState } from "./state";

/** What was drawn of a layer in a panel, to be drawn again until something newer is there. */
interface Held {
  readonly tile: Tile;
  readonly plane: LayerPlane;
  readonly cell: { readonly left: number; readonly top: number; readonly right: number; readonly bottom: number };
}

/** From this many layers on, eight bits for what lies between them are too few to end within one grey level. */
const MANY = 3;

export class Scene {
  readonly painter: Painter;
  /** By panel and layer: what each place showed last. */
  private held = new Map<string, Map<string, Held>>();
  private readonly pins = new Set<string>();
  private buffer: { handle: WebGLFramebuffer; texture: WebGLTexture; width: number; height: number } | null = null;

  constructor(
    private readonly gl: Gl,
    private readonly loader: Loader,
    private readonly shapes: Shapes,
  ) {
    this.painter = new Painter(gl, loader);
  }

  /** Whether a tile is on show and has to stay. */
  pinned(key: string): boolean {
    return this.pins.has(key);
  }

  /** Draw a state; tiles that are still to come are stood in for by what was there before. */
  draw(state: ViewState, infos: Infos, plans: readonly PanelPlan[], canvas: Canvas): void {
    const { gl } = this.gl;
    const fine = plans.some((plan) => plan.layers.length >= MANY);
    this.target(fine ? canvas : null);
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.disable(gl.SCISSOR_TEST);
    gl.clearColor(0, 0, 0, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.enable(gl.SCISSOR_TEST);
    this.painter.begin(canvas);
    this.pins.clear();
    const live = new Set<string>();
    for (const plan of plans) {
      for (const layer of state.layers) {
        const plane = plan.layers.find((one) => one.layer.id === layer.id);
        this.scissor(plan.rect, canvas);
        if (plane !== undefined) {
          live.add(`${plan.panel.plane}|${layer.id}`);
          this.layer(state, plan, plane, canvas);
        } else if (layer.visible && (layer.kind === "points" || layer.kind === "boxes")) {
          blendAs(gl, "normal");
          this.shapes.draw(this.gl, state, layer, infos, plan, canvas);
        }
      }
    }
    for (const key of this.held.keys()) if (!live.has(key)) this.held.delete(key);
    if (fine) this.copy(canvas);
  }

  /** The tile that stands for a cell at this moment, of this plane or not. */
  shown(plan: PanelPlan, plane: LayerPlane, row: number, col: number): Tile | undefined {
    return this.held.get(`${plan.panel.plane}|${plane.layer.id}`)?.get(place(plane, row, col))?.tile;
  }

  private layer(state: ViewState, plan: PanelPlan, plane: LayerPlane, canvas: Canvas): void {
    if (plane.level === null || plane.choice.trouble?.startsWith("no level") === true) this.nothing(plan, plane);
    const name = `${plan.panel.plane}|${plane.layer.id}`;
    const before = this.held.get(name) ?? new Map<string, Held>();
    const after = new Map<string, Held>();
    let complete = true;
    for (const cell of plane.cells) {
      const tile = this.tileOf(plane, cell.row, cell.col);
      const key = place(plane, cell.row, cell.col);
      const rect = rectOf(plan.view, plane.slice, cell);
      if (tile !== undefined) {
        after.set(key, { tile, plane, cell });
        this.paint(state, plan, { tile, plane, cell });
        continue;
      }
      complete = false;
      const nearest = this.nearest(plane, before.get(key), cell.row, cell.col);
      if (nearest !== undefined) {
        after.set(key, { tile: nearest, plane, cell });
        this.paint(state, plan, { tile: nearest, plane, cell });
      } else this.standIn(state, plan, plane, rect, [...before.values()], canvas);
    }
    // What other levels showed is kept until this one shows everything.
    if (!complete) for (const [key, held] of before) if (!after.has(key)) after.set(key, held);
    for (const { tile } of after.values()) this.pins.add(tile.want.key);
    this.held.set(name, after);
  }

  private tileOf(plane: LayerPlane, row: number, col: number): Tile | undefined {
    return this.loader.cache.get(want(plane.source, plane.depth, row, col, true).key);
  }

  /** Of what the place showed and what came last for it, the one nearer to the plane that is wanted. */
  private nearest(plane: LayerPlane, held: Held | undefined, row: number, col: number): Tile | undefined {
    const latest = this.loader.latest(plane.source, row, col);
    const far = (tile: Tile): number => Math.abs(tile.want.depth - plane.depth);
    if (held === undefined || latest === undefined) return held?.tile ?? (latest && far(latest) <= 16 ? latest : undefined);
    return far(latest) < far(held.tile) ? latest : held.tile;
  }

  /** Show within `rect` what is there of coarser levels, else of whatever was shown before. */
  private standIn(state: ViewState, plan: PanelPlan, plane: LayerPlane, rect: Rect, before: readonly Held[], canvas: Canvas): void {
    const clip = overlap(rect, plan.rect);
    if (clip === null) return;
    const found = this.coarser(plan, plane, clip) ?? before.filter((held) => overlap(this.rectOf(plan, held), clip) !== null);
    if (found.length === 0) return;
    this.scissor(clip, canvas);
    for (const held of found) this.paint(state, plan, held);
    this.scissor(plan.rect, canvas);
  }

  /** The one cached tile of a coarser level that covers all of `clip`. */
  private coarser(plan: PanelPlan, plane: LayerPlane, clip: Rect): Held[] | null {
    for (let other = plane.coarser(); other !== null; other = other.coarser()) {
      for (const cell of other.cells) {
        if (!within(rectOf(plan.view, other.slice, cell), clip)) continue;
        const tile = this.tileOf(other, cell.row, cell.col);
        if (tile?.picture.kind === "values" || tile?.picture.kind === "labels") return [{ tile, plane: other, cell }];
      }
    }
    return null;
  }

  private paint(state: ViewState, plan: PanelPlan, held: Held): void {
    const rect = this.rectOf(plan, held);
    if (overlap(rect, plan.rect) === null) return;
    const { layer, info } = held.plane;
    const current = plan.layers.find((one) => one.layer.id === layer.id)?.layer ?? layer;
    this.painter.tile(state, current as ImageLayer | LabelsLayer, info, held.tile, rect, lowestImage(plan)?.layer.id === layer.id);
  }

  private rectOf(plan: PanelPlan, { plane, cell }: Held): Rect {
    return rectOf(plan.view, plane.slice, cell);
  }

  /** The whole of a plane that cannot be shown, as such. */
  private nothing(plan: PanelPlan, { slice, layer, depth, count }: LayerPlane): void {
    if (depth < 0 || depth >= count) return;
    const whole = { left: 0, top: 0, right: slice.shape[0], bottom: slice.shape[1] };
    const rect = overlap(rectOf(plan.view, slice, whole), plan.rect);
    if (rect !== null) this.painter.hatch(rect, layer.opacity, true);
  }

  /** Only pixels whose middle lies in a rectangle. */
  private scissor(rect: Rect, canvas: Canvas): void {
    const edge = (at: number): number => Math.ceil(at - 0.5);
    const [left, right] = [edge(rect.x), edge(rect.x + rect.width)];
    const [top, bottom] = [edge(rect.y), edge(rect.y + rect.height)];
    this.gl.gl.scissor(left, canvas.height - bottom, Math.max(0, right - left), Math.max(0, bottom - top));
  }

  /** Draw onto the canvas, or into ten bits a colour of the size of one. */
  private target(size: Canvas | null): void {
    const { gl } = this.gl;
    if (size === null) {
      gl.bindFramebuffer(gl.FRAMEBUFFER, null);
      return;
    }
    if (this.buffer?.width !== size.width || this.buffer.height !== size.height) this.makeBuffer(size);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.buffer?.handle ?? null);
  }

  private makeBuffer({ width, height }: Canvas): void {
    const { gl } = this.gl;
    if (this.buffer !== null) {
      gl.deleteFramebuffer(this.buffer.handle);
      gl.deleteTexture(this.buffer.texture);
    }
    const [handle, texture] = [gl.createFramebuffer(), gl.createTexture()];
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, texture);
    // Fixed point: unlike halves, it clips each sum to 0…1, as the layers are defined.
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGB10_A2, width, height);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    gl.bindFramebuffer(gl.FRAMEBUFFER, handle);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
    this.buffer = { handle, texture, width, height };
  }

  private copy(canvas: Canvas): void {
    const { gl } = this.gl;
    if (this.buffer === null) return;
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.disable(gl.SCISSOR_TEST);
    gl.disable(gl.BLEND);
    const program = this.gl.use("copy", RECT_VERTEX, COPY_FRAGMENT);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, this.buffer.texture);
    program.int("u_picture", 0);
    program.float("u_rect", 0, 0, canvas.width, canvas.height);
    program.float("u_canvas", canvas.width, canvas.height);
    program.float("u_texels", 0, 0, 1, 1);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
  }
}

/** A place of the picture: the same for all planes and times of a level. */
function place(plane: LayerPlane, row: number, col: number): string {
  const { vol, lod, c } = plane.source.query;
  return `${vol}|${lod}|${c}|${row},${col}|${SIDE}`;
}
