/** A picture that is kept: where it is only moved, pixels are copied and nothing is drawn anew. */

import type { Gl } from "../core/gl";
import type { Size } from "./camera";
import { type Frame, Renderer } from "./renderer";

/** What is drawn beyond each side once the picture moves, as a share of it. */
const BEYOND = 0.25;
const SAMPLES = 4;

interface Held {
  readonly frame: Frame;
  /** Of the canvas and around it, in its pixels. */
  readonly size: Size;
  readonly margin: Size;
}

export class Sheet {
  private readonly renderer: Renderer;
  /** What is copied from. */
  private readonly plain: Layer;
  /** What is drawn to, where lines are to be smooth. */
  private readonly fine: Layer | null;
  private held: Held | null = null;

  constructor(
    private readonly gl: Gl,
    smooth: boolean,
  ) {
    this.renderer = new Renderer(gl);
    this.plain = new Layer(gl.gl, 0);
    this.fine = smooth ? new Layer(gl.gl, SAMPLES) : null;
  }

  /** Whether a frame can be had from what is held: `show` then costs a copy. */
  has(frame: Frame, size: Size, ratio: number): boolean {
    return this.held !== null && this.corner(this.held, frame, size, ratio) !== null;
  }

  /** Show a frame on a canvas of so many pixels, `ratio` of them for each CSS pixel. */
  show(frame: Frame, size: Size, ratio: number): void {
    if (!this.has(frame, size, ratio)) this.draw(frame, size, ratio);
    const { held, gl: { gl } } = this;
    const [x, y] = (held === null ? null : this.corner(held, frame, size, ratio)) ?? [0, 0];
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    // A canvas that was shown is emptied before it is next used; a copy alone does not count as use in Chromium.
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.bindFramebuffer(gl.READ_FRAMEBUFFER, this.plain.target);
    gl.blitFramebuffer(x, y, x + size.width, y + size.height, 0, 0, size.width, size.height, gl.COLOR_BUFFER_BIT, gl.NEAREST);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
  }

  private draw(frame: Frame, size: Size, ratio: number): void {
    const { gl } = this.gl;
    // What differs from the last by its place alone is being moved, and will be moved on.
    const beyond = this.held !== null && sameButPlace(this.held.frame, frame) ? BEYOND : 0;
    const margin = { width: Math.round(size.width * beyond), height: Math.round(size.height * beyond) };
    const [width, height] = [size.width + 2 * margin.width, size.height + 2 * margin.height];
    const drawn = this.fine ?? this.plain;
    for (const layer of new Set([drawn, this.plain])) layer.size(width, height);
    gl.bindFramebuffer(gl.FRAMEBUFFER, drawn.target);
    this.renderer.draw(frame, { width, height }, ratio);
    if (drawn !== this.plain) {
      gl.bindFramebuffer(gl.READ_FRAMEBUFFER, drawn.target);
      gl.bindFramebuffer(gl.DRAW_FRAMEBUFFER, this.plain.target);
      gl.blitFramebuffer(0, 0, width, height, 0, 0, width, height, gl.COLOR_BUFFER_BIT, gl.NEAREST);
    }
    this.held = { frame, size, margin };
  }

  /** Where a frame lies in what is held; null where that is another picture, or ends before. */
  private corner(held: Held, frame: Frame, size: Size, ratio: number): readonly [number, number] | null {
    if (held.size.width !== size.width || held.size.height !== size.height || !sameButPlace(held.frame, frame)) return null;
    const [[x, y], [atX, atY]] = [frame.camera.centre, held.frame.camera.centre];
    const pixel = ratio / frame.camera.scale;
    // Rows of pixels are counted from below.
    const found = [held.margin.width + Math.round((x - atX) * pixel), held.margin.height - Math.round((y - atY) * pixel)] as const;
    return found[0] >= 0 && found[0] <= 2 * held.margin.width && found[1] >= 0 && found[1] <= 2 * held.margin.height ? found : null;
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

/** Pixels off the screen. */
class Layer {
  readonly target: WebGLFramebuffer;
  private readonly pixels: WebGLRenderbuffer;
  private width = 0;
  private height = 0;

  constructor(
    private readonly gl: WebGL2RenderingContext,
    private readonly samples: number,
  ) {
    [this.target, this.pixels] = [gl.createFramebuffer(), gl.createRenderbuffer()];
  }

  size(width: number, height: number): void {
    if (width === this.width && height === this.height) return;
    const { gl } = this;
    [this.width, this.height] = [width, height];
    gl.bindRenderbuffer(gl.RENDERBUFFER, this.pixels);
    gl.renderbufferStorageMultisample(gl.RENDERBUFFER, Math.min(this.samples, Number(gl.getParameter(gl.MAX_SAMPLES))), gl.RGBA8, width, height);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.target);
    gl.framebufferRenderbuffer(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.RENDERBUFFER, this.pixels);
  }
}
