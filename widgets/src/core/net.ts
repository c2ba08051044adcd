/**
 * How tiles reach the page. Streams over HTTP from the page's own server where that answers, else messages to the
 * kernel, else, of stores that anybody may read, chunks that the page reads itself (zarr.ts). Requests are cut to three streams a page, whatever number of views it has: a browser has six connections.
 */

import type { Model } from "./anywidget";
import { type Frame, FrameParser, unpack } from "./frames";

export type Query = Readonly<Record<string, string>>;

/** Takes a frame in; what it returns is waited for, and the sender with it. */
export type OnFrame = (frame: Frame) => void | Promise<void>;

export interface Transport {
  readonly name: "http" | "comm" | "zarr";
  /** Ask, and hand over the frames of the answer as they come; resolves at its end. */
  stream(op: "tiles" | "play", query: Query, onFrame: OnFrame, signal: AbortSignal): Promise<void>;
  close(): void;
}

/** The other side answered, and refused. */
export class Refused extends Error {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

/** What the kernel says of how to reach it over HTTP. */
export interface Endpoint {
  /** "ndlab/v1/k/KEY/", below the base URL of the server; or absolute, from "/". */
  readonly path: string;
}

/** Where an endpoint lies on the page's own server; null if it would be another. */
export function address(endpoint: Endpoint, page: Document = document): string | null {
  const config = page.getElementById("jupyter-config-data")?.textContent;
  const base = config ? ((JSON.parse(config) as { baseUrl?: string }).baseUrl ?? "/") : "/";
  const url = new URL(endpoint.path, new URL(base, page.baseURI));
  if (url.origin !== new URL(page.baseURI).origin) return null;
  return url.href.endsWith("/") ? url.href : `${url.href}/`;
}

/** The header without which a hub refuses what a page asks with its cookie. */
export function headers(cookies: string): Record<string, string> {
  const token = /(?:^|;\s*)_xsrf=([^;]*)/.exec(cookies)?.[1];
  return token ? { "X-XSRFToken": decodeURIComponent(token) } : {};
}

/** Bytes a second of what came lately; null before enough did. */
export class Meter {
  private bytes = 0;
  private ms = 0;

  /** So many bytes took so long. */
  add(bytes: number, ms: number): void {
    this.bytes += bytes;
    this.ms += ms;
    if (this.ms > 4000) [this.bytes, this.ms] = [this.bytes / 2, this.ms / 2];
  }

  get rate(): number | null {
    return this.bytes < 1 << 20 || this.ms <= 0 ? null : (1000 * this.bytes) / this.ms;
  }
}

export class HttpTransport implements Transport {
  readonly name = "http";
  readonly meter = new Meter();

  constructor(private readonly base: string) {}

  /** Whether a server answers there and streams. */
  async hello(signal: AbortSignal): Promise<boolean> {
    try {
      const answer = await this.get("hello", {}, signal);
      const found = (await answer.json()) as { v?: number; stream?: boolean };
      return found.v === 1 && found.stream === true;
    } catch {
      return false;
    }
  }

  async stream(op: "tiles" | "play", query: Query, onFrame: OnFrame, signal: AbortSignal): Promise<void> {
    const answer = await this.get(op, query, signal);
    const reader = answer.body?.getReader();
    if (reader === undefined) throw new Error("an answer without a body");
    const parser = new FrameParser();
    try {
      for (let before = performance.now(); ; before = performance.now()) {
        const between = parser.clean;
        const { done, value } = await reader.read();
        if (done) break;
        // Between frames the server may have been thinking; within one, only the link keeps us waiting.
        if (!between) this.meter.add(value.length, performance.now() - before);
        for (const frame of parser.push(value)) await onFrame(frame);
      }
    } finally {
      // Else the server goes on with what nobody reads.
      void reader.cancel().catch(() => {});
    }
    if (!parser.clean) throw new Error("the answer ended within a frame");
  }

  close(): void {}

  private async get(op: string, query: Query, signal: AbortSignal): Promise<Response> {
    const text = new URLSearchParams(query).toString().replaceAll("%2C", ",").replaceAll("%3B", ";");
    const url = `${this.base}${op}${text ? `?${text}` : ""}`;
    const answer = await fetch(url, { headers: headers(document.cookie), credentials: "same-origin", cache: "no-store", signal });
    if (answer.ok) return answer;
    throw new Refused(await reason(answer), answer.status);
  }
}

async function reason(answer: Response): Promise<string> {
  const text = (await answer.text()).slice(0, 2000);
  try {
    const found = JSON.parse(text) as { asked?: string; exists?: string; remedy?: string; message?: string };
    return [found.asked, found.exists, found.remedy].filter(Boolean).join("; ") || (found.message ?? text);
  } catch {
    return text || answer.statusText;
  }
}

interface Part {
  readonly t: string;
  readonly id: number;
  readonly last?: boolean;
  readonly error?: string;
}

interface Waiting {
  take(part: Part, buffers: readonly (DataView | ArrayBuffer | Uint8Array)[]): void;
}

/** A volume that is computed as it is asked for may take its time. */
const SILENCE_MS = 60_000;

export class CommTransport implements Transport {
  readonly name = "comm";
  // Every page that shows a model hears every answer: they must not take each other's for their own.
  private next = 1 + Math.floor(Math.random() * 2 ** 30) * 2 ** 20;
  private readonly waiting = new Map<number, Waiting>();

