/** Draws one tile of one layer: values through a window, labels through their colours, stripes where nothing is. */

import { fromHex } from "../core/colors";
import type { Picture } from "../core/frames";
import type { Gl, Program, Texture } from "../core/gl";
import { type Hole, around } from "../core/holes";
import type { Rect } from "../core/viewport";
import type { Loader, Tile } from "./loader";
import { Palette } from "./palette";
import { type Beside, type Labels, rim } from "./rim";
import { BLENDS, HATCH_FRAGMENT, LABELS_FRAGMENT, LUT_WIDTH, RECT_VERTEX, STYLES, imageFragment } from "./shaders";
import { type ImageLayer, type Info, type LabelsLayer, type ViewState, colorOf, windowOf } from "./state";

export interface Canvas {
  readonly width: number;
  readonly height: number;
}

const UNREADABLE = { dark: [0.2, 0.12, 0.04], light: [0.72, 0.44, 0.1] } as const;
const ABSENT = { dark: [0.07, 0.08, 0.1], light: [0.19, 0.21, 0.25] } as const;
/** Of twelve pixels, so many are light: broad stripes where something is wrong, hairlines where nothing is. */
const LIGHT = { unreadable: 6, absent: 1 } as const;

export class Painter {
  private readonly palettes = new Map<string, Palette>();
  private canvas: Canvas = { width: 1, height: 1 };
  private nothing: Texture | null = null;

  constructor(
    private readonly gl: Gl,
    private readonly loader: Loader,
  ) {}

  /** Draw on a canvas of this size from now on, for this state. */
  begin(canvas: Canvas): void {
    this.canvas = canvas;
    this.gl.gl.enable(this.gl.gl.BLEND);
  }

  /**
   * Draw a tile where it belongs. Each pixel shows the voxel in which its centre lies. What was never written is
   * hatched where there is no image below it (`lowest`), and lets through what there is.
   */
  tile(state: ViewState, layer: ImageLayer | LabelsLayer, info: Info, tile: Tile, rect: Rect, lowest: boolean): void {
    const { picture } = tile;
    if (picture.kind === "outside") return;
    if (picture.kind === "error") this.hatch(rect, layer.opacity, true);
    else if (picture.kind === "labels" && layer.kind === "labels") this.labels(state, layer, info, tile, picture, rect);
    else if (picture.kind === "values" && layer.kind === "image") {
      const whole = { top: 0, left: 0, bottom: picture.height, right: picture.width };
      const holes = picture.absent ? [whole] : picture.holes;
      if (!picture.absent) this.image(layer, info, tile, picture, rect, holes.length === 0 ? [whole] : around(holes, picture.width, picture.height));
      if (lowest) for (const hole of holes) this.hatch(partOf(rect, picture, hole), layer.opacity, false);
    }
  }

  /** Stripes: something cannot be read, or was never stored. */
  hatch(rect: Rect, opacity: number, unreadable: boolean): void {
    const program = this.use("hatch", HATCH_FRAGMENT);
    const { dark, light } = unreadable ? UNREADABLE : ABSENT;
    this.blend("normal");
    this.place(program, rect, [0, 0, 1, 1]);
    program.float("u_dark", ...dark);
    program.float("u_light", ...light);
    program.float("u_part", unreadable ? LIGHT.unreadable : LIGHT.absent);
    program.float("u_opacity", opacity);
    this.draw();
  }

  private image(layer: ImageLayer, info: Info, tile: Tile, picture: Picture & { kind: "values" }, rect: Rect, parts: readonly Hole[]): void {
    const real = picture.values instanceof Float32Array;
    const program = this.use(real ? "real" : "whole", imageFragment(real ? "sampler2D" : "usampler2D"));
    const [low, high] = windowOf(layer, info);
    this.blend(layer.blend);
    this.values(program, tile, picture, rect);
    program.float("u_affine", ...(tile.window === null ? [0, 1] : [tile.window[0], (tile.window[1] - tile.window[0]) / 255]));
    program.float("u_window", low, high);
    program.float("u_gamma", layer.gamma);
    program.int("u_invert", layer.invert ? 1 : 0);
    program.float("u_tint", ...fromHex(colorOf(layer, info)));
    program.float("u_opacity", layer.opacity);
    program.int("u_blend", BLENDS[layer.blend]);
    for (const part of parts) {
      const { left, top, right, bottom } = part;
      this.place(program, partOf(rect, picture, part), [left, top, right, bottom]);
      this.draw();
    }
  }

