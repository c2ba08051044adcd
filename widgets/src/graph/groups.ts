/** The groups of a graph: by what, how large, how they are joined, and how far another way to group is from it. */

import { counted } from "../core/words";
import { Select, Tick, row, wordButton } from "../image/parts";
import { make, say, visible } from "../run/dom";
import { short } from "./bins";
import { css, groupColor } from "./derived";
import type { Explorer } from "./explorer";
import { type Heat, MOST as MOST_CELLS, heat } from "./heat";
import { number } from "./fields";
import { same } from "./state";

const MOST_GROUPS = 40;
const SPECTRAL = ["rdpg", "laplacian", "tsne"];
const BEGIN = "communities: ";

export class GroupsTab {
  readonly element = make("div", "ndg-tab");
  private readonly by = make("div", "ndi-body");
  private readonly spectral = make("div", "ndi-body");
  private readonly scree = make("div", "ndg-scree");
  private readonly list = make("div", "ndg-groups");
  private readonly blocks = make("div", "ndi-body");
  private readonly apart = make("div", "ndg-apart");
  private readonly all = make("div", "ndi-body");
  private readonly compared: Tick;
  private readonly tree: Tick;
  private readonly merged = make("div", "ndi-of");
  private readonly parts: ReturnType<typeof number>;
  private readonly dims: ReturnType<typeof number>;
  private readonly against = make("div", "ndi-body");
  private menus: readonly { readonly menu: Select; readonly key: "groups" | "against" }[] = [];
  private offered: unknown = null;
  private told: readonly unknown[] = [];

  constructor(private readonly explorer: Explorer) {
    const card = (title: string, ...inside: HTMLElement[]): HTMLElement =>
      make("section", "ndi-card", make("h5", "ndg-title", title), make("div", "ndi-inside-card", ...inside));
    this.compared = new Tick("all methods with each other", (compared) => explorer.update({ compared }));
    this.tree = new Tick("matrix by their tree", (tree) => explorer.update({ tree, cells: null }));
    this.parts = number("Groups, empty for as many as fit best", 1, (parts) => explorer.update({ parts }));
    this.dims = number("Dimensions, empty for as many as stand out", 1, (dims) => explorer.update({ dims }));
    this.spectral.append(row("groups", this.parts.element), row("dimensions", this.dims.element), this.scree);
    this.element.append(
      card("Groups", this.by, this.spectral, this.list, this.tree.element, this.merged),
      card("Chance of an edge", this.blocks),
      card("Compare", this.against, this.apart, this.compared.element, this.all),
    );
  }

  refresh(): void {
    const { explorer } = this;
    const { state, offers, derived, status, data } = explorer;
    if (!same(this.offered, offers)) this.rebuild();
    for (const { menu, key } of this.menus) menu.show(state[key]);
    const method = state.groups.startsWith(BEGIN) ? state.groups.slice(BEGIN.length) : "";
    visible(this.spectral, SPECTRAL.includes(method));
    visible(this.dims.element.closest<HTMLElement>(".ndi-row") ?? this.dims.element, method !== "tsne");
    this.parts.show(state.parts);
    this.dims.show(state.dims);
    this.compared.show(state.compared);
    this.tree.show(state.tree);
    this.tellTree();
    const told = [derived.groups, explorer.ends, derived.against, data.columns, status, state.compared, explorer.model.get("scree"), explorer.model.get("refused")];
    if (told.every((one, i) => one === this.told[i]) && this.told.length > 0) return;
    this.told = told;
    this.tellGroups();
    this.tellScree(method);
    this.tellBlocks();
    this.tellApart();
  }

  private rebuild(): void {
    const { explorer } = this;
    this.offered = explorer.offers;
    const options = explorer.offers.groups.map((one) => [one, one.replaceAll("_", " ")] as const);
    const by = new Select("groups", options, (groups) => explorer.update({ groups, cells: null }));
    const against = new Select("against", [["", "nothing"], ...options], (value) => explorer.update({ against: value }));
    this.menus = [{ menu: by, key: "groups" }, { menu: against, key: "against" }];
    this.by.replaceChildren(row("by", by.element));
    this.against.replaceChildren(row("with", against.element));
  }

  private tellTree(): void {
    const { tree, treeless } = this.explorer.derived;
    const said = tree === null ? treeless : `where edges between them are dense they are near: the first two at a chance of ${short(tree.top)}, all at ${short(tree.root)}`;
    say(this.merged, said);
    visible(this.merged, said !== "");
  }

