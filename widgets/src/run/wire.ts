/**
 * What kernel and page tell each other about a Run. ndlab/explore/wire.py is the other half; test/wire.json is read
 * by the tests of both.
 */

/** A block's state, one byte each, as the engine has them. BEFORE: done before this Run started. */
export const WAITING = 0;
export const BEFORE = 1;
export const RUNNING = 2;
export const DONE = 3;
export const FAILED = 4;
export const STATES = 5;

export type Triple = readonly [number, number, number];
export type Named = readonly [name: string, text: string];

/** Where blocks lie: they are cut at multiples of `block`, `first` is the grid position of the first. */
export interface BlockGrid {
  readonly counts: Triple;
  readonly block: Triple;
  readonly start: Triple;
  readonly stop: Triple;
  readonly first: Triple;
  readonly level: number;
  /** Names of time points and channels, "" where there are none; every block is done once for each. */
  readonly lead: readonly string[];
  readonly voxel_size: Triple | null;
}

/** The preview: one plane of the output; its pixels are `aspect` times as high as wide. */
export interface PreviewFacts {
  readonly height: number;
  readonly width: number;
  readonly aspect: number;
  readonly label: string;
}

/** What does not change while a Run runs. */
export interface Facts {
  readonly v: 1;
  readonly step: string;
  readonly total: number;
  readonly inputs: readonly Named[];
  readonly params: readonly Named[];
  readonly output: string | null;
  readonly estimate: string;
  readonly grid: BlockGrid | null;
  readonly preview: PreviewFacts | null;
  /** Code that takes the Run up again in another kernel. */
  readonly code: string | null;
  /** Whether what is done is kept, so that a later start goes on from there. */
  readonly resumable: boolean;
  /** Whether the kernel has what it takes to do more, and not the record alone. */
  readonly startable: boolean;
}

export type Phase = "ready" | "running" | "stopping" | "stopped" | "failed" | "done" | "elsewhere";

/** Whether a Run in this phase has news all the time. */
export function isUnderWay(phase: Phase): boolean {
  return phase === "running" || phase === "stopping" || phase === "elsewhere";
}

/** How far a Run is. */
export interface Status {
  readonly phase: Phase;
  readonly done: number;
  readonly failed: number;
  readonly running: number;
  readonly skipped: number;
  readonly retried: number;
  readonly seconds: number;
  readonly rate: number | null;
  readonly left: number | null;
  readonly where: string;
  readonly dashboard: string | null;
  readonly message: string | null;
  /** What it left, in words, once it has ended. */
  readonly receipt: string | null;
}

export interface Failure {
  readonly key: string;
  readonly error: string;
}

/** Kernel to page. Buffers are named in the order in which they come. */
export type FromKernel =
  | { readonly t: "states"; readonly status: Status } // buffers: one state for each block
  | { readonly t: "tick"; readonly status: Status } // buffers: block numbers (uint32), their states (uint8)
  | { readonly t: "patch"; readonly y: number; readonly x: number; readonly h: number; readonly w: number }
  | { readonly t: "failures"; readonly failures: readonly Failure[]; readonly more: number };

/** Page to kernel. */
export type ToKernel = { readonly t: "hello" | "start" | "stop" | "failures" };

/** The bytes of a buffer, wherever it came from. */
export function bytes(buffer: DataView | ArrayBuffer | Uint8Array): Uint8Array {
  return buffer instanceof ArrayBuffer
    ? new Uint8Array(buffer)
    : new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

/** Little-endian uint32 numbers; copied, because a buffer may start anywhere. */
export function numbers(buffer: DataView | ArrayBuffer | Uint8Array): Uint32Array {
  const raw = bytes(buffer);
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  const found = new Uint32Array(raw.byteLength >> 2);
  for (let i = 0; i < found.length; i++) found[i] = view.getUint32(4 * i, true);
  return found;
}
