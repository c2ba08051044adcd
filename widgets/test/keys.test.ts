import { describe, expect, it } from "vitest";
import { KEYS, POINTER, type Press, chordOf, commandOf, ownKey } from "../src/image/keys";

function press(key: string, more: Partial<Press> = {}): Press {
  return { key, code: "", shiftKey: false, ctrlKey: false, altKey: false, metaKey: false, ...more };
}

describe("what keys do", () => {
  it("gives no chord two meanings", () => {
    const chords = KEYS.flatMap(({ on }) => Object.keys(on));
    expect(chords.filter((one, i) => chords.indexOf(one) !== i)).toEqual([]);
  });

  it("explains every row of the table", () => {
    for (const { group, keys, does } of KEYS) for (const text of [group, does, ...keys]) expect(text).not.toBe("");
    for (const [key, does] of POINTER) expect(key && does).not.toBe("");
  });

  it.each([
    [press("ArrowLeft"), { do: "pan", dx: 60, dy: 0 }],
    [press("ArrowDown"), { do: "pan", dx: 0, dy: -60 }],
    [press("ArrowUp", { shiftKey: true }), { do: "pan", dx: 0, dy: 300 }],
    [press("+", { shiftKey: true, code: "Equal" }), { do: "zoom", factor: 1.25 }],
    [press("="), { do: "zoom", factor: 1.25 }],
    [press("-"), { do: "zoom", factor: 0.8 }],
    [press(",", { code: "Comma" }), { do: "step", by: -1 }],
    [press(".", { code: "Period" }), { do: "step", by: 1 }],
    [press("<", { shiftKey: true, code: "Comma" }), { do: "step", by: -10 }],
    [press(":", { shiftKey: true, code: "Period" }), { do: "step", by: 10 }],
    [press(",", { ctrlKey: true, code: "Comma" }), { do: "step", by: -100 }],
    [press("…", { altKey: true, code: "Period" }), { do: "step", by: 100 }],
    [press("PageDown"), { do: "step", by: 1 }],
    [press("PageUp", { shiftKey: true }), { do: "step", by: -10 }],
    [press("PageDown", { altKey: true }), { do: "step", by: 100 }],
    [press("1"), { do: "layout", layout: "xy" }],
    [press("4"), { do: "layout", layout: "three" }],
    [press("g"), { do: "goto" }],
    [press("G"), { do: "goto" }],
    [press(" "), { do: "play" }],
    [press("i"), { do: "invert" }],
    [press("h"), { do: "hide" }],
    [press("H", { shiftKey: true }), { do: "show" }],
    [press("o"), { do: "isolate" }],
    [press("["), { do: "opacity", by: -0.1 }],
    [press("]"), { do: "opacity", by: 0.1 }],
    [press("{", { shiftKey: true, code: "BracketLeft" }), { do: "radius", by: -1 }],
    [press("u"), { do: "undo" }],
    [press("z", { ctrlKey: true }), { do: "undo" }],
    [press("m"), { do: "marker" }],
    [press("c"), { do: "cross" }],
    [press("r"), { do: "reset" }],
    [press("?", { shiftKey: true, code: "Slash" }), { do: "help" }],
    [press("Escape"), { do: "cancel" }],
  ] as const)("%o", (pressed, command) => expect(commandOf(pressed)).toEqual(command));

  it.each([press("c", { ctrlKey: true }), press("r", { metaKey: true }), press("Tab"), press("a"), press("F5")])(
    "leaves %o to the browser",
    (pressed) => expect(commandOf(pressed)).toBeNull(),
  );

  it("reads a bracket that is written with AltGr as a bracket", () => {
    const pressed = press("[", { ctrlKey: true, altKey: true, code: "Digit8", getModifierState: (name) => name === "AltGraph" });
    expect(chordOf(pressed)).toBe("[");
  });

  it("leaves to a control what it needs itself", () => {
    const of = (tag: string, type = "", slider = false): { tag: string; type: string; slider: boolean } => ({ tag, type, slider });
    expect(ownKey(of("INPUT", "range"), "ArrowLeft")).toBe(true);
    expect(ownKey(of("INPUT", "range"), "h")).toBe(false);
    expect(ownKey(of("INPUT", "text"), "h")).toBe(true);
    expect(ownKey(of("SELECT"), "i")).toBe(true);
    expect(ownKey(of("BUTTON"), " ")).toBe(true);
    expect(ownKey(of("BUTTON"), ".")).toBe(false);
    expect(ownKey(of("DIV", "", true), "Home")).toBe(true);
    expect(ownKey(of("DIV"), "ArrowLeft")).toBe(false);
  });
});
