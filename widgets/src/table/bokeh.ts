/** BokehJS in this page: one copy for each version, which the kernel sends from its own package. */

import type { Model } from "../core/anywidget";

export interface Source {
  readonly data: Record<string, ArrayLike<unknown>> & { readonly get?: (name: string) => ArrayLike<unknown> };
  readonly selected: { indices: number[]; readonly properties: { readonly indices: { readonly change: Signal } } };
}

interface Signal {
  connect(slot: () => void): boolean;
}

export interface Document {
  get_model_by_id(id: string): unknown;
  clear(): void;
}

export interface Item {
  readonly version: string;
  readonly root_id: string;
  readonly doc: unknown;
}

interface Views {
  readonly roots: readonly { readonly model: { readonly document: Document | null } }[];
}

export interface Bokeh {
  readonly embed: { embed_item(item: Item, target: HTMLElement): Promise<Views> };
}

type Page = { Bokeh?: Record<string, Bokeh | undefined> };

const there = (version: string): Bokeh | undefined => (globalThis as unknown as Page).Bokeh?.[version];

/** Run a script as pages run scripts: a policy that forbids text as code allows the addresses widgets come from. */
function run(source: DataView | undefined): Promise<void> {
  const address = URL.createObjectURL(new Blob([source as BlobPart], { type: "text/javascript" }));
  const script = document.createElement("script");
  return new Promise<void>((resolve, reject) => {
    script.onload = () => resolve();
    script.onerror = () => reject(new Error("this page does not let BokehJS run"));
    script.src = address;
    document.head.append(script);
  }).finally(() => {
    URL.revokeObjectURL(address);
    script.remove();
  });
}

/** BokehJS of a version; asked from the kernel where the page has none. */
export function bokehOf(model: Model, version: string): Promise<Bokeh> {
  const found = there(version);
  if (found !== undefined) return Promise.resolve(found);
  return new Promise((resolve, reject) => {
    const hear = (message: { t: string; version: string }, buffers: readonly DataView[]): void => {
      if (message.t !== "bokeh") return;
      model.off("msg:custom", hear as never);
      // Another view may have been faster.
      const ready = there(version) === undefined ? run(buffers[0]) : Promise.resolve();
      void ready.then(() => {
        const made = there(version);
        if (made === undefined) reject(new Error(`BokehJS ${version} is wanted, and the kernel has ${message.version}`));
        else resolve(made);
      }, reject);
    };
    model.on("msg:custom", hear as never);
    model.send({ t: "bokeh" });
  });
}

/** One column of a source, however it is kept. */
export function columnIn(source: Source, name: string): ArrayLike<unknown> {
  return source.data.get?.(name) ?? source.data[name] ?? [];
}
