/** What pointer and wheel do to the picture, with each tool. */

import type { Desk, Held } from "./desk";
import { type Draft, type DrawnShape, type Kind, type Paint, extended, messageOf, shortened } from "./drawing";
import type { Explorer, Place } from "./explorer";
import type { Over, Stroke } from "./overlay";
import { type Fingers, type Point, pinched } from "./pinch";
import { goto, pan, reference, select, step, zoomAt } from "./state";

/** Less is a click, CSS pixels. */
const STILL = 4;
/** A wheel that began to scroll the page goes on to, this long after. */
const SCROLL_MS = 350;
const NOTCH = 100;
const STROKE_MS = 6000;

interface Grip {
  readonly place: Place;
  readonly x: number;
  readonly y: number;
  last: readonly [number, number];
  moved: boolean;
  /** Drags the picture, whatever the tool. */
  readonly pans: boolean;
}

interface Sent extends Stroke {
  readonly layer: string;
  readonly version: number | string | undefined;
  readonly at: number;
}

export class Tools {
  drawn: readonly DrawnShape[] = [];
  private draft: Draft | null = null;
  private strokes: readonly Sent[] = [];
  private grip: Grip | null = null;
  private pointer: readonly [number, number] | null = null;
  /** Where fingers are, in the order in which they came. */
  private readonly touches = new Map<number, Point>();
  private frame = 0;
  private wheeled = 0;
  private scrolled = -Infinity;

  constructor(
    private readonly stage: HTMLElement,
    private readonly explorer: Explorer,
    private readonly desk: Held<Desk>,
    private readonly redraw: () => void,
    private readonly warn: (message: string) => void,
  ) {
    stage.addEventListener("pointerdown", (event) => this.down(event));
    stage.addEventListener("pointermove", (event) => this.move(event));
    stage.addEventListener("pointerup", (event) => this.up(event));
    stage.addEventListener("pointercancel", (event) => {
      this.touches.delete(event.pointerId);
      this.drop();
    });
    stage.addEventListener("pointerleave", () => this.leave());
    stage.addEventListener("dblclick", (event) => this.twice(event));
    stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    stage.addEventListener("auxclick", (event) => event.preventDefault());
    window.addEventListener("wheel", this.elsewhere, { passive: true, capture: true });
  }

  /** Whether something is being drawn. */
  get started(): boolean {
    return this.draft !== null;
  }

  /** What to show over the picture. */
  over(): Over {
    const { state } = this.explorer;
    const { cross, place, radius, paint } = this.desk.now;
    const brush = state.tool === "brush" ? radius * state.scale : 0;
    const ring = place === null ? null : { plane: place.panel.plane, at: place.position, radius: brush };
    return { cross, drawn: this.drawn, draft: this.draft, strokes: this.strokes, ring, paint };
  }

  /** End what is being drawn, and send it. */
  finish(): void {
    const { draft } = this;
    this.draft = null;
    if (draft !== null) this.send(draft);
    this.redraw();
  }

  /** Drop what is being drawn; whether there was something. */
  cancel(): boolean {
    const was = this.draft !== null;
    [this.draft, this.grip] = [null, null];
    this.redraw();
    return was;
  }

  /** Take back the last point of a line, else the last thing that was drawn. */
  undo(): void {
    if (this.draft !== null) this.draft = shortened(this.draft);
    else this.explorer.send({ t: "undo" });
    this.strokes = this.strokes.slice(0, -1);
    this.redraw();
  }

  /** Forget strokes that are in the picture by now, or never will be. */
  settle(all = false): void {
    const { infos, status } = this.explorer;
    const now = performance.now();
    const open = (one: Sent): boolean => one.version === infos[one.layer]?.version || status.loading > 0;
    const kept = all ? [] : this.strokes.filter((one) => open(one) && now - one.at < STROKE_MS);
    if (kept.length === this.strokes.length) return;
    this.strokes = kept;
    this.redraw();
  }

