/** Another graph in the place of this one, from a file, a catalogue or a recipe; and this one as a file. */

import { counted } from "../core/words";
import { Select, Tick, row, wordButton } from "../image/parts";
import { save } from "../image/shot";
import { make, say, visible } from "../run/dom";
import type { Explorer } from "./explorer";
import { type Field, type Form, parsed, shown } from "./forms";
import { type Saved, joined, pieces } from "./pieces";

interface Known {
  readonly name: string;
  readonly group: string;
}

export class SourceTab {
  readonly element = make("div", "ndg-tab");
  private readonly title = make("div", "ndg-graph-title");
  private readonly fields = make("div", "ndi-body");
  private readonly catalog = make("div", "ndi-body");
  private readonly reads = make("span", "ndi-of");
  private readonly inputs = new Map<string, HTMLInputElement | HTMLSelectElement>();
  private readonly only: Tick;
  private selectedOnly = false;
  private format = "graphml";
  private kind = "";
  private listed: unknown = null;
  private saved: Saved | null = null;
  private readonly seed = make("input", "ndi-number");

  constructor(
    private readonly explorer: Explorer,
    private readonly savers: { readonly png: () => void; readonly svg: () => void; readonly state: () => void },
  ) {
    const card = (title: string, ...inside: HTMLElement[]): HTMLElement =>
      make("section", "ndi-card", make("h5", "ndg-title", title), make("div", "ndi-inside-card", ...inside));
    this.only = new Tick("only what is selected", (on) => (this.selectedOnly = on));
    this.element.append(
      this.title,
      card("Open a file", this.opener()),
      card("Choose", this.catalog, this.folder()),
      card("Make", ...this.maker()),
      card("Save", ...this.saver()),
    );
    explorer.model.on("msg:custom", this.hear as (...args: never[]) => void);
  }

  close(): void {
    this.explorer.model.off("msg:custom", this.hear as (...args: never[]) => void);
  }

  refresh(): void {
    const { explorer } = this;
    const name = String(explorer.model.get("title") ?? "");
    const size = `${counted(explorer.data.names.length, "node")}, ${counted(explorer.total, explorer.directed ? "directed edge" : "edge")}`;
    say(this.title, name ? `${name}: ${size}` : size);
    if (this.listed !== explorer.model.get("catalog")) this.list();
  }

  // --- open --------------------------------------------------------------------------------------------------------

  private opener(): HTMLElement {
    const input = make("input", "");
    input.type = "file";
    input.hidden = true;
    input.setAttribute("aria-label", "Graph file");
    input.addEventListener("change", () => {
      if (input.files?.[0] !== undefined) void this.open(input.files[0]);
      input.value = "";
    });
    const zone = make("div", "ndg-drop", wordButton("choose a file", "GraphML, GML, GEXF, Pajek, edge lists, JSON, LGL, DIMACS, DL, GraphDB, a zip of one, or a state that was saved", () => input.click()), this.reads, input);
    say(this.reads, "or drop it here");
    zone.addEventListener("dragover", (event) => {
      event.preventDefault();
      zone.dataset["over"] = "";
    });
    zone.addEventListener("dragleave", () => delete zone.dataset["over"]);
    zone.addEventListener("drop", (event) => {
      event.preventDefault();
      event.stopPropagation();
      delete zone.dataset["over"];
      const file = event.dataTransfer?.files[0];
      if (file !== undefined) void this.open(file);
    });
    return zone;
  }

  async open(file: File): Promise<void> {
    const bytes = new Uint8Array(await file.arrayBuffer());
    const state = file.name.toLowerCase().endsWith(".json") ? stateIn(bytes) : null;
    if (state !== null) return this.explorer.restore(state);
    const parts = pieces(bytes);
    parts.forEach((piece, part) => this.explorer.ask({ do: "open", name: file.name, part, parts: parts.length }, [piece]));
  }

  // --- choose ------------------------------------------------------------------------------------------------------

  private list(): void {
    const known = this.explorer.model.get("catalog") as readonly Known[];
    this.listed = known;
    visible(this.catalog, known.length > 0);
    const menu = make("select", "ndi-select");
    menu.setAttribute("aria-label", "Connectome");
    menu.add(new Option("choose …", ""));
    const groups = new Map<string, HTMLElement>();
    for (const { name, group } of known) {
      let home = groups.get(group);
      if (home === undefined) {
        home = group === "" ? menu : make("optgroup", "");
        if (home !== menu) {
          (home as HTMLOptGroupElement).label = group.replaceAll("_", " ");
          menu.append(home);
        }
        groups.set(group, home);
      }
      home.append(new Option(group === "" ? name : name.slice(group.length + 1), name));
    }
    menu.addEventListener("change", () => {
      if (menu.value !== "") this.explorer.ask({ do: "choose", name: menu.value });
    });
    this.catalog.replaceChildren(row("graph", menu));
  }

