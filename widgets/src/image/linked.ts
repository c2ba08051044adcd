/** A picture that is linked to a graph and a table: what it takes from them, and what it tells. No DOM here. */

import type { Selection } from "../core/bus";
import { type ViewState, goto, isolate, same, select, setMarker } from "./state";

/** Which layer shows what: labels the neurons, points or boxes the synapses. */
export type Parts = Readonly<Partial<Record<"neurons" | "synapses", string>>>;

/** The state once another view has said something; neurons are then shown alone. */
export function told(state: ViewState, parts: Parts, { kind, noun, ids, at }: Selection): ViewState {
  if (kind === "fly") return at === undefined ? state : setMarker(goto(state, at), at);
  const layer = parts[noun as keyof Parts];
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
