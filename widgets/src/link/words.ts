/** What is selected, in words. No DOM here. */

import type { Chosen } from "./mapping";

const MANY = { synapses: ["synapse", "synapses"], neurons: ["neuron", "neurons"] } as const;

function count(n: number, noun: keyof typeof MANY): string {
  return `${n.toLocaleString("en")} ${MANY[noun][n === 1 ? 0 : 1]}`;
}

/**
 * @param synapses how many follow
 * @param ends how many neurons they join
 */
export function sentence({ noun, ids }: Chosen, synapses: number, ends: number): string {
  if (ids.length === 0) return "Nothing is selected";
  const [only] = ids;
  const what = ids.length === 1 ? `${MANY[noun][0]} ${only}` : count(ids.length, noun);
  return noun === "neurons" ? `${what}, ${count(synapses, "synapses")}` : `${what} of ${count(ends, "neurons")}`;
}
