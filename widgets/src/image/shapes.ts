/** Layers of points and boxes: 10^5 of them drawn at once, and found again under the pointer by a grid. */

import { fromHex } from "../core/colors";
import type { Gl, Program } from "../core/gl";
import type { Projection } from "../core/viewport";
import type { Canvas } from "./layers";
import type { PanelPlan } from "./planes";
import { BOXES_FRAGMENT, BOXES_VERTEX, POINTS_FRAGMENT, POINTS_VERTEX } from "./shaders";
import { type Infos, type Plane, type ShapesLayer, type Vec3, type ViewState, colorOf, planeAxes, reference, voxelSize } from "./state";

/** As the kernel sends them: float32 z, y, x in nm of each point, or of the low and then the high corner of each box. */
export interface ShapesData {
  readonly data: DataView | ArrayBuffer | Uint8Array;
  /** uint64 each; where there are none, shapes count from 1. */
  readonly ids?: DataView | ArrayBuffer | Uint8Array | null;
}

interface Loaded {
  readonly kind: "points" | "boxes";
  readonly numbers: Float32Array;
  readonly ids: BigUint64Array | null;
  readonly count: number;
  readonly grids: Map<Plane, Grid>;
  marks: { selection: readonly string[]; bytes: Uint8Array };
  buffers: { vao: WebGLVertexArrayObject; numbers: WebGLBuffer; marks: WebGLBuffer; marked: Uint8Array | null } | null;
}

/** CSS pixels of a point, and how far beside it still hits it. */
const DIAMETER = 9;
const SLACK = 3;
/** Points are seen from this many planes away. */
const REACH = 4;
/** How opaque points are while others are selected. */
const OTHERS = 0.4;
const NONE: readonly string[] = [];

export class Shapes {
  private readonly layers = new Map<string, Loaded>();

  /** Take in all shapes anew, by layer. */
  set(kinds: ReadonlyMap<string, "points" | "boxes">, given: Readonly<Record<string, ShapesData>>): void {
    this.layers.clear();
    for (const [id, { data, ids }] of Object.entries(given)) {
      const kind = kinds.get(id) ?? "points";
      const numbers = new Float32Array(own(data));
      const names = ids === undefined || ids === null ? null : new BigUint64Array(own(ids));
      const count = Math.floor(numbers.length / (kind === "points" ? 3 : 6));
      const marks = { selection: NONE, bytes: new Uint8Array(count) };
      this.layers.set(id, { kind, numbers, ids: names, count, grids: new Map(), marks, buffers: null });
    }
  }

  /** The context is new: nothing of the old one is. */
  forget(): void {
    for (const layer of this.layers.values()) layer.buffers = null;
  }

  draw(gl: Gl, state: ViewState, layer: ShapesLayer, infos: Infos, plan: PanelPlan, canvas: Canvas): void {
    const loaded = this.layers.get(layer.id);
    if (loaded === undefined || loaded.count === 0) return;
    const points = loaded.kind === "points";
    const program = points ? gl.use("points", POINTS_VERTEX, POINTS_FRAGMENT) : gl.use("boxes", BOXES_VERTEX, BOXES_FRAGMENT);
    this.fill(gl.gl, loaded, state.selection[layer.id] ?? NONE);
    place(program, state, plan, canvas);
    program.float("u_tint", ...fromHex(colorOf(layer, infos[layer.id])));
    program.float("u_opacity", layer.opacity);
    if (points) {
      const ratio = state.scale / plan.view.scale;
      program.float("u_reach", reach(state, infos, plan.panel.plane));
      program.float("u_diameter", DIAMETER * ratio);
      // What is selected stands out of the crowd.
      program.float("u_others", (state.selection[layer.id] ?? NONE).length > 0 ? OTHERS : 1);
      gl.gl.drawArrays(gl.gl.POINTS, 0, loaded.count);
    } else gl.gl.drawArraysInstanced(gl.gl.TRIANGLE_STRIP, 0, 4, loaded.count);
    gl.gl.bindVertexArray(null);
  }

  /** The id of the shape of a layer at a position, the nearest of several; null if there is none. */
  pick(state: ViewState, infos: Infos, layer: string, plane: Plane, position: Vec3): string | null {
    const loaded = this.layers.get(layer);
    if (loaded === undefined || loaded.count === 0) return null;
    let grid = loaded.grids.get(plane);
    if (grid === undefined) {
      grid = new Grid(loaded.kind, loaded.numbers, loaded.count, plane);
      loaded.grids.set(plane, grid);
    }
    const deep = loaded.kind === "points" ? reach(state, infos, plane) : 0;
    const found = grid.nearest(position, (DIAMETER / 2 + SLACK) * state.scale, deep);
    return found === null ? null : (loaded.ids?.[found] ?? BigInt(found + 1)).toString();
  }

  private fill(gl: WebGL2RenderingContext, loaded: Loaded, selection: readonly string[]): void {
    if (loaded.marks.selection !== selection) loaded.marks = { selection, bytes: marked(loaded, selection) };
    loaded.buffers ??= make(gl, loaded);
    gl.bindVertexArray(loaded.buffers.vao);
    if (loaded.buffers.marked === loaded.marks.bytes) return;
    loaded.buffers.marked = loaded.marks.bytes;
    gl.bindBuffer(gl.ARRAY_BUFFER, loaded.buffers.marks);
    gl.bufferData(gl.ARRAY_BUFFER, loaded.marks.bytes, gl.DYNAMIC_DRAW);
  }
}