  private labels(state: ViewState, layer: LabelsLayer, info: Info, tile: Tile, picture: Labels, rect: Rect): void {
    const program = this.use("labels", LABELS_FRAGMENT);
    this.blend("normal");
    this.values(program, tile, picture, rect);
    this.gl.bind(1, this.lut(state, layer, info, tile, picture.ids));
    program.int("u_lut", 1);
    const borders = layer.style !== "fill" || (state.selection[layer.id] ?? NONE).length > 0;
    this.gl.bind(2, borders ? this.rim(tile, picture) : this.none());
    program.int("u_rim", 2);
    program.float("u_opacity", layer.opacity);
    program.int("u_style", STYLES[layer.style]);
    this.draw();
  }

  /** The colours of a tile's ids, uploaded anew where they changed. */
  private lut(state: ViewState, layer: LabelsLayer, info: Info, tile: Tile, ids: BigUint64Array): Texture {
    const palette = this.palettes.get(layer.id) ?? new Palette();
    this.palettes.set(layer.id, palette);
    palette.follow(layer, state.selection[layer.id] ?? NONE, info);
    tile.luts ??= new Map();
    const before = tile.luts.get(layer.id);
    if (before?.version === palette.version) return before.texture;
    if (before !== undefined) this.gl.release(before.texture);
    const table = palette.table(ids);
    const texture = this.gl.uploadColors(table, LUT_WIDTH, table.length / 4 / LUT_WIDTH);
    tile.luts.set(layer.id, { texture, version: palette.version });
    return texture;
  }

  /** The borders of a tile with those beside it, looked up anew when another of them came. */
  private rim(tile: Tile, picture: Labels): Texture {
    const { loader } = this;
    const beside = SIDES.map(([rows, cols]) => loader.beside(tile.want, rows, cols)) as unknown as Beside;
    const known = beside.reduce((bits, other, side) => bits | (other === undefined ? 0 : 1 << side), 0);
    if (tile.rim?.known === known) return tile.rim.texture;
    if (tile.rim !== null) this.gl.release(tile.rim.texture);
    const { width, bytes } = rim(picture, beside);
    tile.rim = { texture: this.gl.upload(bytes, width, 4), known };
    return tile.rim.texture;
  }

  private none(): Texture {
    this.nothing ??= this.gl.upload(new Uint8Array(4), 1, 4);
    return this.nothing;
  }

  private values(program: Program, tile: Tile, picture: Picture & { kind: "values" | "labels" }, rect: Rect): void {
    tile.texture ??= this.upload(picture);
    const { width, height } = tile.texture;
    this.gl.bind(0, tile.texture);
    program.int("u_values", 0);
    program.float("u_size", width, height);
    this.place(program, rect, [0, 0, picture.width, picture.height]);
  }

  /** One value that holds everywhere is a texture of one pixel, which every place of the tile reads. */
  private upload({ values, width, height }: Picture & { kind: "values" | "labels" }): Texture {
    return values.length === 1 ? this.gl.upload(values, 1, 1) : this.gl.upload(values, width, height);
  }

  private place(program: Program, rect: Rect, texels: readonly [number, number, number, number]): void {
    program.float("u_rect", rect.x, rect.y, rect.width, rect.height);
    program.float("u_canvas", this.canvas.width, this.canvas.height);
    program.float("u_texels", ...texels);
  }

  private use(name: string, fragment: string): Program {
    return this.gl.use(name, RECT_VERTEX, fragment);
  }

  private blend(kind: keyof typeof BLENDS): void {
    blendAs(this.gl.gl, kind);
  }

  private draw(): void {
    this.gl.gl.drawArrays(this.gl.gl.TRIANGLE_STRIP, 0, 4);
  }
}

const NONE: readonly string[] = [];
const SIDES = [
  [0, -1],
  [0, 1],
  [-1, 0],
  [1, 0],
] as const;

/** Where a part of a tile stands; parts that meet in the tile have the very same edge here. */
function partOf(rect: Rect, { width, height }: { readonly width: number; readonly height: number }, part: Hole): Rect {
  const [x, right] = [rect.x + rect.width * (part.left / width), rect.x + rect.width * (part.right / width)];
  const [y, bottom] = [rect.y + rect.height * (part.top / height), rect.y + rect.height * (part.bottom / height)];
  return { x, y, width: right - x, height: bottom - y };
}

/** Prepare the framebuffer for a blend; the shaders do their part. */
export function blendAs(gl: WebGL2RenderingContext, kind: keyof typeof BLENDS): void {
  gl.blendEquation(kind === "subtractive" ? gl.FUNC_REVERSE_SUBTRACT : gl.FUNC_ADD);
  if (kind === "normal") gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  else if (kind === "multiply") gl.blendFunc(gl.DST_COLOR, gl.ZERO);
  else gl.blendFunc(gl.ONE, gl.ONE);
}
