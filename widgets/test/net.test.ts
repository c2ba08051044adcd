import { createServer } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Model } from "../src/core/anywidget";
import { Streams } from "../src/core/connection";
import type { Frame } from "../src/core/frames";
import { CommTransport, HttpTransport, Meter, Refused, address, headers } from "../src/core/net";
import fixture from "./frames.json";

const bytes = (hex: string): Uint8Array => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const stream = bytes(fixture.stream);

function page(base: string, config?: string): Document {
  return { baseURI: base, getElementById: () => (config === undefined ? null : { textContent: config }) } as unknown as Document;
}

describe("the address", () => {
  it("stands below the base URL of the page's server", () => {
    const hub = page("https://hub.org/user/ann/lab/tree/a.ipynb", '{"baseUrl": "/user/ann/"}');
    expect(address({ path: "ndlab/v1/k/1/" }, hub)).toBe("https://hub.org/user/ann/ndlab/v1/k/1/");
    expect(address({ path: "/v1/view" }, hub)).toBe("https://hub.org/v1/view/");
    expect(address({ path: "ndlab/v1/k/1/" }, page("http://localhost:8888/tree"))).toBe("http://localhost:8888/ndlab/v1/k/1/");
  });

  it("is never on another server", () => {
    for (const path of ["https://example.org/x/", "//example.org/x/", "http://localhost:9999/"]) {
      expect(address({ path }, page("http://localhost:8888/", "{}"))).toBeNull();
    }
  });
});

it("takes the token out of the cookies", () => {
  expect(headers("a=1; _xsrf=2%7Cab%7Cc; b=2")).toEqual({ "X-XSRFToken": "2|ab|c" });
  expect(headers("x_xsrf=1; other=2")).toEqual({});
});

it("measures how fast things come, once enough did", () => {
  const meter = new Meter();
  meter.add(1000, 1);
  expect(meter.rate).toBeNull();
  meter.add(10e6, 1000);
  expect(meter.rate).toBeCloseTo(10e6, -5);
});

describe("over HTTP", () => {
  let base = "";
  let closed = 0;
  const server = createServer((request, answer) => {
    const url = new URL(request.url ?? "/", "http://x");
    if (url.pathname.endsWith("/hello")) answer.end(JSON.stringify(fixture.hello));
    else if (url.searchParams.get("vol") === "none") {
      answer.statusCode = 400;
      answer.end(JSON.stringify({ status: 400, asked: "no volume none", exists: "there are a, b", remedy: "" }));
    } else if (url.searchParams.get("vol") === "cut") answer.end(stream.subarray(0, stream.length - 5));
    else if (url.searchParams.get("vol") === "endless") {
      const more = setInterval(() => answer.write(stream), 5);
      request.on("close", () => (clearInterval(more), closed++));
    } else {
      answer.write(stream.subarray(0, 33));
      setTimeout(() => answer.end(stream.subarray(33)), 20);
    }
  });
  const cookies = globalThis as { document?: unknown };

  beforeAll(async () => {
    cookies.document = { cookie: "_xsrf=t" };
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    base = `http://127.0.0.1:${server.address().port}/v1/`;
  });
  afterAll(() => {
    delete cookies.document;
    server.closeAllConnections();
    server.close();
  });

  const ask = (vol: string, onFrame: (frame: Frame) => void = () => {}, control = new AbortController()): Promise<void> =>
    new HttpTransport(base).stream("tiles", { vol, k: "0,0,0" }, onFrame, control.signal);

  it("says hello, or nothing", async () => {
    expect(await new HttpTransport(base).hello(new AbortController().signal)).toBe(true);
    expect(await new HttpTransport("http://127.0.0.1:9/").hello(new AbortController().signal)).toBe(false);
  });

  it("hands frames over as they come", async () => {
    const found: Frame[] = [];
    await ask("em", (frame) => found.push(frame));
    expect(found.map(({ index }) => index)).toEqual(fixture.frames.map(({ index }) => index));
  });

  it("says in words why it was refused", async () => {
    await expect(ask("none")).rejects.toThrow("no volume none; there are a, b");
    await expect(ask("none")).rejects.toBeInstanceOf(Refused);
  });

  it("notices an answer that was cut off", async () => {
    await expect(ask("cut")).rejects.toThrow("within a frame");
  });

  it("ends what is not wanted any more, on the other side, too", async () => {
    const control = new AbortController();
    let seen = 0;
    await expect(ask("endless", () => ++seen === 40 && control.abort(), control)).rejects.toThrow();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(closed).toBe(1);
  });
});

