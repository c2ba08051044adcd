/** What the tool at hand has to set, over the picture: the brush's width and id, or a word on how to draw. */

import { make, say, visible } from "../run/dom";
import type { Desk, Held } from "./desk";
import type { Explorer } from "./explorer";
import { cssColor, idOf } from "./labelscard";
import { Slider, press, wordButton } from "./parts";
import { brushWords, toolWords } from "./say";
import { reference } from "./state";

export class Options {
  readonly element = make("div", "ndi-options");
  private readonly hint = make("span", "ndi-hint");
  private readonly brush = make("div", "ndi-brush-options");
  private readonly radius: Slider;
  private readonly id = make("input", "ndi-add ndi-paint");
  private readonly sign = make("i", "ndi-sign ndi-sign-paint");
  private readonly wipe: HTMLButtonElement;
  private before = "1";

  constructor(
    private readonly explorer: Explorer,
    private readonly desk: Held<Desk>,
    private readonly layer: () => string | null,
  ) {
    this.radius = new Slider("Width of the brush", [1, 80, 1], (value) => this.width(value), (value) => desk.set({ radius: value }));
    this.id.type = "text";
    this.id.inputMode = "numeric";
    this.id.setAttribute("aria-label", "Id to paint");
    this.id.title = "The id to paint; picking one takes it";
    this.id.addEventListener("change", () => this.take());
    this.wipe = wordButton("erase", "Paint background", () => this.erase());
    this.brush.append(make("span", "ndi-of", "paint"), this.sign, this.id, this.wipe, this.radius.element);
    this.element.append(this.hint, this.brush);
  }

  refresh(started: boolean): void {
    const { tool } = this.explorer.state;
    const { radius, paint } = this.desk.now;
    const hint = toolWords(tool, started);
    const brush = tool === "brush" && this.layer() !== null;
    say(this.hint, tool === "brush" && !brush ? "There are no labels to paint" : hint);
    visible(this.hint, !brush);
    visible(this.brush, brush);
    visible(this.element, tool !== "pan" && tool !== "pick");
    if (!brush) return;
    this.radius.show(radius);
    press(this.wipe, paint === "0");
    if ((this.id.getRootNode() as Document | ShadowRoot).activeElement !== this.id) this.id.value = paint === "0" ? "" : paint;
    this.id.placeholder = paint === "0" ? "background" : "";
    this.sign.style.setProperty("--ndi-color", paint === "0" ? "transparent" : cssColor(paint, this.explorer.infos[this.layer() ?? ""]?.colors?.[paint]));
  }

  private width(radius: number): string {
    const { state, infos } = this.explorer;
    const info = reference(state, infos);
    return brushWords(radius, state.scale, info !== null && this.explorer.calibration(info) !== null);
  }

  private take(): void {
    const id = this.id.value.trim() === "0" ? "0" : idOf(this.id.value);
    this.id.setAttribute("aria-invalid", String(id === null));
    if (id !== null) this.desk.set({ paint: id });
  }

  private erase(): void {
    const { paint } = this.desk.now;
    if (paint !== "0") this.before = paint;
    this.desk.set({ paint: paint === "0" ? this.before : "0" });
  }
}
