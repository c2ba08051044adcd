/**
 * Whether the kernel still answers. A page is told that a kernel restarts, and not always that one died, so silence
 * where there should be news is asked about, and believed after a while.
 */
export class Pulse {
  private last: number;
  private asked = false;
  private alive = true;

  /**
   * @param ask sends something that every kernel answers
   * @param tell is told when the kernel is gone, and when it is back
   * @param quiet seconds of silence before it is asked
   * @param patience seconds of silence before it counts as gone
   */
  constructor(
    private readonly ask: () => void,
    private readonly tell: (alive: boolean) => void,
    now: number,
    private readonly quiet = 5,
    private readonly patience = 15,
  ) {
    this.last = now;
  }

  /** A message came. */
  heard(now: number): void {
    this.last = now;
    this.asked = false;
    this.set(true);
  }

  /** The connection was cut, perhaps for a moment: gone, unless something answers. */
  cut(): void {
    this.set(false);
    this.try();
  }

  /** Look at the clock; `expecting` says whether there should be news. */
  check(now: number, expecting: boolean): void {
    if (!expecting) {
      this.last = now;
      this.asked = false;
    } else if (now - this.last > this.patience) {
      this.set(false);
    } else if (now - this.last > this.quiet && !this.asked) {
      this.asked = true;
      this.try();
    }
  }

  private try(): void {
    try {
      this.ask();
    } catch {
      // A closed connection refuses; that is the answer.
    }
  }

  private set(alive: boolean): void {
    if (alive === this.alive) return;
    this.alive = alive;
    this.tell(alive);
  }
}
