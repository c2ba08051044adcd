/** What follows from a graph and its state beyond the picture of it: groups, blocks, orders. */

import { type Blocks, type Groups, type Order, blocksOf, degreesOf, groupsOf, orderOf, variation } from "./blocks";
import { type Column, columnOf } from "./data";
import type { Explorer } from "./explorer";
import { CATEGORIES, OTHER } from "./look";
import { memo } from "../core/memo";
import { type ToldTree, type Tree, treeOf } from "./tree";

type Rgb = readonly [number, number, number];

const NO_TREE: ToldTree = {};

export class Derived {
  private readonly one = memo((column: Column | null, count: number) => groupsOf(column, count));
  private readonly other = memo((column: Column | null, count: number) => groupsOf(column, count));
  private readonly blocksMade = memo((groups: Groups, ends: Uint32Array, directed: boolean) => blocksOf(groups, ends, directed));
  private readonly orderMade = memo((groups: Groups | null, degrees: Float64Array, tree: Tree | null) => orderOf(groups, degrees, degrees.length, tree?.codes));
  private readonly treeMade = memo((told: ToldTree, of: string, groups: Groups | null) => treeOf(told, of, groups));
  private readonly degreesMade = memo((ends: Uint32Array, count: number) => degreesOf(ends, count));
  private readonly apart = memo((a: Groups, b: Groups) => variation(a.codes, b.codes));
  private readonly table = memo((columns: readonly Column[], count: number) => {
    const parts = columns.flatMap((one) => {
      const groups = one.of === "nodes" && this.explorer.offers.groups.includes(one.name) ? groupsOf(one, count) : null;
      return groups === null ? [] : [{ name: one.name, codes: groups.codes }];
    });
    return { names: parts.map(({ name }) => name), bits: parts.map((a) => parts.map((b) => variation(a.codes, b.codes))) };
  });

  constructor(private readonly explorer: Explorer) {}

  private column(name: string): Column | null {
    return columnOf(this.explorer.data.columns, "nodes", name);
  }

  /** The groups in use; null while they are not there. */
  get groups(): Groups | null {
    return this.one(this.column(this.explorer.state.groups), this.explorer.data.names.length);
  }

  get against(): Groups | null {
    const { against } = this.explorer.state;
    return against === "" ? null : this.other(this.column(against), this.explorer.data.names.length);
  }

  /** Bits between the groups and those that they are compared with. */
  get variation(): number | null {
    const [a, b] = [this.groups, this.against];
    return a === null || b === null ? null : this.apart(a, b);
  }

  /** Bits between each two ways to group that are there. */
  get all(): { readonly names: readonly string[]; readonly bits: readonly (readonly number[])[] } {
    return this.table(this.explorer.data.columns, this.explorer.data.names.length);
  }

  get blocks(): Blocks | null {
    const { groups, explorer } = this;
    return groups === null ? null : this.blocksMade(groups, explorer.ends, explorer.directed);
  }

  get degrees(): Float64Array {
    return this.degreesMade(this.explorer.data.ends, this.explorer.data.names.length);
  }

  get order(): Order {
    return this.orderMade(this.groups, this.degrees, this.tree);
  }

  /** How groups are merged, if that is asked for and there. */
  get tree(): Tree | null {
    const { state } = this.explorer;
    return state.tree ? this.treeMade(this.told, state.groups, this.groups) : null;
  }

  /** Why there is no tree of these groups, though one is asked for; else empty. */
  get treeless(): string {
    const { state, status } = this.explorer;
    if (!state.tree) return "";
    if (this.told.of === state.groups) return this.told.none ?? "";
    return status.busy.length > 0 ? "" : "there is no tree of these groups yet";
  }

  private get told(): ToldTree {
    return (this.explorer.model.get("tree") ?? NO_TREE) as ToldTree;
  }

  /** Names of nodes of a group. */
  members(code: number): string[] {
    const { data, shown } = this.explorer;
    const codes = this.groups?.codes;
    return data.names.filter((_, row) => codes?.[row] === code && !!shown[row]);
  }
}

/** The colour of a group. */
export function groupColor(code: number): Rgb {
  return CATEGORIES[code] ?? OTHER;
}

export function css(rgb: Rgb, alpha = 1): string {
  return `rgb(${rgb.join(" ")} / ${alpha})`;
}
