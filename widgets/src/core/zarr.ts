/** Tiles without a server or a kernel: a worker reads the chunks of public stores and makes the frames. */

import type { FromReader, ToReader, Volumes } from "../zarr/protocol";
import type { Files } from "../zarr/reach";
import type { OnFrame, Query, Transport } from "./net";
import { Refused } from "./net";

interface Waiting {
  readonly take: OnFrame;
  readonly end: (error?: Error) => void;
  /** Frames are taken one after the other. */
  order: Promise<void>;
}

export class ZarrTransport implements Transport {
  readonly name = "zarr";
  private readonly worker: Worker;
  private readonly address: string;
  private readonly waiting = new Map<number, Waiting>();
  private next = 1;
  private broken: Error | null = null;

  /**
   * @param reader the text of the reader, zarr.ts
   * @param volumes what it can read
   * @param others takes what it cannot
   * @param files of stores that came with the page
   */
  constructor(
    reader: string,
    private readonly volumes: () => Volumes,
    private readonly others: Transport,
    files: Files | null = null,
  ) {
    this.address = URL.createObjectURL(new Blob([reader], { type: "text/javascript" }));
    this.worker = new Worker(this.address);
    this.worker.onmessage = ({ data }: MessageEvent<FromReader>) => this.receive(data);
    this.worker.onerror = (event) => this.fail(new Refused(`the page's reader of stores broke: ${event.message || "it may not be started here"}`, 400));
    if (files !== null) this.tell({ t: "files", files });
    this.tell({ t: "volumes", volumes: volumes() });
  }

  stream(op: "tiles" | "play", query: Query, onFrame: OnFrame, signal: AbortSignal): Promise<void> {
    const names = (query["vol"] ?? "").split(",");
    const known = this.volumes();
    if (!names.every((name) => name in known)) return this.others.stream(op, query, onFrame, signal);
    if (this.broken !== null) return Promise.reject(this.broken);
    const id = this.next++;
    return new Promise((resolve, reject) => {
      const aborted = (): void => {
        this.tell({ t: "cancel", id });
        end(new DOMException("aborted", "AbortError"));
      };
      const end = (error?: Error): void => {
        this.waiting.delete(id);
        signal.removeEventListener("abort", aborted);
        if (error === undefined) resolve();
        else reject(error);
      };
      this.waiting.set(id, { take: onFrame, end, order: Promise.resolve() });
      signal.addEventListener("abort", aborted);
      if (signal.aborted) aborted();
      else this.tell({ t: "ask", id, op, query });
    });
  }

  close(): void {
    this.fail(new DOMException("closed", "AbortError"));
    this.worker.terminate();
    URL.revokeObjectURL(this.address);
    this.others.close();
  }

  private tell(message: ToReader): void {
    this.worker.postMessage(message);
  }

  private receive(message: FromReader): void {
    const waiting = this.waiting.get(message.id);
    if (waiting === undefined) return;
    if (message.t === "end") {
      waiting.order.then(
        () => waiting.end(message.error === undefined ? undefined : new Refused(message.error, 400)),
        (error: unknown) => waiting.end(error as Error),
      );
      return;
    }
    waiting.order = waiting.order.then(() => waiting.take(message.frame)).then(() => this.tell({ t: "taken", id: message.id }));
    waiting.order.catch(() => this.tell({ t: "cancel", id: message.id }));
  }

  private fail(error: Error): void {
    this.broken = error;
    for (const { end } of [...this.waiting.values()]) end(error);
  }
}
