/** Moves positions from where they were to where they are told to be. */

const MS = 700;
/** More nodes jump: there is too little time for each of so many. */
const MOST = 200_000;

/** Slow at both ends. */
export function eased(t: number): number {
  const at = Math.min(1, Math.max(0, t));
  return at * at * (3 - 2 * at);
}

/** Positions at a share of the way. */
export function between(from: Float32Array, to: Float32Array, t: number): Float32Array {
  if (t >= 1) return to;
  const found = new Float32Array(to.length);
  for (let i = 0; i < to.length; i++) found[i] = (from[i] ?? 0) + ((to[i] ?? 0) - (from[i] ?? 0)) * t;
  return found;
}

export class Glide {
  private frame: number | null = null;

  constructor(private readonly put: (places: Float32Array) => void) {}

  /** Go there; at once where nothing was before, or where people asked for less motion. */
  go(from: Float32Array, to: Float32Array): void {
    this.stop();
    const still = globalThis.matchMedia?.("(prefers-reduced-motion: reduce)").matches;
    if (from.length !== to.length || to.length === 0 || to.length / 3 > MOST || still) return this.put(to);
    const began = performance.now();
    const step = (): void => {
      const share = (performance.now() - began) / MS;
      this.frame = share < 1 ? requestAnimationFrame(step) : null;
      this.put(between(from, to, share < 1 ? eased(share) : 1));
    };
    step();
  }

  /** Stay where it is. */
  stop(): void {
    if (this.frame !== null) cancelAnimationFrame(this.frame);
    this.frame = null;
  }
}
