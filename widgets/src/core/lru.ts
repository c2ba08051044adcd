/** A cache bounded in bytes. What was not used for longest goes first; what is in use now does not go at all. */
export class Lru<V> {
  private readonly entries = new Map<string, { value: V; bytes: number }>();
  private held = 0;
  hits = 0;
  misses = 0;

  /**
   * @param capacity bytes
   * @param evicted is told of every value that goes
   * @param pinned whether a key must stay
   */
  constructor(
    readonly capacity: number,
    private readonly evicted: (value: V) => void = () => {},
    private readonly pinned: (key: string) => boolean = () => false,
  ) {}

  get bytes(): number {
    return this.held;
  }

  get size(): number {
    return this.entries.size;
  }

  /** Return a value and count it as used now. */
  get(key: string): V | undefined {
    const entry = this.entries.get(key);
    if (entry === undefined) {
      this.misses++;
      return undefined;
    }
    this.hits++;
    this.entries.delete(key);
    this.entries.set(key, entry);
    return entry.value;
  }

  /** Return a value without using it. */
  peek(key: string): V | undefined {
    return this.entries.get(key)?.value;
  }

  set(key: string, value: V, bytes: number): void {
    this.delete(key);
    this.entries.set(key, { value, bytes });
    this.held += bytes;
    if (this.held > this.capacity) this.shrink(key);
  }

  delete(key: string): void {
    const entry = this.entries.get(key);
    if (entry === undefined) return;
    this.entries.delete(key);
    this.held -= entry.bytes;
    this.evicted(entry.value);
  }

  /** Delete what `gone` says, or everything. */
  clear(gone: (key: string, value: V) => boolean = () => true): void {
    for (const [key, entry] of [...this.entries]) if (gone(key, entry.value)) this.delete(key);
  }

  *values(): Iterable<V> {
    for (const entry of this.entries.values()) yield entry.value;
  }

  /** Down to nine tenths, so that not every new value has to look for room. */
  private shrink(newest: string): void {
    const enough = this.capacity * 0.9;
    for (const key of [...this.entries.keys()]) {
      if (this.held <= enough) return;
      if (key !== newest && !this.pinned(key)) this.delete(key);
    }
  }
}
