/** Everything around the picture: lays it out, sends keys and pointer to what they mean, shows what changed. */

import type { Model } from "../core/anywidget";
import { make, visible } from "../run/dom";
import { apply, firstLayer } from "./commands";
import { type Desk, FIRST, Held } from "./desk";
import { type DrawnShape, brushed } from "./drawing";
import type { Explorer } from "./explorer";
import { help } from "./help";
import type { HistogramMessage } from "./imagecard";
import { type Command, KEYS, POINTER, commandOf, ownKey } from "./keys";
import { Options } from "./options";
import { Overlay } from "./overlay";
import { LayersPanel } from "./panel";
import { iconButton } from "./parts";
import { Readout } from "./readout";
import { ScaleBar } from "./scalebar";
import { savePicture } from "./shot";
import type { Tool } from "./state";
import { Strips } from "./strips";
import { watchTheme, wear } from "./theme";
import { Toolbar } from "./toolbar";
import { Tools } from "./tools";
import { Views } from "./views";

/** Narrower pages show the layers below the picture, and only if asked. */
const NARROW = 700;
const HEIGHT = 480;
const NOTICE_MS = 12000;

type Message = HistogramMessage | { readonly t: "error"; readonly message: string } | { readonly t: "drawn"; readonly drawn: readonly DrawnShape[] };

export class Controls {
  /** The whole widget, with the picture in it. */
  readonly element = make("section", "ndl-image");
  readonly desk = new Held<Desk>(FIRST);
  private readonly stage = make("div", "ndi-stage");
  private readonly notices = make("div", "ndi-notices");
  private readonly toolbar: Toolbar;
  private readonly strips: Strips;
  private readonly readout: Readout;
  private readonly panel: LayersPanel;
  private readonly overlay: Overlay;
  private readonly scale: ScaleBar;
  private readonly options: Options;
  private readonly tools: Tools;
  private readonly help: HTMLElement;
  private readonly views: Views;
  private readonly ends: (() => void)[];
  private tool: Tool;
  private width = 0;

  constructor(
    private readonly explorer: Explorer,
    private readonly model: Model,
  ) {
    const perform = (command: Command): void => this.perform(command);
    this.desk.set({ layer: firstLayer(explorer.state) });
    this.tools = new Tools(this.stage, explorer, this.desk, () => this.lines(), (text) => this.notice(text));
    this.toolbar = new Toolbar(explorer, this.desk, perform, () => savePicture(explorer));
    this.strips = new Strips(explorer);
    this.readout = new Readout(explorer, this.desk);
    this.panel = new LayersPanel(explorer, this.desk, model);
    this.overlay = new Overlay(explorer);
    this.scale = new ScaleBar(explorer);
    this.options = new Options(explorer, this.desk, () => this.tools.paint()?.layer ?? null);
    this.help = help(KEYS, POINTER, () => this.perform({ do: "help" }));
    this.views = new Views(explorer, model, () => this.perform({ do: "views" }));
    this.tool = explorer.state.tool;
    this.build();
    this.ends = this.listen();
    this.refresh();
  }

  close(): void {
    for (const end of this.ends) end();
    this.tools.close();
    this.element.remove();
  }

  /** Do what a key or a button asks for. */
  perform(command: Command): void {
    const { desk, tools } = this;
    switch (command.do) {
      case "goto":
        return this.toolbar.ask();
      case "play":
        return this.strips.toggle();
      case "undo":
        return tools.undo();
      case "finish":
        return tools.finish();
      case "cancel":
        if (!tools.cancel() && (desk.now.help || desk.now.views)) this.perform({ do: desk.now.help ? "help" : "views" });
        return;
      case "help":
        desk.set({ help: !desk.now.help, views: false });
        return (desk.now.help ? this.help : this.stage).focus({ preventScroll: true });
      case "views":
        desk.set({ views: !desk.now.views, help: false });
        return desk.now.views ? this.views.focus() : this.stage.focus({ preventScroll: true });
      case "cross":
        return desk.set({ cross: !desk.now.cross });
      case "panel":
        return desk.set({ side: !desk.now.side });
      case "radius":
        return desk.set({ radius: brushed(desk.now.radius, command.by) });
      default:
        this.explorer.update((state) => apply(command, state, this.where()));
    }
  }

  private where(): Parameters<typeof apply>[2] {
    const [panel] = this.explorer.panels();
    const { layer, place } = this.desk.now;
    return { infos: this.explorer.infos, layer, pointer: place?.position ?? null, size: [panel?.width ?? 0, panel?.height ?? 0] };
  }

  // --- elements ----------------------------------------------------------------------------------------------------

