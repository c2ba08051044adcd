/** The rows: those on screen alone are elements, however many there are. */

import { Press } from "../core/press";
import { count as said } from "../core/words";
import { make, say } from "../run/dom";
import { textAt } from "./data";
import type { Explorer } from "./explorer";
import { parsed, written } from "./filter";
import { chosen } from "./picked";
import { refiltered, sortedBy } from "./state";
import { scrollTo, windowOf } from "./window";

const ROW = 23;
const WIDE = 112;
const FIRST = 96;
const WIDEST = 220;
/** CSS pixels, in the heavier type of ids. */
const DIGIT = 9;
/** Cells beyond the edge, so that scrolling shows no gap. */
const SPARE = 1;

export class Grid {
  readonly element = make("div", "ndt-grid");
  private readonly head = make("div", "ndt-head");
  private readonly body = make("div", "ndt-body");
  private readonly scroll = make("div", "ndt-scroll");
  private readonly space = make("div", "ndt-space");
  private readonly foot = make("div", "ndt-foot");
  private readonly fields = new Map<string, HTMLInputElement>();
  private heads: readonly string[] = [];
  private anchor: number | null = null;
  private flown = 0;
  private frame: number | null = null;
  private readonly press = new Press(this.body, () => this.later());
  private readonly sized: ResizeObserver;

  constructor(private readonly explorer: Explorer) {
    this.scroll.tabIndex = 0;
    this.scroll.setAttribute("role", "grid");
    this.scroll.setAttribute("aria-label", "Rows. Arrow keys scroll, click selects, Shift selects up to a row, Ctrl adds one.");
    this.space.append(this.head, this.body);
    this.scroll.append(this.space);
    this.element.append(this.scroll, this.foot);
    this.scroll.addEventListener("scroll", () => this.later());
    this.body.addEventListener("click", (event) => this.click(event));
    this.body.addEventListener("dblclick", (event) => this.rowAt(event, (row) => explorer.fly(row)));
    this.body.addEventListener("pointermove", (event) => this.rowAt(event, (row) => explorer.hover(row)));
    this.body.addEventListener("pointerleave", () => explorer.hover(null));
    this.sized = new ResizeObserver(() => this.later());
    this.sized.observe(this.scroll);
  }

  close(): void {
    this.sized.disconnect();
    if (this.frame !== null) cancelAnimationFrame(this.frame);
  }

  /** Names of the columns from left to right; the first is that of the ids. */
  private get names(): readonly string[] {
    const { state, facts, idName } = this.explorer;
    const all = state.shown.length > 0 ? state.shown : facts.map(({ name }) => name);
    return ["", ...all.filter((name) => name !== idName)];
  }

  refresh(): void {
    const { names, explorer } = this;
    if (names.length !== this.heads.length || names.some((name, i) => name !== this.heads[i])) this.build(names);
    this.follow();
    for (const cell of this.head.children) {
      const by = (cell as HTMLElement).dataset["by"] ?? "";
      const { sort } = explorer.state;
      const way = sort !== null && sort.by === this.sortName(by) ? (sort.down ? "descending" : "ascending") : "none";
      cell.setAttribute("aria-sort", way);
    }
    for (const [by, field] of this.fields) {
      if ((field.getRootNode() as Document | ShadowRoot).activeElement !== field) {
        field.value = written(explorer.state.filters.find((one) => one.by === by));
      }
    }
    this.later();
  }

  /** Light what is pointed at. Rows stay the elements that they are: the pointer may be pressed on one. */
  point(): void {
    this.follow();
    const { hovered, pointed } = this.explorer;
    const all = new Set(hovered === null ? pointed : [hovered, ...pointed]);
    for (const line of this.body.children) line.classList.toggle("ndt-hovered", all.has(Number((line as HTMLElement).dataset["row"])));
  }

  /** Bring what was asked for into sight. */
  private follow(): void {
    const { aim, rows } = this.explorer;
    if (aim.number === this.flown) return;
    this.flown = aim.number;
    const place = rows.indexOf(aim.row);
    if (place >= 0) this.scroll.scrollTop = scrollTo(place, rows.length, ROW, this.seen);
  }

  private sortName(by: string): string {
    const { explorer } = this;
    return by === "" && explorer.factsOf(explorer.idName) !== null ? explorer.idName : by;
  }

