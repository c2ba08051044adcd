/** The line above the picture: planes, tools, where to go. */

import { make, say, visible } from "../run/dom";
import type { Desk, Held } from "./desk";
import type { Explorer } from "./explorer";
import { parsePosition, positionText } from "./goto";
import type { Command } from "./keys";
import { Choice, iconButton, press, wordButton } from "./parts";
import { type Layout, type Tool, goto } from "./state";
import { showTheme } from "./theme";

const LAYOUTS: readonly (readonly [Layout, string, string])[] = [
  ["xy", "1", "Planes in x and y"],
  ["xz", "2", "Planes in x and z"],
  ["yz", "3", "Planes in y and z"],
  ["three", "4", "Three planes at once"],
];

const TOOLS: readonly (readonly [Tool, string, string])[] = [
  ["pan", "v", "Move; click to select"],
  ["pick", "s", "Select several"],
  ["point", "p", "Draw points"],
  ["line", "l", "Draw lines"],
  ["box", "b", "Draw boxes"],
  ["brush", "n", "Paint labels"],
];


export class Toolbar {
  readonly element = make("div", "ndi-toolbar");
  private readonly layouts: Choice<Layout>;
  private readonly tools: Choice<Tool>;
  private readonly cross: HTMLButtonElement;
  private readonly side: HTMLButtonElement;
  private readonly theme: HTMLButtonElement;
  private readonly views: HTMLButtonElement;
  private readonly field = make("input", "ndi-goto");
  private readonly error = make("div", "ndi-goto-error");

  constructor(
    private readonly explorer: Explorer,
    private readonly desk: Held<Desk>,
    perform: (command: Command) => void,
    shoot: () => void,
  ) {
    this.layouts = new Choice("Planes", LAYOUTS.map(([value, key, title]) => {
      const act = (): void => perform({ do: "layout", layout: value });
      return [value, value === "three" ? iconButton("three", title, key, act) : wordButton(value, `${title} (${key})`, act)];
    }));
    this.tools = new Choice("Tools", TOOLS.map(([value, key, title]) => [value, iconButton(value as "pan", title, key, () => perform({ do: "tool", tool: value }))]));
    this.cross = iconButton("cross", "Cross-hair", "c", () => perform({ do: "cross" }));
    this.side = iconButton("layers", "Layers", "y", () => perform({ do: "panel" }));
    this.theme = iconButton("auto", "", "", () => perform({ do: "theme" }));
    this.views = iconButton("views", "Views under names", "k", () => perform({ do: "views" }));
    const group = (...inside: HTMLElement[]): HTMLElement => make("div", "ndi-group", ...inside);
    this.element.setAttribute("role", "toolbar");
    this.element.setAttribute("aria-label", "Image Explorer");
    this.element.append(
      this.layouts.element,
      this.tools.element,
      group(iconButton("undo", "Take back what was drawn last", "u", () => perform({ do: "undo" }))),
      this.goto(),
      make("span", "ndi-gap"),
      group(
        iconButton("fit", "Show all of it", "r", () => perform({ do: "reset" })),
        this.cross,
        iconButton("camera", "Save the picture", "", shoot),
        this.views,
        this.theme,
        iconButton("help", "Keys", "?", () => perform({ do: "help" })),
        this.side,
      ),
    );
  }

  refresh(): void {
    const { state, infos } = this.explorer;
    this.layouts.show(state.layout);
    this.tools.show(state.tool);
    press(this.cross, this.desk.now.cross);
    press(this.side, this.desk.now.side);
    press(this.views, this.desk.now.views);
    showTheme(this.theme, state.theme);
    if (rootOf(this.field).activeElement !== this.field) {
      const text = positionText(state, infos);
      if (this.field.value !== text) this.field.value = text;
    }
  }

  /** Have the next keys typed into the field. */
  ask(): void {
    this.field.focus();
    this.field.select();
  }

  private goto(): HTMLElement {
    this.field.type = "text";
    this.field.spellcheck = false;
    this.field.autocomplete = "off";
    this.field.setAttribute("aria-label", "Go to x, y, z");
    this.field.title = "Go to x, y, z in voxels, or with a unit: 2 µm, 1.2 µm, 480 nm (g)";
    this.field.addEventListener("focus", () => this.field.select());
    this.field.addEventListener("blur", () => this.leave());
    this.field.addEventListener("input", () => this.complain(""));
    this.field.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.go();
      if (event.key === "Escape") this.field.blur();
    });
    this.error.setAttribute("role", "alert");
    visible(this.error, false);
    return make("label", "ndi-goto-label", make("span", "ndi-of", "x, y, z"), this.field, this.error);
  }

  private go(): void {
    const found = parsePosition(this.field.value, this.explorer.state, this.explorer.infos);
    if ("error" in found) {
      this.complain(found.error);
      return;
    }
    this.explorer.update((state) => goto(state, found.position));
    this.complain("");
    this.field.blur();
    this.element.closest(".ndl-image")?.querySelector<HTMLElement>(".ndi-stage")?.focus({ preventScroll: true });
  }

  private leave(): void {
    this.complain("");
    this.refresh();
  }

  private complain(text: string): void {
    say(this.error, text);
    visible(this.error, text !== "");
    this.field.setAttribute("aria-invalid", String(text !== ""));
  }
}

function rootOf(element: HTMLElement): DocumentOrShadowRoot {
  return element.getRootNode() as Document | ShadowRoot;
}