  private folder(): HTMLElement {
    const field = make("input", "ndi-add");
    field.type = "text";
    field.placeholder = "a folder that the kernel sees";
    field.setAttribute("aria-label", "Folder of graphs");
    const list = (): void => {
      if (field.value.trim() !== "") this.explorer.ask({ do: "folder", path: field.value.trim() });
    };
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter") list();
    });
    return row("folder", make("div", "ndi-view-new", field, wordButton("list", "List the graph files in it", list)));
  }

  // --- make --------------------------------------------------------------------------------------------------------

  private maker(): HTMLElement[] {
    const forms = this.explorer.model.get("forms") as readonly Form[];
    const kinds = new Select("kind", forms.map(({ kind }) => [kind, kind.replaceAll("_", " ")] as const), (kind) => this.choose(forms, kind));
    this.seed.type = "number";
    this.seed.step = "1";
    this.seed.value = "0";
    this.seed.setAttribute("aria-label", "seed");
    if (forms[0] !== undefined) this.choose(forms, forms[0].kind);
    return [row("kind", kinds.element), this.fields, row("seed", this.seed, wordButton("make", "Make this graph", () => this.make(forms)))];
  }

  private choose(forms: readonly Form[], kind: string): void {
    this.kind = kind;
    this.inputs.clear();
    const fields = forms.find((one) => one.kind === kind)?.fields ?? [];
    this.fields.replaceChildren(...fields.map((field) => {
      const input = this.input(field);
      input.setAttribute("aria-label", field.name);
      this.inputs.set(field.name, input);
      return row(field.name, input);
    }));
  }

  private input(field: Field): HTMLInputElement | HTMLSelectElement {
    if (field.choices !== undefined) {
      const menu = make("select", "ndi-select");
      for (const one of field.choices) menu.add(new Option(one.replaceAll("_", " "), one));
      menu.value = String(field.value);
      return menu;
    }
    const input = make("input", typeof field.value === "boolean" ? "ndi-tick" : typeof field.value === "number" ? "ndi-number" : "ndi-add");
    if (typeof field.value === "boolean") {
      input.type = "checkbox";
      input.checked = field.value;
      return input;
    }
    input.type = typeof field.value === "number" ? "number" : "text";
    input.step = field.whole ? "1" : "any";
    input.value = shown(field.value);
    return input;
  }

  private make(forms: readonly Form[]): void {
    const fields = forms.find((one) => one.kind === this.kind)?.fields ?? [];
    const parameters: Record<string, unknown> = {};
    for (const field of fields) {
      const input = this.inputs.get(field.name);
      const value = input === undefined ? undefined : parsed(field, input instanceof HTMLInputElement && input.type === "checkbox" ? input.checked : input.value);
      input?.classList.toggle("ndg-wrong", value === undefined);
      if (value === undefined) return;
      parameters[field.name] = value;
    }
    const seed = Math.round(this.seed.valueAsNumber) || 0;
    this.explorer.ask({ do: "make", kind: this.kind, seed, parameters });
  }

  // --- save --------------------------------------------------------------------------------------------------------

  private saver(): HTMLElement[] {
    const formats = this.explorer.model.get("formats") as readonly string[];
    const menu = new Select("format", formats.map((one) => [one, one] as const), (format) => (this.format = format));
    menu.show(this.format);
    const write = wordButton("save", "Save the graph with what was computed of its nodes", () =>
      this.explorer.ask({ do: "write", format: this.format, of: this.selectedOnly ? "selected" : "all" }));
    const { png, svg, state } = this.savers;
    return [
      row("graph", menu.element, write),
      this.only.element,
      row("picture", wordButton("PNG", "Save what is drawn as pixels", png), wordButton("SVG", "Save what is drawn as lines", svg)),
      row("view", wordButton("state", "Save what is shown, as JSON that opens here again", state)),
    ];
  }

  private readonly hear = (message: Saved & { readonly do?: string }, buffers: readonly DataView[]): void => {
    if (message.do !== "save") return;
    if (message.part === 0) this.saved = { ...message, bytes: [] };
    if (this.saved === null) return;
    const whole = joined(this.saved, message, buffers);
    if (whole !== null) save(new Blob(whole), message.name);
  };
}

/** The state of a view in a file; null where it is something else. */
function stateIn(bytes: Uint8Array): Readonly<Record<string, unknown>> | null {
  try {
    const found = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown> | null;
    return found !== null && typeof found === "object" && "layout" in found && "turn" in found && "filters" in found ? found : null;
  } catch {
    return null;
  }
}
