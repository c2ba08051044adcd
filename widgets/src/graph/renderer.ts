/** Draws a graph: edges as lines, nodes as discs, straight from flat arrays. */

import { Gl, type Texture } from "../core/gl";
import type { Camera, Size } from "./camera";
import type { Density } from "./density";
import type { EdgeLook } from "./look";
import {
  DENSITY_FRAGMENT, DENSITY_VERTEX, LINE_FRAGMENT, LINE_VERTEX, POINT_FRAGMENT, POINT_VERTEX, RIBBON_FRAGMENT, RIBBON_VERTEX, WIDTH,
} from "./shaders";

type Rgb = readonly [number, number, number];

/** Everything that a frame shows; an array that is the same object as before is not sent to the card again. */
export interface Frame {
  readonly flat: Float32Array;
  readonly ends: Uint32Array;
  /** Edges of selected nodes, over all others. */
  readonly chosen: Uint32Array;
  /** Colours and widths of the edges; null where all look the same. */
  readonly look: EdgeLook | null;
  /** In the place of the edges, where there are too many. */
  readonly density: Density | null;
  readonly colors: Uint8Array;
  readonly sizes: Float32Array;
  readonly roles: Uint8Array;
  readonly camera: Camera;
  /** 0 for no edges. */
  readonly alpha: number;
  readonly strong: number;
  /** How far what is not selected is faded to the paper. */
  readonly faded: number;
  readonly paper: Rgb;
  readonly ink: Rgb;
}

interface Kept {
  readonly buffer: WebGLBuffer;
  values: ArrayBufferView | null;
}

export class Renderer {
  private places: { readonly texture: Texture; readonly of: Float32Array } | null = null;
  private readonly buffers = new Map<string, Kept>();
  private readonly points: WebGLVertexArrayObject;
  private readonly lines: WebGLVertexArrayObject;
  private readonly ribbons: WebGLVertexArrayObject;
  private readonly nothing: WebGLVertexArrayObject;
  private dense: { readonly texture: Texture; readonly of: Density } | null = null;

  constructor(private readonly gl: Gl) {
    const array = (): WebGLVertexArrayObject => gl.gl.createVertexArray();
    [this.points, this.lines, this.ribbons, this.nothing] = [array(), array(), array(), array()];
  }

  /** Draw on a canvas of so many of its own pixels, `ratio` of them for each CSS pixel. */
  draw(frame: Frame, { width, height }: Size, ratio: number): void {
    const { gl } = this.gl;
    // A canvas larger than the card bears has fewer pixels than it says, and is stretched.
    gl.viewport(0, 0, gl.drawingBufferWidth, gl.drawingBufferHeight);
    gl.clearColor(...frame.paper, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
    if (frame.flat.length === 0) return;
    this.place(frame.flat);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
    const pixel = ratio / frame.camera.scale;
    const perPixel = [(2 * pixel) / Math.max(1, width), (2 * pixel) / Math.max(1, height)] as const;
    const chosen = frame.chosen.length > 0;
    const alpha = chosen ? frame.alpha * 0.3 : frame.alpha;
    if (frame.density !== null) this.drawDensity(frame.density, frame, perPixel, frame.alpha > 0 ? (chosen ? 0.5 : 0.9) : 0);
    else if (frame.look !== null) this.drawRibbons(frame.look, frame, perPixel, ratio, Math.min(1, 2 * alpha));
    else this.drawLines("ends", frame.ends, frame, perPixel, alpha);
    if (frame.alpha > 0) this.drawLines("chosen", frame.chosen, frame, perPixel, frame.strong);
    this.drawPoints(frame, perPixel, ratio);
  }

  private drawLines(name: string, ends: Uint32Array, frame: Frame, perPixel: readonly [number, number], alpha: number): void {
    if (ends.length === 0 || alpha <= 0) return;
    const { gl } = this.gl;
    const program = this.gl.use("lines", LINE_VERTEX, LINE_FRAGMENT);
    this.aim(program, frame, perPixel);
    program.float("ink", ...frame.ink, alpha);
    gl.bindVertexArray(this.lines);
    this.fill(name, ends);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribIPointer(0, 1, gl.UNSIGNED_INT, 0, 0);
    gl.drawArrays(gl.LINES, 0, ends.length);
  }

  private drawRibbons(look: EdgeLook, frame: Frame, perPixel: readonly [number, number], ratio: number, alpha: number): void {
    if (frame.ends.length === 0 || alpha <= 0) return;
    const { gl } = this.gl;
    const program = this.gl.use("ribbons", RIBBON_VERTEX, RIBBON_FRAGMENT);
    this.aim(program, frame, perPixel);
    // `perPixel` is of positions.
    program.float("reach", 1 / frame.camera.scale);
    program.float("ratio", ratio);
    program.float("alpha", alpha);
    gl.bindVertexArray(this.ribbons);
    const each = (place: number, name: string, values: Uint8Array | Uint32Array | Float32Array, set: () => void): void => {
      this.fill(name, values);
      gl.enableVertexAttribArray(place);
      set();
      gl.vertexAttribDivisor(place, 1);
    };
    each(0, "ends", frame.ends, () => gl.vertexAttribIPointer(0, 2, gl.UNSIGNED_INT, 0, 0));
    each(1, "tints", look.tints, () => gl.vertexAttribPointer(1, 4, gl.UNSIGNED_BYTE, true, 0, 0));
    each(2, "widths", look.widths, () => gl.vertexAttribPointer(2, 1, gl.FLOAT, false, 0, 0));
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, frame.ends.length / 2);
  }