  /** See anew what lies under the pointer: the picture changed below it. */
  look(): void {
    if (this.frame !== 0 || this.pointer === null) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      if (this.pointer === null) return;
      const [x, y] = this.pointer;
      this.desk.set({ place: this.explorer.placeAt(x, y), picks: this.explorer.pickAt(x, y) });
    });
  }

  close(): void {
    cancelAnimationFrame(this.frame);
    window.removeEventListener("wheel", this.elsewhere, { capture: true });
  }

  // --- pointer -----------------------------------------------------------------------------------------------------

  private down(event: PointerEvent): void {
    if (event.button > 1 || !onPicture(event)) return;
    const place = this.explorer.placeAt(event.clientX, event.clientY);
    if (place === null) return;
    this.stage.focus({ preventScroll: true });
    event.preventDefault();
    this.stage.setPointerCapture(event.pointerId);
    if (event.pointerType === "touch") this.touches.set(event.pointerId, [event.clientX, event.clientY]);
    if (this.touches.size > 1) {
      this.hold(place);
      return;
    }
    const { tool } = this.explorer.state;
    const pans = event.button === 1 || tool === "pan" || tool === "pick";
    this.grip = { place, x: event.clientX, y: event.clientY, last: [event.clientX, event.clientY], moved: false, pans };
    if (!pans && tool !== "point") this.begin(tool as Kind, place);
  }

  /** A second finger came: nothing is drawn or picked any more, both move the picture. */
  private hold(place: Place): void {
    if (this.draft?.kind !== "line") this.draft = null;
    const first = this.grip?.place ?? place;
    this.grip = { place: first, x: 0, y: 0, last: [0, 0], moved: true, pans: true };
    this.redraw();
  }

  /** Fingers moved: the first two of them count. */
  private pinch(event: PointerEvent, grip: Grip): void {
    const before = this.fingers(grip);
    this.touches.set(event.pointerId, [event.clientX, event.clientY]);
    const now = this.fingers(grip);
    if (before === null || now === null) return;
    this.explorer.update((state) => pinched(state, grip.place.panel.plane, before, now));
  }

  private fingers({ place: { panel } }: Grip): Fingers | null {
    const [a, b] = [...this.touches.values()];
    if (a === undefined || b === undefined) return null;
    const rect = this.stage.getBoundingClientRect();
    const [x, y] = [rect.x + panel.x + panel.width / 2, rect.y + panel.y + panel.height / 2];
    return [[a[0] - x, a[1] - y], [b[0] - x, b[1] - y]];
  }

  private begin(kind: Kind, place: Place): void {
    const { plane } = place.panel;
    const radius = this.desk.now.radius * this.explorer.state.scale;
    if (kind === "brush" && this.paint() === null) {
      this.warn("There are no labels to paint: pass some with labels=.");
      this.grip = null;
      return;
    }
    const open = this.draft !== null && this.draft.kind === kind && this.draft.plane === plane ? this.draft : null;
    this.draft = extended(open ?? { kind, plane, points: [], radius }, place.position);
    this.redraw();
  }

  private move(event: PointerEvent): void {
    this.pointer = [event.clientX, event.clientY];
    this.look();
    const { grip } = this;
    if (grip === null) return;
    if (this.touches.size > 1) {
      this.pinch(event, grip);
      return;
    }
    if (this.touches.has(event.pointerId)) this.touches.set(event.pointerId, [event.clientX, event.clientY]);
    grip.moved ||= Math.hypot(event.clientX - grip.x, event.clientY - grip.y) > STILL;
    if (grip.pans) this.drag(event, grip);
    else this.stretch(event, grip);
  }

  private drag(event: PointerEvent, grip: Grip): void {
    if (!grip.moved) return;
    const [x, y] = grip.last;
    grip.last = [event.clientX, event.clientY];
    const { plane } = grip.place.panel;
    this.explorer.update((state) => pan(state, plane, event.clientX - x, event.clientY - y));
  }

  private stretch(event: PointerEvent, grip: Grip): void {
    if (this.draft === null || this.draft.kind === "line" || this.draft.kind === "point") return;
    const events = this.draft.kind === "brush" && "getCoalescedEvents" in event ? event.getCoalescedEvents() : [event];
    for (const one of events.length > 0 ? events : [event]) {
      const place = this.explorer.placeAt(one.clientX, one.clientY);
      if (place?.panel.plane === grip.place.panel.plane && this.draft !== null) this.draft = extended(this.draft, place.position);
    }
    this.redraw();
  }

  private up(event: PointerEvent): void {
    const { grip } = this;
    this.touches.delete(event.pointerId);
    const [left] = this.touches.values();
    if (grip !== null && left !== undefined) {
      // The finger that stays moves on, and picks nothing.
      grip.last = left;
      return;
    }
    this.grip = null;
    if (grip === null) return;
    const { tool } = this.explorer.state;
    if (grip.pans) {
      if (!grip.moved && event.button === 0) this.pick(event, tool === "pick");
    } else if (tool === "point") {
      this.send({ kind: "point", plane: grip.place.panel.plane, points: [grip.place.position], radius: 0 });
    } else if (tool === "line") this.endLine(event, grip);
    else if (tool === "box" && !grip.moved) this.cancel();
    else this.finish();
  }

  /** A line that was dragged is two points; one that was clicked goes on. */
  private endLine(event: PointerEvent, grip: Grip): void {
    const place = this.explorer.placeAt(event.clientX, event.clientY);
    if (!grip.moved || place?.panel.plane !== grip.place.panel.plane || this.draft === null) return;
    const first = this.draft.points.length === 1;
    this.draft = extended(this.draft, place.position);
    if (first) this.finish();
    else this.redraw();
  }

  private drop(): void {
    if (this.grip?.pans === false && this.draft?.kind !== "line") this.draft = null;
    this.grip = null;
    this.redraw();
  }

  private leave(): void {
    this.pointer = null;
    if (this.grip === null) this.desk.set({ place: null, picks: [] });
    this.redraw();
  }

  private twice(event: MouseEvent): void {
    if (!onPicture(event)) return;
    const { tool } = this.explorer.state;
    if (tool === "line" && this.draft !== null) {
      // Both clicks of it set a point, in one place.
      this.draft = shortened(this.draft);
      this.finish();
      return;
    }
    if (tool !== "pan" && tool !== "pick") return;
    const place = this.explorer.placeAt(event.clientX, event.clientY);
    if (place !== null) this.explorer.update((state) => goto(state, place.position));
  }

  /** Select what lies there, and ask what is known of it. */
  private pick({ clientX, clientY, shiftKey, ctrlKey, metaKey }: PointerEvent, adds: boolean): void {
    const [hit] = this.explorer.pickAt(clientX, clientY).filter(({ id }) => id !== null && id !== "0");
    const place = this.explorer.placeAt(clientX, clientY);
    if (hit?.id == null || place === null) return;
    const { layer, id } = hit;
    this.explorer.update((state) => select(state, layer, [id], adds || shiftKey || ctrlKey || metaKey ? "toggle" : "only"));
    this.desk.set({ layer, paint: id });
    this.explorer.send({ t: "pick", layer, id, position: place.position });
  }

  // --- wheel -------------------------------------------------------------------------------------------------------

  private readonly elsewhere = (event: WheelEvent): void => {
    if (!this.stage.contains(event.target as Node | null)) this.scrolled = performance.now();
  };

  private wheel(event: WheelEvent): void {
    const place = this.explorer.placeAt(event.clientX, event.clientY);
    const now = performance.now();
    if (place === null || !onPicture(event)) return;
    if (now - this.scrolled < SCROLL_MS && !this.stage.contains(document.activeElement)) {
      this.scrolled = now;
      return;
    }
    event.preventDefault();
    const unit = event.deltaMode === 1 ? NOTCH / 3 : event.deltaMode === 2 ? 4 * NOTCH : 1;
    // With Shift, some browsers turn the wheel on its side.
    const turned = unit * (event.deltaY || event.deltaX);
    const { plane } = place.panel;
    if (event.shiftKey || event.altKey) this.through(turned, plane);
    else this.explorer.update((state) => zoomAt(state, plane, place.cursor, 2 ** (-Math.max(-400, Math.min(400, turned)) / 240)));
  }

  /** A notch of the wheel is a plane; a touchpad's many small ones add up. */
  private through(turned: number, plane: Place["panel"]["plane"]): void {
    this.wheeled = Math.sign(this.wheeled) === -Math.sign(turned) ? turned : this.wheeled + turned;
    const notch = Math.abs(turned) >= NOTCH / 2 ? Math.abs(turned) : NOTCH / 2;
    const planes = Math.trunc(this.wheeled / notch);
    if (planes === 0) return;
    this.wheeled -= planes * notch;
    this.explorer.update((state) => step(state, this.explorer.infos, plane, planes));
  }

  // --- to the kernel -----------------------------------------------------------------------------------------------

  private send(draft: Draft): void {
    const { state, infos } = this.explorer;
    const paint = draft.kind === "brush" ? this.paint() : null;
    const message = messageOf(draft, reference(state, infos), paint);
    if (message === null) return;
    this.explorer.send(message);
    if (paint === null) return;
    this.strokes = [...this.strokes, { ...draft, ...paint, version: infos[paint.layer]?.version, at: performance.now() }];
    setTimeout(() => this.settle(), STROKE_MS + 50);
  }

  /** What the brush paints: the labels at hand, else the topmost that are seen. */
  paint(): Paint | null {
    const labels = [...this.explorer.state.layers].reverse().filter((layer) => layer.kind === "labels");
    const layer = labels.find(({ id }) => id === this.desk.now.layer) ?? labels.find(({ visible }) => visible) ?? labels[0];
    return layer === undefined ? null : { layer: layer.id, id: this.desk.now.paint };
  }
}

/** Not on a button that lies over it. */
function onPicture(event: Event): boolean {
  return !(event.target instanceof Element && event.target.closest("button, input, select, .ndi-help, .ndi-views, .ndi-options, .ndi-notice") !== null);
}