function make(gl: WebGL2RenderingContext, loaded: Loaded): NonNullable<Loaded["buffers"]> {
  const [vao, numbers, marks] = [gl.createVertexArray(), gl.createBuffer(), gl.createBuffer()];
  const corners = loaded.kind === "points" ? 1 : 2;
  gl.bindVertexArray(vao);
  gl.bindBuffer(gl.ARRAY_BUFFER, numbers);
  gl.bufferData(gl.ARRAY_BUFFER, loaded.numbers, gl.STATIC_DRAW);
  for (let i = 0; i < corners; i++) attribute(gl, i, 3, gl.FLOAT, 12 * corners, 12 * i, corners - 1);
  gl.bindBuffer(gl.ARRAY_BUFFER, marks);
  attribute(gl, corners, 1, gl.UNSIGNED_BYTE, 1, 0, corners - 1);
  return { vao, numbers, marks, marked: null };
}

function attribute(gl: WebGL2RenderingContext, at: number, size: number, type: number, stride: number, offset: number, divisor: number): void {
  gl.enableVertexAttribArray(at);
  gl.vertexAttribPointer(at, size, type, false, stride, offset);
  gl.vertexAttribDivisor(at, divisor);
}

function place(program: Program, state: ViewState, { panel, view }: { panel: { plane: Plane }; view: Projection }, canvas: Canvas): void {
  const { col, row, depth } = planeAxes(panel.plane);
  program.float("u_canvas", canvas.width, canvas.height);
  program.float("u_at", ...view.at);
  program.float("u_base", ...view.base);
  program.float("u_scale", view.scale);
  program.int("u_col", col);
  program.int("u_row", row);
  program.int("u_depth", depth);
  program.float("u_plane", state.position[depth]);
}

/** nm from the plane within which points are seen. */
function reach(state: ViewState, infos: Infos, plane: Plane): number {
  const level = reference(state, infos)?.levels[0];
  return REACH * (level === undefined ? state.scale : voxelSize(level)[planeAxes(plane).depth]);
}

function marked(loaded: Loaded, selection: readonly string[]): Uint8Array {
  const bytes = new Uint8Array(loaded.count);
  const chosen = new Set(selection.filter((id) => /^\d+$/.test(id)).map((id) => BigInt(id)));
  if (chosen.size === 0) return bytes;
  for (let i = 0; i < loaded.count; i++) if (chosen.has(loaded.ids?.[i] ?? BigInt(i + 1))) bytes[i] = 1;
  return bytes;
}

function own(data: DataView | ArrayBuffer | Uint8Array): ArrayBuffer {
  if (data instanceof ArrayBuffer) return data;
  return data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength) as ArrayBuffer;
}

/** Which shapes lie where in a plane: squares of nm, each with those that touch it. */
export class Grid {
  private readonly cells = new Map<string, number[]>();
  private readonly side: number;

  constructor(
    private readonly kind: "points" | "boxes",
    private readonly numbers: Float32Array,
    count: number,
    private readonly plane: Plane,
  ) {
    const { col, row } = planeAxes(plane);
    let [low, high, sizes] = [Infinity, -Infinity, 0];
    for (let i = 0; i < count; i++) {
      for (const axis of [col, row]) {
        low = Math.min(low, this.low(i, axis));
        high = Math.max(high, this.high(i, axis));
        sizes += this.high(i, axis) - this.low(i, axis);
      }
    }
    // About as many squares as shapes, none much smaller than a shape.
    this.side = Math.max(sizes / (2 * count), (high - low) / Math.ceil(Math.sqrt(count)), 1e-6);
    for (let i = 0; i < count; i++) {
      this.each(this.low(i, col), this.high(i, col), this.low(i, row), this.high(i, row), (key) => {
        const cell = this.cells.get(key);
        if (cell === undefined) this.cells.set(key, [i]);
        else cell.push(i);
      });
    }
  }

  /** The shape within `radius` of a position in the plane and `deep` across it that is nearest; null if none is. */
  nearest(position: Vec3, radius: number, deep: number): number | null {
    const { col, row, depth } = planeAxes(this.plane);
    const [c, r, d] = [position[col], position[row], position[depth]];
    let found: { i: number; far: number } | null = null;
    this.each(c - radius, c + radius, r - radius, r + radius, (key) => {
      for (const i of this.cells.get(key) ?? []) {
        if (outside(d, this.low(i, depth), this.high(i, depth)) > deep) continue;
        const far = Math.hypot(outside(c, this.low(i, col), this.high(i, col)), outside(r, this.low(i, row), this.high(i, row)));
        // Of boxes around each other the smallest is meant.
        const size = this.high(i, col) - this.low(i, col);
        if (far <= radius && (found === null || far + 1e-6 * size < found.far)) found = { i, far: far + 1e-6 * size };
      }
    });
    return (found as { i: number } | null)?.i ?? null;
  }

  private low(i: number, axis: number): number {
    return this.numbers[this.kind === "points" ? 3 * i + axis : 6 * i + axis] ?? 0;
  }

  private high(i: number, axis: number): number {
    return this.numbers[this.kind === "points" ? 3 * i + axis : 6 * i + 3 + axis] ?? 0;
  }

  private each(c0: number, c1: number, r0: number, r1: number, visit: (key: string) => void): void {
    const [left, right] = [Math.floor(c0 / this.side), Math.floor(c1 / this.side)];
    const [top, bottom] = [Math.floor(r0 / this.side), Math.floor(r1 / this.side)];
    // Zoomed out so far that everything lies under the pointer: its middle will do.
    if ((right - left) * (bottom - top) > 1e4) return;
    for (let row = top; row <= bottom; row++) for (let col = left; col <= right; col++) visit(`${col},${row}`);
  }
}

function outside(at: number, low: number, high: number): number {
  return Math.max(0, low - at, at - high);
}
