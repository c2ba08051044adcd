/** The colours of ids: what changes them changes a version, and then nothing is uploaded but them. */

import { fromHex, halvesColor } from "../core/colors";
import { LUT, LUT_WIDTH } from "./shaders";
import type { Info, LabelsLayer } from "./state";

/** Colours of the ids of a layer. */
export class Palette {
  version = 0;
  private layer: LabelsLayer | null = null;
  private selection: readonly string[] = [];
  private colors: Info["colors"];
  private hidden = new Set<bigint>();
  private selected = new Set<bigint>();
  private given = new Map<bigint, readonly number[]>();

  follow(layer: LabelsLayer, selection: readonly string[], info: Info): void {
    const kept =
      this.layer?.hidden === layer.hidden &&
      this.layer.isolated === layer.isolated &&
      this.selection === selection &&
      this.colors === info.colors;
    if (kept) return;
    this.hidden = new Set(numbers(layer.hidden));
    this.selected = new Set(numbers(selection));
    if (this.colors !== info.colors) {
      const colors = Object.entries(info.colors ?? {}).filter(([id]) => DECIMAL.test(id));
      this.given = new Map(colors.map(([id, hex]) => [BigInt(id), fromHex(hex).map((v) => Math.round(255 * v))]));
    }
    [this.layer, this.selection, this.colors] = [layer, selection, info.colors];
    this.version++;
  }

  /** Four bytes for each id, in rows of `LUT_WIDTH`. Every plane brings hundreds of ids, so most are never made numbers. */
  table(ids: BigUint64Array): Uint8Array {
    const found = new Uint8Array(4 * LUT_WIDTH * Math.ceil(ids.length / LUT_WIDTH));
    const halves = new Uint32Array(ids.buffer, ids.byteOffset, 2 * ids.length);
    const look = this.layer?.isolated ? LUT.hidden : LUT.shown;
    for (let i = 0; i < ids.length; i++) {
      const [low, high] = [halves[2 * i] ?? 0, halves[2 * i + 1] ?? 0];
      if (low === 0 && high === 0) continue;
      found.set(halvesColor(low, high), 4 * i);
      found[4 * i + 3] = look;
    }
    if (this.given.size + this.hidden.size + this.selected.size > 0) ids.forEach((id, i) => this.except(id, found, 4 * i));
    return found;
  }

  /** Write what is said of this very id. */
  private except(id: bigint, found: Uint8Array, at: number): void {
    if (id === 0n) return;
    const rgb = this.given.get(id);
    if (rgb !== undefined) found.set(rgb, at);
    if (this.hidden.has(id)) found[at + 3] = LUT.hidden;
    // Alone, nothing needs to be told from the rest.
    else if (this.selected.has(id)) found[at + 3] = this.layer?.isolated ? LUT.shown : LUT.selected;
  }
}

const DECIMAL = /^[0-9]+$/;

/** Ids that were written as text; what is no number names nothing. */
function numbers(names: readonly string[]): bigint[] {
  return names.filter((name) => DECIMAL.test(name)).map(BigInt);
}
