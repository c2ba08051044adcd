const ENDS = ["pointerup", "pointercancel"] as const;

/** What is pressed stays the element that it is: one that is replaced between press and release gets no click. */
export class Press {
  private down = false;
  private owed = false;

  constructor(
    element: HTMLElement,
    private readonly draw: () => void,
  ) {
    element.addEventListener("pointerdown", () => {
      this.down = true;
      // It may be let go of anywhere, and some pages keep events from those outside.
      for (const end of ENDS) window.addEventListener(end, this.released, true);
    });
  }

  /** Whether drawing has to wait; what waited is drawn after the click. */
  holds(): boolean {
    this.owed ||= this.down;
    return this.down;
  }

  private readonly released = (): void => {
    this.down = false;
    for (const end of ENDS) window.removeEventListener(end, this.released, true);
    if (!this.owed) return;
    this.owed = false;
    requestAnimationFrame(this.draw);
  };
}
