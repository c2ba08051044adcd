/** What each key does. One table: the page acts on it, and the help is written from it. No DOM here. */

import type { Layout, Tool } from "./state";

export type Command =
  | { readonly do: "pan"; readonly dx: number; readonly dy: number }
  | { readonly do: "zoom"; readonly factor: number }
  | { readonly do: "step" | "opacity" | "radius"; readonly by: number }
  | { readonly do: "layout"; readonly layout: Layout }
  | { readonly do: "tool"; readonly tool: Tool }
  | { readonly do: Plain };

export type Plain =
  | "goto"
  | "play"
  | "reset"
  | "invert"
  | "hide"
  | "show"
  | "isolate"
  | "clear"
  | "marker"
  | "unmark"
  | "cross"
  | "panel"
  | "views"
  | "theme"
  | "undo"
  | "finish"
  | "cancel"
  | "help";

export interface Row {
  readonly group: string;
  /** The keys as people read them: alternatives, or a pair that goes both ways. */
  readonly keys: readonly string[];
  readonly does: string;
  /** Chords: a key with "Shift+" or "Far+" (Ctrl or Alt) before it. */
  readonly on: Readonly<Record<string, Command>>;
}

/** What the page needs of a KeyboardEvent. */
export interface Press {
  readonly key: string;
  readonly code: string;
  readonly shiftKey: boolean;
  readonly ctrlKey: boolean;
  readonly altKey: boolean;
  readonly metaKey: boolean;
  getModifierState?(name: string): boolean;
}

const NEAR = 60;
const WIDE = 300;
const CLOSER = 1.25;

const pan = (dx: number, dy: number): Command => ({ do: "pan", dx, dy });
const step = (by: number): Command => ({ do: "step", by });
const plain = (name: Plain): Command => ({ do: name });
const layout = (to: Layout): Command => ({ do: "layout", layout: to });
const tool = (to: Tool): Command => ({ do: "tool", tool: to });

export const KEYS: readonly Row[] = [
  {
    group: "Move",
    keys: ["← → ↑ ↓"],
    does: "move; with Shift further",
    on: {
      ArrowLeft: pan(NEAR, 0),
      ArrowRight: pan(-NEAR, 0),
      ArrowUp: pan(0, NEAR),
      ArrowDown: pan(0, -NEAR),
      "Shift+ArrowLeft": pan(WIDE, 0),
      "Shift+ArrowRight": pan(-WIDE, 0),
      "Shift+ArrowUp": pan(0, WIDE),
      "Shift+ArrowDown": pan(0, -WIDE),
    },
  },
  {
    group: "Move",
    keys: ["+", "−"],
    does: "zoom in, out",
    on: {
      "+": { do: "zoom", factor: CLOSER },
      "=": { do: "zoom", factor: CLOSER },
      "Shift++": { do: "zoom", factor: CLOSER },
      "-": { do: "zoom", factor: 1 / CLOSER },
      "Shift+_": { do: "zoom", factor: 1 / CLOSER },
    },
  },
  {
    group: "Move",
    keys: [", .", "PgUp PgDn"],
    does: "one plane back, on",
    on: { ",": step(-1), ".": step(1), PageUp: step(-1), PageDown: step(1) },
  },
  {
    group: "Move",
    keys: ["Shift"],
    does: "the same by ten planes",
    on: { "Shift+,": step(-10), "Shift+.": step(10), "Shift+PageUp": step(-10), "Shift+PageDown": step(10) },
  },
  {
    group: "Move",
    keys: ["Ctrl", "Alt"],
    does: "the same by a hundred planes",
    on: { "Far+,": step(-100), "Far+.": step(100), "Far+PageUp": step(-100), "Far+PageDown": step(100) },
  },
  { group: "Move", keys: ["Space"], does: "play, stop", on: { " ": plain("play") } },
  { group: "Move", keys: ["g"], does: "go to a position", on: { g: plain("goto") } },
  { group: "Move", keys: ["r"], does: "show all of it", on: { r: plain("reset") } },
  {
    group: "Look",
    keys: ["1 2 3 4"],
    does: "xy, xz, yz, three planes",
    on: { "1": layout("xy"), "2": layout("xz"), "3": layout("yz"), "4": layout("three") },
  },
  {
    group: "Look",
    keys: ["[ ]"],
    does: "less, more of the layer",
    on: { "[": { do: "opacity", by: -0.1 }, "]": { do: "opacity", by: 0.1 } },
  },
  { group: "Look", keys: ["i"], does: "exchange black and white", on: { i: plain("invert") } },
  { group: "Look", keys: ["c"], does: "cross-hair", on: { c: plain("cross") } },
  { group: "Look", keys: ["m", "Shift m"], does: "set a marker, remove it", on: { m: plain("marker"), "Shift+m": plain("unmark") } },
  { group: "Look", keys: ["y"], does: "layers beside the picture", on: { y: plain("panel") } },
  { group: "Look", keys: ["d"], does: "dark, light, as the page is", on: { d: plain("theme") } },
  { group: "Look", keys: ["k"], does: "keep a view, go to one", on: { k: plain("views") } },
  { group: "Ids", keys: ["h", "Shift h"], does: "hide what is selected, show all", on: { h: plain("hide"), "Shift+h": plain("show") } },
  { group: "Ids", keys: ["o"], does: "only what is selected", on: { o: plain("isolate") } },
  { group: "Ids", keys: ["x"], does: "select nothing", on: { x: plain("clear") } },
  {
    group: "Draw",
    keys: ["v s"],
    does: "move, select",
    on: { v: tool("pan"), s: tool("pick") },
  },
  {
    group: "Draw",
    keys: ["p l b n"],
    does: "point, line, box, brush",
    on: { p: tool("point"), l: tool("line"), b: tool("box"), n: tool("brush") },
  },
  {
    group: "Draw",
    keys: ["Shift [ ]"],
    does: "thinner, broader brush",
    on: { "Shift+[": { do: "radius", by: -1 }, "Shift+]": { do: "radius", by: 1 } },
  },
  { group: "Draw", keys: ["Enter", "Esc"], does: "end a line, drop it", on: { Enter: plain("finish"), Escape: plain("cancel") } },
  { group: "Draw", keys: ["u", "Ctrl z"], does: "take the last one back", on: { u: plain("undo"), "Far+z": plain("undo") } },
  { group: "Draw", keys: ["?"], does: "this help", on: { "?": plain("help"), "Shift+?": plain("help") } },
];