  private tellGroups(): void {
    const { derived, state, data } = this.explorer;
    const { groups } = derived;
    if (groups === null) return this.list.replaceChildren(make("div", "ndi-of", "being computed …"));
    const entries = groups.names.slice(0, MOST_GROUPS).map((name, code) => {
      const sign = make("span", "ndi-sign ndi-sign-points");
      sign.style.setProperty("--ndi-color", css(groupColor(code)));
      const entry = make("button", "ndg-entry ndg-group", sign, make("span", "ndg-text", name), make("span", "ndi-of", String(groups.sizes[code] ?? 0)));
      entry.type = "button";
      entry.title = "Select these nodes";
      entry.addEventListener("click", () => this.explorer.update({ selection: derived.members(code) }));
      return entry;
    });
    const none = data.names.length - groups.sizes.reduce((a, b) => a + b, 0);
    const rest = [groups.names.length > entries.length ? `and ${counted(groups.names.length - entries.length, "group")} more` : "", none > 0 ? `${counted(none, "node")} in none` : ""];
    const head = make("div", "ndi-line", make("span", "ndg-grow", counted(groups.names.length, "group")),
      wordButton("colour", "Colour nodes by these groups", () => this.explorer.update({ color: state.groups })));
    const said = rest.filter((one) => one !== "").join(", ");
    this.list.replaceChildren(head, make("div", "ndg-group-list", ...entries), ...(said ? [make("div", "ndi-of", said)] : []));
  }

  /** Singular values, those that stand out in colour. */
  private tellScree(method: string): void {
    const found = this.explorer.model.get("scree") as { readonly of?: string; readonly values?: readonly number[]; readonly elbow?: number };
    const values = found.of === method ? (found.values ?? []).slice(0, 40) : [];
    visible(this.scree, values.length > 0);
    const top = Math.max(...values, 1e-12);
    const used = this.explorer.state.dims ?? found.elbow ?? 0;
    const bars = values.map((value, i) => {
      const bar = make("button", i < used ? "ndg-scree-bar ndg-used" : "ndg-scree-bar");
      bar.type = "button";
      bar.title = `singular value ${i + 1}: ${short(value)}`;
      bar.style.height = `${Math.max(2, (100 * value) / top)}%`;
      bar.addEventListener("click", () => this.explorer.update({ dims: i + 1 === found.elbow ? null : i + 1 }));
      return bar;
    });
    this.scree.replaceChildren(make("div", "ndg-scree-bars", ...bars), make("div", "ndi-of", `singular values; ${found.elbow ?? 0} stand out`));
  }

  private tellBlocks(): void {
    const { derived, directed, sampled } = this.explorer;
    const { groups, blocks } = derived;
    if (groups === null || blocks === null) return this.blocks.replaceChildren();
    const k = blocks.size;
    const times = this.explorer.edgeShare;
    const top = blocks.p.reduce((a, b, i) => (Math.floor(i / k) < MOST_CELLS && i % k < MOST_CELLS ? Math.max(a, b) : a), 0) || 1;
    const shown: Heat = {
      names: groups.names,
      colors: groups.names.map((_, code) => css(groupColor(code))),
      share: (i, j) => Math.sqrt((blocks.p[i * k + j] ?? 0) / top),
      title: (i, j) => `${groups.names[i] ?? ""} ${directed ? "→" : "–"} ${groups.names[j] ?? ""}: ${short((blocks.p[i * k + j] ?? 0) / times)}${sampled ? ", estimated" : ` (${String((blocks.joined[i * k + j] ?? 0) / (!directed && i === j ? 2 : 1))} pairs)`}`,
      choose: (i, j) => this.explorer.update({ selection: [...new Set([...derived.members(i), ...derived.members(j)])] }),
    };
    const bar = make("div", "ndg-bar ndg-heat-bar");
    const ends = make("div", "ndg-ends", make("span", "", "0"), make("span", "", short(top / times)));
    const more = k > MOST_CELLS ? [make("div", "ndi-of", `of the ${MOST_CELLS} largest`)] : [];
    this.blocks.replaceChildren(heat(shown), bar, ends, ...more);
  }

  private tellApart(): void {
    const { derived, state, status } = this.explorer;
    const bits = derived.variation;
    say(this.apart, bits === null ? "" : `variation of information ${bits.toFixed(3)} bits`);
    visible(this.apart, bits !== null);
    if (!state.compared) return this.all.replaceChildren();
    const { names, bits: table } = derived.all;
    const top = Math.max(1e-9, ...table.flat());
    const plain = names.map((name) => name.replace(BEGIN, "").replaceAll("_", " "));
    const shown: Heat = {
      names: plain,
      colors: [],
      share: (i, j) => 1 - (table[i]?.[j] ?? 0) / top,
      title: (i, j) => `${plain[i] ?? ""} and ${plain[j] ?? ""}: ${(table[i]?.[j] ?? 0).toFixed(3)} bits`,
      choose: (i, j) => this.explorer.update({ groups: names[i] ?? "", against: i === j ? "" : (names[j] ?? "") }),
    };
    const refused = Object.keys(this.explorer.model.get("refused") as Record<string, string>).map((one) => one.replace(BEGIN, "").replaceAll("_", " "));
    const waits = status.busy.filter((one) => one.startsWith(BEGIN)).length;
    const said = [waits > 0 ? `${counted(waits, "method")} to come` : "", refused.length > 0 ? `too large for ${refused.join(", ")}` : ""].filter((one) => one !== "").join("; ");
    this.all.replaceChildren(heat(shown), make("div", "ndi-of", `bright is alike; the largest are ${top.toFixed(2)} bits apart`), ...(said ? [make("div", "ndi-of", said)] : []));
  }
}
