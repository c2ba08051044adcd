/** A picture that is linked to a graph and a table: what it takes from them, and what it tells. No DOM here. */

import type { Selection } from "../core/bus";
import type { Pick as Hit } from "./explorer";
import { type Vec3, type ViewState, goto, isolate, same, select, setMarker, unhide } from "./state";

/** Which layer shows what: labels the neurons, points or boxes the synapses. */
export type Parts = Readonly<Partial<Record<"neurons" | "synapses", string>>>;

/** The state once another view has said something; neurons are then shown alone. */
export function told(state: ViewState, parts: Parts, { kind, noun, ids, at }: Selection): ViewState {
  if (kind === "fly") return at === undefined ? state : setMarker(goto(state, at), at);
  const layer = parts[noun as keyof Parts];
  if (kind === "alone" && layer !== undefined) {
    return ids.length > 0 ? isolate(select(state, layer, ids), layer, true) : isolate(unhide(state, layer), layer, false);
  }
  if (kind !== "select" || layer === undefined || same(state.selection[layer] ?? [], ids)) return state;
  const next = select(state, layer, ids);
  return noun === "neurons" ? isolate(next, layer, ids.length > 0) : next;
}

/** What a change of the state tells others; null where it selects nothing else. */
export function said(before: ViewState, after: ViewState, parts: Parts): Pick<Selection, "noun" | "ids"> | null {
  if (before.selection === after.selection) return null;
  const changed = (["neurons", "synapses"] as const).flatMap((noun) => {
    const layer = parts[noun];
    if (layer === undefined) return [];
    const ids = after.selection[layer] ?? [];
    return same(before.selection[layer] ?? [], ids) ? [] : [{ noun, ids }];
  });
  // Where all is cleared, there is nothing of either.
  return changed.find(({ ids }) => ids.length > 0) ?? changed[0] ?? null;
}

/** What another view points at. */
export interface Pointed {
  readonly segments: readonly string[];
  /** nm; of one synapse. */
  readonly at: Vec3 | null;
}

export const NOWHERE: Pointed = { segments: [], at: null };

export function pointed(before: Pointed, { noun, ids, at }: Selection): Pointed {
  if (noun === "neurons") return same(before.segments, ids) ? before : { ...before, segments: ids };
  if (noun !== "synapses") return before;
  const place = ids.length === 1 ? (at ?? null) : null;
  return same(before.at, place) ? before : { ...before, at: place };
}

/** Of all that lies under the pointer the topmost that others know. */
export function pointedAt(hits: readonly Hit[], parts: Parts): Pick<Selection, "noun" | "ids"> {
  for (const { layer, id } of hits) {
    if (id === null || id === "0") continue;
    if (layer === parts.synapses) return { noun: "synapses", ids: [id] };
    if (layer === parts.neurons) return { noun: "neurons", ids: [id] };
  }
  return { noun: "neurons", ids: [] };
}