  private drawDensity(density: Density, frame: Frame, [px, py]: readonly [number, number], alpha: number): void {
    if (alpha <= 0) return;
    const { gl } = this.gl;
    if (this.dense?.of !== density) {
      if (this.dense !== null) this.gl.release(this.dense.texture);
      this.dense = { texture: this.gl.upload(density.values, ...density.size), of: density };
    }
    const program = this.gl.use("density", DENSITY_VERTEX, DENSITY_FRAGMENT);
    const [left, top, right, bottom] = density.box;
    const [x, y] = frame.camera.centre;
    program.float("low", (left - x) * px, -(top - y) * py);
    program.float("high", (right - x) * px, -(bottom - y) * py);
    program.float("ink", ...frame.ink, alpha);
    program.int("values", 1);
    this.gl.bind(1, this.dense.texture);
    gl.bindVertexArray(this.nothing);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
  }

  private drawPoints(frame: Frame, perPixel: readonly [number, number], ratio: number): void {
    const { gl } = this.gl;
    const program = this.gl.use("points", POINT_VERTEX, POINT_FRAGMENT);
    this.aim(program, frame, perPixel);
    program.float("ratio", ratio);
    program.float("paper", ...frame.paper);
    program.float("accent", ...frame.ink);
    program.float("faded", frame.faded);
    gl.bindVertexArray(this.points);
    this.fill("colors", frame.colors);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 4, gl.UNSIGNED_BYTE, true, 0, 0);
    this.fill("sizes", frame.sizes);
    gl.enableVertexAttribArray(1);
    gl.vertexAttribPointer(1, 1, gl.FLOAT, false, 0, 0);
    this.fill("roles", frame.roles);
    gl.enableVertexAttribArray(2);
    gl.vertexAttribIPointer(2, 1, gl.UNSIGNED_BYTE, 0, 0);
    // Those that are selected over all others.
    for (const layer of [0, 1]) {
      program.int("layer", layer);
      gl.drawArrays(gl.POINTS, 0, frame.roles.length);
    }
  }

  private aim(program: ReturnType<Gl["use"]>, { camera }: Frame, perPixel: readonly [number, number]): void {
    program.int("places", 0);
    program.float("centre", ...camera.centre);
    program.float("perPixel", ...perPixel);
    if (this.places !== null) this.gl.bind(0, this.places.texture);
  }

  private place(flat: Float32Array): void {
    if (this.places?.of === flat) return;
    if (this.places !== null) this.gl.release(this.places.texture);
    const height = Math.ceil(flat.length / 2 / WIDTH);
    const padded = new Float32Array(2 * WIDTH * height);
    padded.set(flat);
    this.places = { texture: this.gl.uploadPlaces(padded, WIDTH, height), of: flat };
  }

  /** Bind a buffer of these values; it is filled only where they are others than before. */
  private fill(name: string, values: Uint8Array | Uint32Array | Float32Array): void {
    const { gl } = this.gl;
    let kept = this.buffers.get(name);
    if (kept === undefined) {
      kept = { buffer: gl.createBuffer(), values: null };
      this.buffers.set(name, kept);
    }
    gl.bindBuffer(gl.ARRAY_BUFFER, kept.buffer);
    if (kept.values !== values) gl.bufferData(gl.ARRAY_BUFFER, values, gl.DYNAMIC_DRAW);
    kept.values = values;
  }
}
