/** The canvas, larger than what is seen once that moves: it is then shifted by the page, and nothing is drawn. */

import { Gl } from "../core/gl";
import { make } from "../run/dom";
import type { Size } from "./camera";
import { type Frame, Renderer } from "./renderer";

/** What is drawn beyond each side once the picture moves, as a share of it. */
const BEYOND = 0.25;

interface Held {
  readonly frame: Frame;
  /** What is seen, in CSS pixels, and how many of the canvas make one of them. */
  readonly size: Size;
  readonly ratio: number;
  /** Beyond each side, in pixels of the canvas. */
  readonly margin: Size;
}

export class Sheet {
  readonly canvas = make("canvas", "ndg-canvas");
  /** Null where the browser has no WebGL2. */
  readonly gl: Gl | null;
  private renderer: Renderer | null;
  private held: Held | null = null;

  constructor(smooth: boolean) {
    this.gl = Gl.of(this.canvas, smooth);
    this.renderer = this.gl === null ? null : new Renderer(this.gl);
  }

  /** Begin again with a card that has forgotten what was compiled and uploaded. */
  restore(): void {
    if (this.gl === null) return;
    this.renderer = new Renderer(new Gl(this.gl.gl));
    this.held = null;
  }

  /** Whether a frame is on the canvas already, so that `show` only shifts it. */
  has(frame: Frame, size: Size): boolean {
    return this.shift(frame, size) !== null;
  }

  /** Whether a frame differs from the last by its place alone: it is being moved, and will be moved on. */
  moves(frame: Frame): boolean {
    return this.held !== null && sameButPlace(this.held.frame, frame);
  }

  /** Show a frame. */
  show(frame: Frame, size: Size): void {
    if (!this.has(frame, size)) this.draw(frame, size, this.moves(frame) ? BEYOND : 0);
    const [x, y] = this.shift(frame, size) ?? [0, 0];
    this.canvas.style.transform = x === 0 && y === 0 ? "" : `translate(${x}px, ${y}px)`;
  }

  /** Draw a frame on a canvas that is as large as what is seen; its pixels can be had until the page goes on. */
  print(frame: Frame, size: Size): void {
    this.draw(frame, size, 0);
    this.canvas.style.transform = "";
  }

  private draw(frame: Frame, size: Size, beyond: number): void {
    const { canvas } = this;
    const device = globalThis.devicePixelRatio || 1;
    const [wide, high] = [Math.round(size.width * device), Math.round(size.height * device)];
    const margin = { width: Math.round(wide * beyond), height: Math.round(high * beyond) };
    const [width, height] = [wide + 2 * margin.width, high + 2 * margin.height];
    const ratio = wide / Math.max(1, size.width);
    if (canvas.width !== width || canvas.height !== height) {
      [canvas.width, canvas.height] = [width, height];
      Object.assign(canvas.style, {
        width: `${width / ratio}px`, height: `${height / ratio}px`, left: `${-margin.width / ratio}px`, top: `${-margin.height / ratio}px`,
      });
    }
    this.renderer?.draw(frame, { width, height }, ratio);
    this.held = { frame, size, ratio, margin };
  }

  /** How far what is drawn has to be moved, in CSS pixels; null where that is another picture, or ends before. */
  private shift(frame: Frame, size: Size): readonly [number, number] | null {
    const { held } = this;
    if (held === null || held.size.width !== size.width || held.size.height !== size.height || !this.moves(frame)) return null;
    const [[x, y], [atX, atY]] = [frame.camera.centre, held.frame.camera.centre];
    // By whole pixels of the canvas, or all of it would be blurred.
    const pixel = held.ratio / frame.camera.scale;
    const [across, down] = [Math.round((atX - x) * pixel), Math.round((atY - y) * pixel)];
    return Math.abs(across) <= held.margin.width && Math.abs(down) <= held.margin.height ? [across / held.ratio, down / held.ratio] : null;
  }
}

/** Whether two frames show the same of the same; arrays are never changed in place. */
export function sameButPlace(a: Frame, b: Frame): boolean {
  return (Object.keys(a) as (keyof Frame)[]).every((key) => {
    if (key === "camera") return a.camera.scale === b.camera.scale;
    if (key === "paper" || key === "ink") return a[key].every((value, i) => value === b[key][i]);
    return a[key] === b[key];
  });
}