/** With the pointer, for the help. */
export const POINTER: readonly (readonly [string, string])[] = [
  ["Drag", "move over the plane"],
  ["Wheel", "zoom to the pointer"],
  ["Shift or Alt wheel", "through the planes"],
  ["Click", "select; with Shift one more"],
  ["Double click", "go there"],
  ["Two fingers", "move and zoom, with any tool"],
];

const CHORDS: ReadonlyMap<string, Command> = new Map(KEYS.flatMap(({ on }) => Object.entries(on)));

// What Shift and Alt make of these keys is another sign on each keyboard.
const BY_PLACE: Readonly<Record<string, string>> = { Comma: ",", Period: ".", BracketLeft: "[", BracketRight: "]" };

/** The chord of a press, as the table writes it. */
export function chordOf(press: Press): string {
  // AltGr, with which some keyboards write brackets, says that it is Ctrl and Alt.
  const graph = press.getModifierState?.("AltGraph") ?? false;
  const far = !graph && (press.ctrlKey || press.altKey || press.metaKey);
  const placed = press.shiftKey || far ? BY_PLACE[press.code] : undefined;
  const key = placed ?? (press.key.length === 1 ? press.key.toLowerCase() : press.key);
  return `${far ? "Far+" : press.shiftKey ? "Shift+" : ""}${key}`;
}

/** What a press asks for; null for a key that is left to the page. */
export function commandOf(press: Press): Command | null {
  return CHORDS.get(chordOf(press)) ?? null;
}

const LINE_KEYS: ReadonlySet<string> = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "PageUp", "PageDown", "Home", "End"]);

/** Whether a control that has the focus needs a key for itself. */
export function ownKey(control: { readonly tag: string; readonly type: string; readonly slider: boolean }, key: string): boolean {
  const { tag, type, slider } = control;
  if (slider || (tag === "INPUT" && type === "range")) return LINE_KEYS.has(key);
  if (tag === "BUTTON" || tag === "A" || tag === "SUMMARY" || (tag === "INPUT" && type === "checkbox")) return key === " " || key === "Enter";
  return tag === "INPUT" || tag === "SELECT" || tag === "TEXTAREA";
}
