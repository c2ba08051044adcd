/** Where the view goes next, from how it moved: so that planes are there before they are shown. */

const MEMORY_MS = 600;
const MOST = 16;

interface Seen {
  readonly depth: number;
  readonly at: number;
}

/** Follows one depth, in planes, and guesses the next ones. */
export class Motion {
  private trail: Seen[] = [];

  /** The view shows this plane now, in ms. Only what differs from before is news. */
  saw(depth: number, now: number): void {
    const last = this.trail.at(-1);
    if (last?.depth === depth) return;
    const jumped = last !== undefined && Math.abs(depth - last.depth) > 2 * MOST;
    this.trail = jumped ? [] : this.trail.filter((seen) => now - seen.at < MEMORY_MS);
    this.trail.push({ depth, at: now });
  }

  /** Planes a second, with sign; 0 at rest. */
  speed(now: number): number {
    const trail = this.trail.filter((seen) => now - seen.at < MEMORY_MS);
    const [first, last] = [trail[0], trail.at(-1)];
    if (first === undefined || last === undefined || first === last) return 0;
    return (1000 * (last.depth - first.depth)) / Math.max(16, now - first.at);
  }

  /**
   * The planes to fetch ahead, the likeliest first: both neighbours at rest, else as many as pass in `ahead` seconds,
   * as far apart as they are stepped through.
   */
  next(depth: number, count: number, now: number, ahead = 0.5): number[] {
    const speed = this.speed(now);
    const inside = (d: number): boolean => d >= 0 && d < count;
    if (speed === 0) return [depth + 1, depth - 1].filter(inside);
    const stride = Math.max(1, this.stride());
    const many = Math.min(MOST, Math.max(2, Math.ceil((Math.abs(speed) * ahead) / stride)));
    const found: number[] = [];
    for (let i = 1; i <= many; i++) found.push(depth + Math.sign(speed) * i * stride);
    return found.filter(inside);
  }

  /** How many planes one step goes: the least of late. */
  private stride(): number {
    let least = Infinity;
    for (let i = 1; i < this.trail.length; i++) {
      least = Math.min(least, Math.abs((this.trail[i]?.depth ?? 0) - (this.trail[i - 1]?.depth ?? 0)));
    }
    return Number.isFinite(least) ? least : 1;
  }
}
