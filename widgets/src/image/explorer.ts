/**
 * What the picture and the controls around it know of each other. The picture draws whatever the state says; pointer,
 * wheel and keys belong to the controls, which change the state through `update` and read the rest from here.
 */

import type { Info, Infos, Plane, Vec3, ViewState } from "./state";

/** One plane's place in the picture, CSS pixels from its top left corner. */
export interface Panel {
  readonly plane: Plane;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A point of the picture. */
export interface Place {
  readonly panel: Panel;
  /** CSS pixels right of and below the centre of the panel: what `zoomAt` and `positionAt` want. */
  readonly cursor: readonly [number, number];
  /** nm. */
  readonly position: Vec3;
}

/** What is under a point, layer by layer, top to bottom. Exact: ids are decimal strings. */
export interface Pick {
  readonly layer: string;
  readonly kind: "image" | "labels" | "points" | "boxes";
  /** Of the level that is drawn. */
  readonly voxel: Vec3;
  readonly level: number;
  /** Images: the value; null where it is not loaded or was sent as JPEG. */
  readonly value: number | null;
  /** Nothing was ever stored there: the value is what the store gives instead. */
  readonly absent?: true;
  /** Labels, points, boxes: the id; null where it is not loaded, "0" for background. */
  readonly id: string | null;
}

/** How one layer is drawn just now, in the main panel. */
export interface Drawn {
  readonly level: number;
  readonly levels: number;
  /** Why another level than this one is not shown, or tiles are hatched; null if all is well. */
  readonly trouble: string | null;
}

export interface Status {
  /** "http", "comm", "zarr"; null while none answers. */
  readonly transport: string | null;
  /** Tiles that are still to come for what is shown. */
  readonly loading: number;
  readonly layers: Readonly<Record<string, Drawn>>;
  /** Whether the picture has places where no image was ever stored. */
  readonly absent: boolean;
  readonly playing: boolean;
  /** The browser took the graphics away; it comes back by itself. */
  readonly lost: boolean;
}

/** "state": by anyone; "drawn": a new picture is on the canvas; "facts": metadata of a picked id came; "pointed":
 * another view points somewhere. */
export type Event = "state" | "infos" | "status" | "drawn" | "facts" | "pointed";

export interface Facts {
  readonly layer: string;
  readonly id: string;
  readonly values: Readonly<Record<string, unknown>>;
}

export interface Explorer {
  /** Holds the canvas; the controls may lay elements over it. Resizing it resizes the picture. */
  readonly picture: HTMLElement;
  readonly state: ViewState;
  readonly infos: Infos;
  readonly status: Status;
  /** The last metadata that the kernel sent for a picked id. */
  readonly facts: Facts | null;
  /** nm: what another view points at; null for nothing. */
  readonly pointed: Vec3 | null;
  update(change: (state: ViewState) => ViewState): void;
  /** Be told of changes; returns how to stop it. */
  on(event: Event, listener: () => void): () => void;
  panels(): readonly Panel[];
  /** What a point of the window (clientX, clientY) shows; null outside the picture. */
  placeAt(clientX: number, clientY: number): Place | null;
  /** What lies there. */
  pickAt(clientX: number, clientY: number): readonly Pick[];
  /** Tell linked views what lies under the pointer. */
  point(picks: readonly Pick[]): void;
  /** Values of the visible tiles of an image layer, for its histogram; few enough to be quick. */
  sample(layer: string): Float32Array;
  /** Voxel size in nm [z, y, x], or null where the volume has none. */
  calibration(info: Info): Vec3 | null;
  /** Another trait of the model than those of the picture, and being told when it changes. */
  trait(name: string): unknown;
  onTrait(name: string, listener: () => void): () => void;
  /** Hear every message of the kernel; returns how to stop it. */
  hear(listener: (message: Readonly<Record<string, unknown>>) => void): () => void;
  /** Send to the kernel. */
  send(message: Readonly<Record<string, unknown>>, buffers?: readonly ArrayBuffer[]): void;
  /** Run through planes or times by so many a second; negative: backwards. */
  play(along: "z" | "t", perSecond: number): void;
  stop(): void;
  /** Ask again for tiles that could not be read. */
  retry(): void;
}
