/** Frames of a screen that passes when a test says so. */

import { vi } from "vitest";

const waiting = new Map<number, () => void>();

vi.stubGlobal("requestAnimationFrame", (callback: () => void) => {
  const number = waiting.size + 1;
  waiting.set(number, callback);
  return number;
});
vi.stubGlobal("cancelAnimationFrame", (number: number) => void waiting.delete(number));

/** Let one frame pass; how many waited for it. */
export function frame(): number {
  const now = [...waiting.values()];
  waiting.clear();
  for (const callback of now) callback();
  return now.length;
}
