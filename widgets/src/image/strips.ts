/** Sliders under the picture: through the planes, and through time. */

import { make, say, visible } from "../run/dom";
import type { Explorer } from "./explorer";
import { Select, iconButton, repaint } from "./parts";
import { planeWords } from "./say";
import { mainPlane, planeAxes, reference, setTime, stepZ, voxelAt } from "./state";

const SPEEDS = [5, 10, 20, 30, 60] as const;
const AXES = ["z", "y", "x"] as const;

class Strip {
  readonly element = make("div", "ndi-strip");
  readonly input = make("input", "ndi-slider");
  private readonly words = make("output", "ndi-plane");
  private readonly button: HTMLButtonElement;

  constructor(play: () => void, change: (value: number) => void, ...more: HTMLElement[]) {
    this.button = iconButton("play", "Play", "", play);
    this.input.type = "range";
    this.input.step = "1";
    this.input.min = "0";
    this.input.addEventListener("input", () => change(Number(this.input.value)));
    this.element.append(this.button, this.input, this.words, ...more);
  }

  show(name: string, at: number, count: number, playing: boolean): void {
    if (this.input.max !== String(count - 1)) this.input.max = String(count - 1);
    if (this.input.value !== String(at)) this.input.value = String(at);
    this.input.style.setProperty("--ndi-part", `${(100 * at) / Math.max(1, count - 1)}%`);
    this.input.setAttribute("aria-label", name === "t" ? "Time" : `Plane along ${name}`);
    say(this.words, planeWords(name, at, count));
    repaint(this.button, playing ? "pause" : "play", playing ? "Stop" : name === "t" ? "Play time" : `Play ${name}`);
    this.button.title = playing ? "Stop (Space)" : name === "t" ? "Play through time" : `Play through ${name} (Space)`;
  }
}

export class Strips {
  readonly element = make("div", "ndi-strips");
  private readonly planes: Strip;
  private readonly times: Strip;
  private readonly speed: Select;
  private along: "z" | "t" | null = null;
  private perSecond = 10;

  constructor(private readonly explorer: Explorer) {
    this.speed = new Select("Planes a second", SPEEDS.map((n) => [String(n), `${n}/s`]), (value) => this.hurry(Number(value)));
    this.speed.element.title = "Planes a second";
    this.planes = new Strip(() => this.toggle("z"), (value) => this.plane(value), this.speed.element);
    this.times = new Strip(() => this.toggle("t"), (value) => this.explorer.update((state) => setTime(state, this.explorer.infos, value)));
    this.element.append(this.planes.element, this.times.element);
  }

  /** Play, or stop. */
  toggle(along: "z" | "t" = "z"): void {
    const same = this.explorer.status.playing && this.along === along;
    if (this.explorer.status.playing) this.explorer.stop();
    this.along = same ? null : along;
    if (!same) this.explorer.play(along, this.perSecond);
    this.refresh();
  }

  refresh(): void {
    const { state, infos, status } = this.explorer;
    const info = reference(state, infos);
    const axis = planeAxes(mainPlane(state.layout)).depth;
    const planes = info?.levels[0]?.shape[axis] ?? 1;
    const times = Math.max(1, ...Object.values(infos).map((one) => one.times));
    visible(this.planes.element, planes > 1);
    visible(this.times.element, times > 1);
    const at = info === null ? 0 : Math.min(planes - 1, Math.max(0, voxelAt(info, state.position)[axis]));
    this.planes.show(AXES[axis], at, planes, status.playing && this.along !== "t");
    this.times.show("t", state.t, times, status.playing && this.along === "t");
    this.speed.show(String(this.perSecond));
  }

  private plane(to: number): void {
    this.explorer.update((state) => {
      const info = reference(state, this.explorer.infos);
      if (info === null) return state;
      return stepZ(state, this.explorer.infos, to - voxelAt(info, state.position)[planeAxes(mainPlane(state.layout)).depth]);
    });
  }

  private hurry(perSecond: number): void {
    this.perSecond = perSecond;
    if (this.explorer.status.playing && this.along !== null) this.explorer.play(this.along, perSecond);
  }
}
