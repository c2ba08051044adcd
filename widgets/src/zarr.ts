/** The reader of stores, which runs in a worker beside the page: fetches chunks, undoes them, cuts planes. */

import { Answers } from "./zarr/answer";
import type { FromReader, ToReader } from "./zarr/protocol";

/** The part of a worker's global scope that this needs. */
interface Scope {
  onmessage: ((event: { readonly data: ToReader }) => void) | null;
  postMessage(message: FromReader, transfer: readonly ArrayBuffer[]): void;
}

interface Request {
  readonly control: AbortController;
  taken: () => void;
}

/** Frames of a request that may be on their way. */
const AHEAD = 3;

function start(scope: Scope): void {
  const answers = new Answers();
  const requests = new Map<number, Request>();

  const ask = async ({ id, op, query }: ToReader & { readonly t: "ask" }): Promise<void> => {
    const control = new AbortController();
    let room = AHEAD;
    const waiting: (() => void)[] = [];
    const go = (): void => {
      room++;
      for (const wake of waiting.splice(0)) wake();
    };
    requests.set(id, { control, taken: go });
    control.signal.addEventListener("abort", go);
    try {
      await answers.answer(
        op,
        query,
        async (frame, index) => {
          while (room <= 0 && !control.signal.aborted) await new Promise<void>((resolve) => waiting.push(resolve));
          if (control.signal.aborted) return;
          room--;
          // A view of a chunk that is kept must not be given away.
          const payload = frame.payload.slice();
          scope.postMessage({ t: "frame", id, frame: { ...frame, payload, index } }, [payload.buffer]);
        },
        control.signal,
      );
      scope.postMessage({ t: "end", id }, []);
    } catch (error) {
      scope.postMessage({ t: "end", id, error: error instanceof Error ? error.message : String(error) }, []);
    } finally {
      requests.delete(id);
    }
  };

  scope.onmessage = ({ data }) => {
    if (data.t === "files") answers.files = data.files;
    else if (data.t === "volumes") answers.set(data.volumes);
    else if (data.t === "ask") void ask(data);
    else if (data.t === "taken") requests.get(data.id)?.taken();
    else requests.get(data.id)?.control.abort();
  };
}

start(globalThis as unknown as Scope);