  constructor(private readonly model: Model) {
    model.on("msg:custom", this.receive);
  }

  stream(op: "tiles" | "play", query: Query, onFrame: OnFrame, signal: AbortSignal): Promise<void> {
    const id = this.next++;
    return new Promise((resolve, reject) => {
      let clock: ReturnType<typeof setTimeout>;
      const end = (finish: () => void): void => {
        clearTimeout(clock);
        this.waiting.delete(id);
        signal.removeEventListener("abort", aborted);
        finish();
      };
      const listen = (): void => {
        clearTimeout(clock);
        clock = setTimeout(() => end(() => reject(new Error("the kernel does not answer"))), SILENCE_MS);
      };
      const aborted = (): void => {
        this.model.send({ t: "cancel", id });
        end(() => reject(new DOMException("aborted", "AbortError")));
      };
      let order = Promise.resolve();
      const take: Waiting["take"] = (part, buffers) => {
        listen();
        order = order.then(async () => {
          for (const buffer of buffers) await onFrame(unpack(bytesOf(buffer)));
          if (part.error !== undefined) end(() => reject(new Refused(part.error ?? "", 400)));
          else if (part.last) end(resolve);
          else this.model.send({ t: "ack", id });
        });
        order.catch((error: unknown) => end(() => reject(error)));
      };
      this.waiting.set(id, { take });
      signal.addEventListener("abort", aborted);
      listen();
      if (signal.aborted) aborted();
      else this.model.send({ t: "req", id, op, q: query });
    });
  }

  /** Resolves when the kernel answers a question about a volume, whatever it says; rejects where nobody can be asked. */
  hello(vol: string): Promise<void> {
    const id = this.next++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, {
        take: () => {
          this.waiting.delete(id);
          resolve();
        },
      });
      try {
        this.model.send({ t: "req", id, op: "info", q: { vol } });
      } catch (error) {
        reject(error);
      }
    });
  }

  close(): void {
    this.model.off("msg:custom", this.receive);
  }

  private readonly receive = (message: Part, buffers: readonly (DataView | ArrayBuffer | Uint8Array)[] = []): void => {
    if (message.t === "part") this.waiting.get(message.id)?.take(message, buffers);
  };
}

function bytesOf(buffer: DataView | ArrayBuffer | Uint8Array): Uint8Array {
  return buffer instanceof ArrayBuffer ? new Uint8Array(buffer) : new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

// A busy hub takes its time, and messages are several times dearer for as long as the page is open.
const PROBE_MS = 4000;

/** Stores that the page can read itself, and what it takes for that. */
export interface Stores {
  /** The names that tiles of them are asked by. */
  readonly names: readonly string[];
  /** Read them without asking whether a server or kernel answers. */
  readonly first: boolean;
  /** Read them; `others` takes what they do not hold. */
  open(others: Transport): Transport;
}

/**
 * Find out what answers: HTTP within four seconds, else the kernel by messages. Where there are stores that the page can
 * read itself, the kernel has the same four seconds.
 *
 * @param revived is told when a kernel answers that was too busy for that
 */
export async function connect(model: Model, endpoint: Endpoint | null, stores: Stores | null = null, revived: () => void = () => {}): Promise<Transport> {
  const comm = new CommTransport(model);
  if (stores?.first === true) return stores.open(comm);
  const answers = stores === null ? null : comm.hello(stores.names[0] ?? "");
  const kernel = answers === null ? Promise.resolve(true) : within(answers, PROBE_MS);
  const http = await streaming(endpoint);
  if (http !== null) {
    comm.close();
    return http;
  }
  if (stores === null || (await kernel)) return comm;
  void answers?.then(revived, () => {});
  return stores.open(new Nobody(comm));
}

/** Says at once that a kernel does not answer. */
class Nobody implements Transport {
  readonly name = "comm";

  constructor(private readonly comm: CommTransport) {}

  stream(): Promise<void> {
    return Promise.reject(new Refused("the kernel does not answer, and this layer lies nowhere that a page can read", 400));
  }

  close(): void {
    this.comm.close();
  }
}

async function streaming(endpoint: Endpoint | null): Promise<HttpTransport | null> {
  const base = endpoint === null ? null : address(endpoint);
  if (base === null) return null;
  const http = new HttpTransport(base);
  const over = new AbortController();
  const clock = setTimeout(() => over.abort(), PROBE_MS);
  const found = await http.hello(over.signal);
  clearTimeout(clock);
  return found ? http : null;
}

async function within(promise: Promise<void>, ms: number): Promise<boolean> {
  let clock: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<boolean>((resolve) => (clock = setTimeout(() => resolve(false), ms)));
  const found = await Promise.race([late, promise.then(() => true, () => false)]);
  clearTimeout(clock);
  return found;
}
