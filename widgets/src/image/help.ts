/** What the keys and the pointer do, over the picture: written from the table that the page acts on. */

import { make } from "../run/dom";
import { iconButton } from "./parts";

/** What is said of a key. */
interface Told {
  readonly group: string;
  readonly keys: readonly string[];
  readonly does: string;
}

/** The help on keys and on what the pointer does; `close` is called by its button. */
export function help(table: readonly Told[], acts: readonly (readonly [string, string])[], close: () => void): HTMLElement {
  const element = make("div", "ndi-help");
  element.setAttribute("role", "dialog");
  element.setAttribute("aria-label", "Keys");
  element.tabIndex = -1;
  const groups = [...new Set(table.map(({ group }) => group))];
  const columns = groups.map((group) =>
    section(group, table.filter((row) => row.group === group).map(({ keys, does }) => [keys, does] as const)),
  );
  const pointer = section("Pointer", acts.map(([key, does]) => [[key], does] as const));
  const head = make("div", "ndi-help-head", make("h4", "", "Keys"), iconButton("close", "Close", "Esc", close));
  element.append(head, make("div", "ndi-help-columns", ...columns, pointer));
  return element;
}

function section(title: string, rows: readonly (readonly [readonly string[], string])[]): HTMLElement {
  const list = make("dl", "");
  for (const [keys, does] of rows) list.append(make("dt", "", ...keys.map((key) => make("kbd", "", key))), make("dd", "", does));
  return make("section", "", make("h5", "", title), list);
}