  private build(): void {
    const { stage, element } = this;
    stage.tabIndex = 0;
    stage.setAttribute("role", "application");
    stage.setAttribute("aria-label", "Picture. Arrow keys move, comma and full stop go through the planes, question mark lists the keys.");
    this.notices.setAttribute("role", "alert");
    stage.append(this.explorer.picture, this.overlay.element, this.scale.element, this.options.element, make("div", "ndi-corner", this.notices, this.readout.trouble, this.readout.absent), this.views.element, this.help);
    element.setAttribute("aria-label", "Image Explorer");
    // JupyterLab leaves keys alone that are pressed in here.
    element.dataset["lmSuppressShortcuts"] = "true";
    element.append(this.toolbar.element, make("div", "ndi-middle", make("div", "ndi-column", stage, this.strips.element), this.panel.element), this.readout.element);
    this.resize();
  }

  private resize(): void {
    const height = Number(this.model.get("height") ?? HEIGHT) || HEIGHT;
    this.element.style.setProperty("--ndi-height", `${height}px`);
  }

  private listen(): (() => void)[] {
    const { explorer, model, element } = this;
    const hear = (message: Message): void => this.hear(message);
    const sized = (): void => this.resize();
    const named = (): void => this.views.refresh();
    model.on("msg:custom", hear);
    model.on("change:height", sized);
    model.on("change:named", named);
    element.addEventListener("keydown", (event) => this.key(event));
    // What is let go of after a press in here is no news for the page either.
    element.addEventListener("keyup", (event) => event.stopPropagation());
    element.addEventListener("keypress", (event) => event.stopPropagation());
    this.desk.on((before) => this.changed(before));
    const fits = new ResizeObserver(() => this.fits());
    fits.observe(element);
    return [
      () => model.off("msg:custom", hear),
      () => model.off("change:height", sized),
      () => model.off("change:named", named),
      () => fits.disconnect(),
      watchTheme(() => this.dress()),
      explorer.on("state", () => this.refresh()),
      explorer.on("infos", () => this.refresh()),
      explorer.on("facts", () => this.panel.refresh()),
      explorer.on("status", () => this.progress()),
      explorer.on("drawn", () => this.drawn()),
      explorer.on("pointed", () => this.lines()),
    ];
  }

  // --- news --------------------------------------------------------------------------------------------------------

  private refresh(): void {
    const { state } = this.explorer;
    if (state.tool !== this.tool) {
      this.tool = state.tool;
      this.tools.cancel();
    }
    this.stage.dataset["tool"] = state.tool;
    visible(this.panel.element, this.desk.now.side);
    visible(this.help, this.desk.now.help);
    visible(this.views.element, this.desk.now.views);
    if (this.desk.now.views) this.views.refresh();
    this.dress();
    this.toolbar.refresh();
    this.strips.refresh();
    this.panel.refresh();
    this.readout.refresh();
    this.scale.refresh();
    this.lines();
  }

  private changed(before: Desk): void {
    const { now } = this.desk;
    if (before.layer === now.layer && before.side === now.side && before.help === now.help && before.views === now.views && before.cross === now.cross && before.paint === now.paint) {
      // Only the pointer moved.
      this.readout.refresh();
      if (before.picks !== now.picks) {
        this.explorer.point(now.picks);
        this.panel.refresh();
      }
      this.lines();
    } else this.refresh();
  }

  private progress(): void {
    this.readout.refresh();
    this.strips.refresh();
    this.panel.refresh();
    this.tools.settle();
  }

  private drawn(): void {
    this.scale.refresh();
    this.lines();
    this.panel.drawn();
    this.tools.look();
  }

  private lines(): void {
    this.overlay.refresh(this.tools.over());
    this.options.refresh(this.tools.started);
  }

  private dress(): void {
    wear(this.element, this.explorer.state.theme);
  }

  private fits(): void {
    const width = this.element.clientWidth;
    if (width === 0) return;
    // Only when it is first seen: afterwards it is as the user left it.
    if (this.width === 0 && width < NARROW) this.desk.set({ side: false });
    this.width = width;
    this.dress();
  }

  private hear(message: Message): void {
    if (message.t === "histogram") this.panel.take(message);
    if (message.t === "error") {
      this.tools.settle(true);
      this.notice(message.message);
    }
    if (message.t === "drawn") {
      this.tools.drawn = message.drawn;
      this.lines();
    }
  }

  /** Say something over the picture for a while. */
  private notice(text: string): void {
    const notice = make("div", "ndi-notice", make("span", "", text));
    const drop = (): void => notice.remove();
    notice.append(iconButton("close", "Close", "", drop));
    this.notices.replaceChildren(...[...this.notices.children].slice(-2), notice);
    setTimeout(drop, NOTICE_MS);
  }

  private key(event: KeyboardEvent): void {
    const target = event.composedPath()[0];
    if (target instanceof Element && ownKey({ tag: target.tagName, type: (target as HTMLInputElement).type ?? "", slider: target.getAttribute("role") === "slider" }, event.key)) {
      event.stopPropagation();
      return;
    }
    const command = commandOf(event);
    // Tab goes on as everywhere, and what is no key of ours stays the browser's; the notebook hears of neither.
    event.stopPropagation();
    if (command === null || event.isComposing) return;
    event.preventDefault();
    this.perform(command);
  }
}
