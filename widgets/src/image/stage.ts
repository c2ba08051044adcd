/** The canvas: its size, its graphics, and new ones when the browser takes them away. */

import { Gl } from "../core/gl";
import type { Loader, Tile } from "./loader";
import type { PanelPlan } from "./planes";
import { Scene } from "./scene";
import type { Shapes } from "./shapes";
import type { Infos, ViewState } from "./state";

/** Finer than this no eye tells, and pixels cost. */
const MOST_RATIO = 2;
const AGAIN_MS = 300;

export class Stage {
  /** Null while the graphics are lost. */
  scene: Scene | null = null;
  size = { width: 0, height: 0 };
  uploads = 0;
  private canvas: HTMLCanvasElement;
  private gl: Gl | null = null;
  private readonly watch: ResizeObserver;
  private again: ReturnType<typeof setTimeout> | null = null;
  private closed = false;

  constructor(
    private readonly home: HTMLElement,
    private readonly loader: Loader,
    private readonly shapes: Shapes,
    private readonly changed: () => void,
  ) {
    this.canvas = this.make();
    home.append(this.canvas);
    this.watch = new ResizeObserver(() => this.measure());
    this.watch.observe(home);
    this.measure();
  }

  /** Device pixels for a CSS pixel. */
  get ratio(): number {
    return Math.min(MOST_RATIO, globalThis.devicePixelRatio || 1);
  }

  pinned(key: string): boolean {
    return this.scene?.pinned(key) ?? false;
  }

  /** Give back what a tile holds of the graphics. */
  drop(tile: Tile): void {
    if (this.gl !== null && tile.texture !== null) this.gl.release(tile.texture);
    if (this.gl !== null) for (const { texture } of tile.luts?.values() ?? []) this.gl.release(texture);
    if (this.gl !== null && tile.rim !== null) this.gl.release(tile.rim.texture);
    [tile.texture, tile.luts, tile.rim] = [null, null, null];
  }

  /** A point of the window in device pixels of the canvas. */
  pixelAt(clientX: number, clientY: number): readonly [number, number] {
    const rect = this.canvas.getBoundingClientRect();
    return [(clientX - rect.x) * this.ratio, (clientY - rect.y) * this.ratio];
  }

  draw(state: ViewState, infos: Infos, plans: readonly PanelPlan[]): void {
    if (this.scene === null || this.gl === null) return;
    const width = Math.max(1, Math.round(this.size.width * this.ratio));
    const height = Math.max(1, Math.round(this.size.height * this.ratio));
    if (this.canvas.width !== width || this.canvas.height !== height) [this.canvas.width, this.canvas.height] = [width, height];
    this.scene.draw(state, infos, plans, { width, height });
    this.uploads = this.gl.uploads;
  }

  /** The pixels that were drawn in this very task. */
  read(): { width: number; height: number; data: Uint8Array } {
    const { width, height } = this.canvas;
    const upside = new Uint8Array(4 * width * height);
    const data = new Uint8Array(upside.length);
    this.gl?.gl.readPixels(0, 0, width, height, this.gl.gl.RGBA, this.gl.gl.UNSIGNED_BYTE, upside);
    for (let y = 0; y < height; y++) data.set(upside.subarray(4 * width * y, 4 * width * (y + 1)), 4 * width * (height - 1 - y));
    return { width, height, data };
  }

  /** The same as a PNG. */
  async png(): Promise<ArrayBuffer> {
    const blob = await new Promise<Blob | null>((resolve) => this.canvas.toBlob(resolve, "image/png"));
    return blob === null ? new ArrayBuffer(0) : blob.arrayBuffer();
  }

  close(): void {
    this.closed = true;
    if (this.again !== null) clearTimeout(this.again);
    this.watch.disconnect();
    // Browsers keep few contexts, and pages of notebooks have many cells.
    this.gl?.gl.getExtension("WEBGL_lose_context")?.loseContext();
    this.canvas.remove();
    this.scene = this.gl = null;
  }

  private make(): HTMLCanvasElement {
    const canvas = document.createElement("canvas");
    canvas.style.cssText = "position:absolute;inset:0;width:100%;height:100%;display:block";
    canvas.addEventListener("webglcontextlost", () => {
      if (canvas === this.canvas && !this.closed) this.lost();
    });
    this.gl = Gl.of(canvas);
    this.scene = this.gl === null ? null : new Scene(this.gl, this.loader, this.shapes);
    if (this.gl === null) this.later();
    return canvas;
  }

  /** Everything is still here but the graphics: a new canvas gets new ones. */
  private lost(): void {
    this.scene = this.gl = null;
    this.shapes.forget();
    for (const tile of this.loader.cache.values()) [tile.texture, tile.luts, tile.rim] = [null, null, null];
    this.later();
    this.changed();
  }

  private later(): void {
    if (this.again !== null) return;
    this.again = setTimeout(() => {
      this.again = null;
      const before = this.canvas;
      this.canvas = this.make();
      before.replaceWith(this.canvas);
      this.changed();
    }, AGAIN_MS);
  }

  private measure(): void {
    const { clientWidth, clientHeight } = this.home;
    if (clientWidth === this.size.width && clientHeight === this.size.height) return;
    this.size = { width: clientWidth, height: clientHeight };
    this.changed();
  }
}