  private build(names: readonly string[]): void {
    const { explorer } = this;
    this.heads = names;
    this.fields.clear();
    const cells = names.map((by) => {
      const facts = by === "" ? explorer.factsOf(explorer.idName) : explorer.factsOf(by);
      const name = by === "" ? explorer.idName : by;
      const title = make("button", "ndt-name", name);
      title.type = "button";
      title.title = `${name}${facts?.unit ? ` [${facts.unit}]` : ""}: sort`;
      title.addEventListener("click", () => explorer.update({ sort: sortedBy(explorer.state.sort, this.sortName(by)) }));
      const field = make("input", "ndt-filter");
      field.type = "search";
      field.placeholder = facts?.kind === "number" ? `> 1, 2..5${facts.unit ? ` ${facts.unit}` : ""}` : "has …";
      field.setAttribute("aria-label", `Filter by ${name}`);
      const filter = (): void => this.filter(by, field.value, facts?.kind === "number" || (by === "" && facts === null));
      field.addEventListener("change", filter);
      // Its own cross empties it.
      field.addEventListener("search", filter);
      // Not every page lets Enter be a change.
      field.addEventListener("keydown", (event) => {
        if (event.key === "Enter") filter();
      });
      this.fields.set(by, field);
      const cell = make("div", by === "" ? "ndt-cell ndt-first" : "ndt-cell", title, field);
      cell.setAttribute("role", "columnheader");
      cell.dataset["by"] = by;
      return cell;
    });
    this.head.replaceChildren(...cells);
    // Ids of 64 bits are read to the last digit.
    const { ids, count } = explorer;
    const longest = Math.max(...[0, count >> 1, Math.max(0, count - 1)].map((row) => ids.text(row).length));
    const first = Math.min(WIDEST, Math.max(FIRST, DIGIT * longest + 18));
    this.element.style.setProperty("--ndt-first", `${first}px`);
    this.space.style.width = `${first + WIDE * (names.length - 1)}px`;
  }

  private filter(by: string, text: string, numbers: boolean): void {
    const { explorer } = this;
    explorer.update({ filters: refiltered(explorer.state.filters, by, parsed(by, text, numbers)) });
    this.scroll.scrollTop = 0;
  }

  private get seen(): number {
    return Math.max(ROW, this.scroll.clientHeight - this.head.offsetHeight);
  }

  private later(): void {
    this.frame ??= requestAnimationFrame(() => this.draw());
  }

  private draw(): void {
    this.frame = null;
    if (this.press.holds()) return;
    const { explorer, scroll, heads } = this;
    const { rows, mask } = explorer;
    const all = windowOf(rows.length, ROW, scroll.scrollTop, this.seen);
    const from = Math.max(1, Math.floor((scroll.scrollLeft - SPARE * WIDE) / WIDE) + 1);
    const to = Math.min(heads.length, from + Math.ceil(scroll.clientWidth / WIDE) + 1 + 2 * SPARE);
    const columns = heads.slice(from, to).map((name) => explorer.column(name));
    const shown: HTMLElement[] = [];
    for (let place = all.first; place < all.last && place < rows.length; place++) {
      const row = rows[place] ?? 0;
      const id = make("div", "ndt-cell ndt-first", explorer.ids.text(row));
      const cells = columns.map((column) => {
        const cell = make("div", column?.classes === null ? "ndt-cell ndt-number" : "ndt-cell", column === null ? "…" : textAt(column, row));
        if (column !== null && column.classes !== null) cell.title = cell.textContent ?? "";
        return cell;
      });
      if (cells[0] !== undefined) cells[0].style.marginLeft = `${(from - 1) * WIDE}px`;
      const line = make("div", "ndt-row", id, ...cells);
      line.dataset["row"] = String(row);
      line.dataset["place"] = String(place);
      line.setAttribute("role", "row");
      line.setAttribute("aria-selected", String(mask[row] === 1));
      shown.push(line);
    }
    this.body.replaceChildren(...shown);
    this.point();
    this.body.style.transform = `translateY(${all.top}px)`;
    this.space.style.height = `${all.height + this.head.offsetHeight}px`;
    const { count, selectedCount } = explorer;
    const left = rows.length === count ? `${said(count)} rows` : `${said(rows.length)} of ${said(count)} rows`;
    say(this.foot, selectedCount > 0 ? `${left}, ${said(selectedCount)} selected` : left);
  }

  private rowAt(event: Event, act: (row: number, place: number) => void): void {
    const line = (event.target as HTMLElement).closest<HTMLElement>(".ndt-row");
    if (line !== null) act(Number(line.dataset["row"]), Number(line.dataset["place"]));
  }

  private click(event: MouseEvent): void {
    const { explorer } = this;
    this.rowAt(event, (row, place) => {
      const more = event.ctrlKey || event.metaKey;
      if (event.shiftKey && this.anchor !== null) {
        const [from, to] = [Math.min(this.anchor, place), Math.max(this.anchor, place)];
        return explorer.select(chosen(explorer.mask, explorer.rows.slice(from, to + 1), false));
      }
      this.anchor = place;
      const alone = !more && explorer.selectedCount === 1 && explorer.mask[row] === 1;
      return explorer.select(alone ? new Uint8Array(explorer.count) : chosen(explorer.mask, [row], more));
    });
  }
}
