/** Bytes of keys by HTTP: whole ones, parts, and the words for what cannot be had. */

export interface Part {
  /** Bytes from the start; negative: so many at the end. */
  readonly offset: number;
  readonly length: number;
}

/** Keys that came with the page begin so: nobody is asked for them. */
export const INLINE = "inline:";
/** By their whole address. */
export type Files = Readonly<Record<string, Uint8Array>>;

/** So many are asked at a time. */
const AT_ONCE = 8;
/** A server that is busy is asked again so often, and at first after so many seconds. */
const TRIES = 4;
const PAUSE = 0.5;

export class Reach {
  private open = 0;
  private readonly queue: (() => void)[] = [];
  asked = 0;

  /**
   * @param fresh ask the server whether what the browser keeps is still so
   * @param files what came with the page
   */
  constructor(
    private readonly fresh: boolean,
    private readonly files: Files = {},
  ) {}

  /** A key, or a part of it; null where there is none. */
  async get(url: string, part: Part | null = null): Promise<Uint8Array | null> {
    if (url.startsWith(INLINE)) return url in this.files ? cut(this.files[url] as Uint8Array, part) : null;
    await this.turn();
    try {
      return await this.ask(url, part);
    } finally {
      this.open--;
      this.queue.shift()?.();
    }
  }

  private async turn(): Promise<void> {
    if (this.open >= AT_ONCE) await new Promise<void>((resolve) => this.queue.push(resolve));
    this.open++;
  }

  private async ask(url: string, part: Part | null): Promise<Uint8Array | null> {
    this.asked++;
    const headers = part === null ? {} : { Range: part.offset < 0 ? `bytes=-${part.length}` : `bytes=${part.offset}-${part.offset + part.length - 1}` };
    const answer = await this.answer(url, headers);
    if (answer.status === 404) return null;
    if (!answer.ok) throw new Error(`${url}: ${answer.status} ${answer.statusText}`.trim());
    const bytes = new Uint8Array(await answer.arrayBuffer());
    // A server that knows no parts sends everything.
    return answer.status === 206 ? bytes : cut(bytes, part);
  }

  private async answer(url: string, headers: Record<string, string>, tried = 1): Promise<Response> {
    let answer: Response;
    try {
      answer = await fetch(url, { headers, credentials: "omit", cache: this.fresh ? "no-cache" : "default" });
    } catch {
      throw new Error(`${url} cannot be read by this page: its server is away, or lets no pages of other sites read it (CORS)`);
    }
    if ((answer.status !== 429 && answer.status !== 503) || tried >= TRIES) return answer;
    const seconds = Number(answer.headers.get("Retry-After")) || PAUSE * 2 ** tried;
    await new Promise((resolve) => setTimeout(resolve, 1000 * Math.min(10, seconds)));
    return this.answer(url, headers, tried + 1);
  }
}

function cut(bytes: Uint8Array, part: Part | null): Uint8Array {
  if (part === null) return bytes;
  return part.offset < 0 ? bytes.subarray(Math.max(0, bytes.length - part.length)) : bytes.subarray(part.offset, part.offset + part.length);
}
