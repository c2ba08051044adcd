/** Draws points, a million of them if need be; fewer while they move and the page is slow. */

import { Gl } from "../core/gl";
import { FRAGMENT, VERTEX } from "./shaders";
import type { View } from "./state";

type Rgb = readonly [number, number, number];

/** Everything that a frame shows; an array that is the same object as before is not sent to the card again. */
export interface Frame {
  /** Two numbers a row, from 0 to 1 over the whole; nan for a row that has none. */
  readonly places: Float32Array;
  readonly colors: Uint8Array;
  readonly roles: Uint8Array;
  /** What is seen, in the same numbers. */
  readonly view: View;
  /** CSS pixels. */
  readonly diameter: number;
  readonly alpha: number;
  readonly faded: number;
  readonly paper: Rgb;
  readonly ink: Rgb;
  /** Points that are drawn at most; a fair sample, for their order is by chance. */
  readonly most: number;
}

interface Kept {
  readonly buffer: WebGLBuffer;
  values: ArrayBufferView | null;
}

export class Cloud {
  private readonly buffers = new Map<string, Kept>();
  private readonly array: WebGLVertexArrayObject;
  private order: Uint32Array = new Uint32Array(0);

  constructor(private readonly gl: Gl) {
    this.array = gl.gl.createVertexArray();
  }

  draw(frame: Frame, ratio: number): void {
    const { gl } = this.gl;
    const count = frame.roles.length;
    gl.viewport(0, 0, gl.drawingBufferWidth, gl.drawingBufferHeight);
    gl.clearColor(...frame.paper, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
    if (count === 0) return;
    if (this.order.length !== count) this.order = shuffled(count);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
    const program = this.gl.use("cloud", VERTEX, FRAGMENT);
    const [left, right, bottom, top] = frame.view;
    program.float("low", left, bottom);
    program.float("span", right - left, top - bottom);
    program.float("diameter", frame.diameter * ratio);
    program.float("alpha", frame.alpha);
    program.float("faded", frame.faded);
    program.float("ink", ...frame.ink);
    gl.bindVertexArray(this.array);
    this.fill("places", frame.places);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
    this.fill("colors", frame.colors);
    gl.enableVertexAttribArray(1);
    gl.vertexAttribPointer(1, 4, gl.UNSIGNED_BYTE, true, 0, 0);
    this.fill("roles", frame.roles);
    gl.enableVertexAttribArray(2);
    gl.vertexAttribIPointer(2, 1, gl.UNSIGNED_BYTE, 0, 0);
    this.fill("order", this.order, gl.ELEMENT_ARRAY_BUFFER);
    const drawn = Math.min(count, frame.most);
    for (const layer of [0, 1]) {
      program.int("layer", layer);
      gl.drawElements(gl.POINTS, drawn, gl.UNSIGNED_INT, 0);
    }
  }

  private fill(name: string, values: Uint8Array | Uint32Array | Float32Array, kind: GLenum = this.gl.gl.ARRAY_BUFFER): void {
    const { gl } = this.gl;
    let kept = this.buffers.get(name);
    if (kept === undefined) {
      kept = { buffer: gl.createBuffer(), values: null };
      this.buffers.set(name, kept);
    }
    gl.bindBuffer(kind, kept.buffer);
    if (kept.values !== values) gl.bufferData(kind, values, gl.DYNAMIC_DRAW);
    kept.values = values;
  }
}

/** Rows in an order of chance, the same each time, so that no class lies over another and any part of it is a sample. */
export function shuffled(count: number): Uint32Array {
  const found = new Uint32Array(count);
  for (let i = 0; i < count; i++) found[i] = i;
  let seed = 0x9e3779b9;
  for (let i = count - 1; i > 0; i--) {
    // xorshift32
    seed ^= seed << 13;
    seed ^= seed >>> 17;
    seed ^= seed << 5;
    const j = (seed >>> 0) % (i + 1);
    const one = found[i] ?? 0;
    found[i] = found[j] ?? 0;
    found[j] = one;
  }
  return found;
}