/** The kernel's end of a widget's messages. */
class Wire {
  readonly sent: { t: string; id?: number; op?: string; q?: unknown }[] = [];
  private listener: ((message: unknown, buffers: DataView[]) => void) | null = null;
  readonly model = {
    on: (_: string, listener: never) => (this.listener = listener),
    off: () => (this.listener = null),
    send: (message: never) => void this.sent.push(message),
  } as unknown as Model;

  answer(message: object, ...buffers: Uint8Array[]): void {
    this.listener?.(message, buffers.map((buffer) => new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength)));
  }
}

describe("by messages", () => {
  const frames = fixture.frames.slice(0, 3).map(({ hex }) => bytes(hex));
  const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

  it("asks, acknowledges every part but the last, and ends with it", async () => {
    const wire = new Wire();
    const found: number[] = [];
    const done = new CommTransport(wire.model).stream("tiles", { vol: "em" }, ({ index }) => void found.push(index), new AbortController().signal);
    const [request] = wire.sent;
    expect(request).toMatchObject({ t: "req", op: "tiles", q: { vol: "em" } });
    wire.answer({ t: "part", id: 1234567, last: true }, frames[2] as Uint8Array);
    wire.answer({ t: "part", id: request?.id, last: false }, frames[0] as Uint8Array, frames[1] as Uint8Array);
    await settled();
    expect(wire.sent.slice(1)).toEqual([{ t: "ack", id: request?.id }]);
    wire.answer({ t: "part", id: request?.id, last: true }, frames[2] as Uint8Array);
    await done;
    expect(found).toEqual([0, 1, 2]);
    expect(wire.sent.length).toBe(2);
  });

  it("cancels", async () => {
    const wire = new Wire();
    const control = new AbortController();
    const done = new CommTransport(wire.model).stream("tiles", {}, () => {}, control.signal);
    control.abort();
    await expect(done).rejects.toThrow("aborted");
    expect(wire.sent.at(-1)).toEqual({ t: "cancel", id: wire.sent[0]?.id });
  });

  it("tells what the kernel refuses", async () => {
    const wire = new Wire();
    const done = new CommTransport(wire.model).stream("tiles", {}, () => {}, new AbortController().signal);
    wire.answer({ t: "part", id: wire.sent[0]?.id, last: true, error: "no volume here" });
    await expect(done).rejects.toThrow("no volume here");
  });
});

describe("the streams of a page", () => {
  const never = new AbortController().signal;

  it("are two, the most urgent first", async () => {
    const streams = new Streams(2);
    const order: string[] = [];
    const a = await streams.take(0, false, never);
    await streams.take(0, false, never);
    const low = streams.take(0, false, never).then((back) => (order.push("low"), back));
    const high = streams.take(2, false, never).then((back) => (order.push("high"), back));
    a();
    (await high)();
    await low;
    expect(order).toEqual(["high", "low"]);
  });

  it("are never all taken by what plays", async () => {
    const streams = new Streams(2);
    const play = await streams.take(1, true, never);
    let second = false;
    const waiting = streams.take(9, true, never).then(() => (second = true));
    await streams.take(0, false, never);
    expect(second).toBe(false);
    play();
    await waiting;
    expect(second).toBe(true);
  });

  it("are enough for two that play, and one beside them", async () => {
    const streams = new Streams();
    await streams.take(1, true, never);
    const play = await streams.take(1, true, never);
    let third = false;
    const waiting = streams.take(9, true, never).then(() => (third = true));
    await streams.take(0, false, never);
    expect(third).toBe(false);
    play();
    await waiting;
  });

  it("forget who gave up, and count nothing twice", async () => {
    const streams = new Streams(1);
    const back = await streams.take(0, false, never);
    const control = new AbortController();
    const waiting = streams.take(0, false, control.signal);
    control.abort();
    await expect(waiting).rejects.toThrow("aborted");
    back();
    back();
    await streams.take(0, false, never);
    let third = false;
    void streams.take(0, false, never).then(() => (third = true));
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(third).toBe(false);
  });
});
