/** One connection to the kernel for each view, and the streams that all views of a page share. */

import type { Model } from "./anywidget";
import { type Endpoint, type Stores, type Transport, connect } from "./net";

/** Knows what answers now, and finds out anew when it is lost. */
export class Connection {
  private found: Promise<Transport> | null = null;
  current: Transport | null = null;

  constructor(
    private readonly model: Model,
    private readonly endpoint: () => Endpoint | null,
    private readonly changed: () => void,
    private readonly stores: () => Stores | null = () => null,
  ) {}

  /** The way to the kernel; asks again after `lost`. */
  transport(): Promise<Transport> {
    if (this.found === null) {
      // A kernel that was busy answers after all: it is asked again.
      const revived = (): void => {
        if (this.found !== asked) return;
        this.lost();
        void this.transport();
      };
      const asked = connect(this.model, this.endpoint(), this.stores(), revived);
      this.found = asked;
      asked.then(
        (transport) => (this.found === asked ? this.set(transport) : transport.close()),
        () => this.lost(),
      );
    }
    return this.found;
  }

  /** It does not answer any more, or elsewhere. */
  lost(): void {
    this.found = null;
    this.current?.close();
    this.set(null);
  }

  close(): void {
    this.found = null;
    this.current?.close();
    this.current = null;
  }

  private set(transport: Transport | null): void {
    if (this.current === transport) return;
    this.current = transport;
    this.changed();
  }
}

/** Hands out a page's streams: a few at a time, of which one is left to what does not play. The most urgent goes first. */
export class Streams {
  private open = 0;
  private playing = 0;
  private readonly queue: { urgency: number; plays: boolean; go: () => void }[] = [];

  constructor(private readonly most = 3) {}

  /** Wait for a stream; what is returned gives it back. Rejects when the signal aborts first. */
  take(urgency: number, plays: boolean, signal: AbortSignal): Promise<() => void> {
    return new Promise((resolve, reject) => {
      const ticket = { urgency, plays, go: () => resolve(this.lend(plays)) };
      const aborted = (): void => {
        const at = this.queue.indexOf(ticket);
        if (at < 0) return;
        this.queue.splice(at, 1);
        reject(new DOMException("aborted", "AbortError"));
      };
      signal.addEventListener("abort", aborted, { once: true });
      this.queue.push(ticket);
      if (signal.aborted) aborted();
      this.serve();
    });
  }

  private lend(plays: boolean): () => void {
    let given = true;
    return () => {
      if (!given) return;
      given = false;
      this.open--;
      if (plays) this.playing--;
      this.serve();
    };
  }

  private serve(): void {
    while (this.open < this.most) {
      const free = this.queue.filter((ticket) => !ticket.plays || this.playing < Math.max(1, this.most - 1));
      const first = free.sort((a, b) => b.urgency - a.urgency)[0];
      if (first === undefined) return;
      this.queue.splice(this.queue.indexOf(first), 1);
      this.open++;
      if (first.plays) this.playing++;
      first.go();
    }
  }
}

const SHARED = Symbol.for("ndlab.streams");

/** The streams of this page: every widget has a copy of this module, and all share one count. */
export function pageStreams(): Streams {
  const page = globalThis as { [SHARED]?: Streams };
  page[SHARED] ??= new Streams();
  return page[SHARED];
}
