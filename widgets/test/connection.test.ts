import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Model } from "../src/core/anywidget";
import { Connection } from "../src/core/connection";
import { type Stores, type Transport, connect } from "../src/core/net";

interface Asked {
  readonly t: string;
  readonly id: number;
  readonly op: string;
}

/** A model whose kernel answers when the test has it do so. */
class Kernel {
  readonly asked: Asked[] = [];
  broken = false;
  private readonly heard = new Set<(message: unknown, buffers: unknown[]) => void>();
  readonly model = {
    send: (message: Asked) => {
      if (this.broken) throw new Error("no comm");
      this.asked.push(message);
    },
    on: (_: string, callback: never) => this.heard.add(callback),
    off: (_: string, callback: never) => this.heard.delete(callback),
  } as unknown as Model;

  answer(): void {
    for (const { id } of this.asked.splice(0)) for (const hear of [...this.heard]) hear({ t: "part", id, last: true }, []);
  }
}

function stores(first = false): Stores & { opened: Transport[] } {
  const opened: Transport[] = [];
  const open = (others: Transport): Transport => {
    opened.push(others);
    return { name: "zarr", stream: () => Promise.resolve(), close: () => others.close() };
  };
  return { names: ["v1"], first, open, opened };
}

describe("which way tiles take", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("is that of the kernel where it answers in time", async () => {
    const kernel = new Kernel();
    const found = connect(kernel.model, null, stores());
    await vi.advanceTimersByTimeAsync(3000);
    expect(kernel.asked).toMatchObject([{ t: "req", op: "info", q: { vol: "v1" } }]);
    kernel.answer();
    await vi.advanceTimersByTimeAsync(1);
    expect((await found).name).toBe("comm");
  });

  it("is that of the kernel, unasked, where no store lies open", async () => {
    const kernel = new Kernel();
    expect((await connect(kernel.model, null)).name).toBe("comm");
    expect(kernel.asked).toEqual([]);
  });

  it("leads to the store where the kernel is silent, and what is in none is refused at once", async () => {
    const [kernel, open] = [new Kernel(), stores()];
    const found = connect(kernel.model, null, open);
    await vi.advanceTimersByTimeAsync(4100);
    expect((await found).name).toBe("zarr");
    const asked = open.opened[0]?.stream("tiles", {}, () => {}, new AbortController().signal);
    await expect(asked).rejects.toThrow("nowhere that a page can read");
  });

  it("leads there without waiting where there is nobody to ask, or that is wished", async () => {
    const kernel = new Kernel();
    expect((await connect(kernel.model, null, stores(true))).name).toBe("zarr");
    expect(kernel.asked).toEqual([]);
    kernel.broken = true;
    expect((await connect(kernel.model, null, stores())).name).toBe("zarr");
  });

  it("goes back to a kernel that was only busy", async () => {
    const kernel = new Kernel();
    let told = 0;
    const connection = new Connection(kernel.model, () => null, () => void told++, () => stores());
    void connection.transport();
    await vi.advanceTimersByTimeAsync(4100);
    expect(connection.current?.name).toBe("zarr");
    kernel.answer();
    await vi.advanceTimersByTimeAsync(1);
    expect(connection.current).toBeNull();
    kernel.answer();
    await vi.advanceTimersByTimeAsync(1);
    expect(connection.current?.name).toBe("comm");
    expect(told).toBe(3);
  });
});
