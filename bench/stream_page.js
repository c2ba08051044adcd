/**
 * The page's half of stream.py: receives, decodes and uploads planes with the Image Explorer's own code, and draws
 * nothing, for a machine without graphics hardware would measure its drawing. stream.py bundles it into a page of
 * JupyterLab on which a view is shown.
 */

import { decode, layerOf } from "../widgets/src/core/frames";
import { Gl } from "../widgets/src/core/gl";
import { CommTransport, HttpTransport, address } from "../widgets/src/core/net";

const KEPT = 8;

/** Textures in graphics memory, the last few of them; one more takes the place of the oldest. */
class Uploads {
  constructor() {
    this.gl = Gl.of(document.createElement("canvas"));
    this.kept = [];
  }

  put({ values, width, height }) {
    this.kept.push(this.gl.upload(values, width, height));
    if (this.kept.length > KEPT) this.gl.release(this.kept.shift());
  }

  done() {
    this.gl.gl.finish();
  }
}

let uploads = null;
let ways = null;

/** Take a view of the page: its kernel's address and its messages. */
export function begin(view) {
  uploads = new Uploads();
  ways = { http: new HttpTransport(address(view.sync.endpoint())), comm: new CommTransport(view.model) };
}

async function take(frame) {
  const picture = await decode(frame);
  if (picture.kind !== "values" && picture.kind !== "labels") throw new Error(`a frame of kind ${picture.kind}`);
  uploads.put(picture);
  return picture;
}

const forever = () => new AbortController().signal;

/** One stream of planes; returns when each of them was uploaded, all layers of it, in ms. */
export async function play(way, query, layers) {
  const times = [];
  await ways[way].stream("play", query, async (frame) => {
    await take(frame);
    if (layerOf(frame) === layers - 1) times.push(performance.now());
  }, forever());
  uploads.done();
  return times;
}

/** One request for each plane, so many at once. */
export async function requests(way, query, planes, atOnce) {
  const times = [];
  const left = [...planes];
  const one = async () => {
    for (let d = left.shift(); d !== undefined; d = left.shift()) {
      await ways[way].stream("tiles", { ...query, s: "1024", k: `${d},0,0` }, take, forever());
      times.push(performance.now());
    }
  };
  await Promise.all(Array.from({ length: atOnce }, one));
  uploads.done();
  return times;
}

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** A steady scroll: a plane of four tiles is asked for when it is due; returns how long each took to be uploaded. */
export async function scroll(way, queries, planes, perSecond) {
  const waits = [];
  let due = performance.now();
  for (const d of planes) {
    await sleep(Math.max(0, due - performance.now()));
    const began = performance.now();
    const k = `${d},0,0;${d},0,1;${d},1,0;${d},1,1`;
    await Promise.all(queries.map((query) => ways[way].stream("tiles", { ...query, k }, take, forever())));
    waits.push(performance.now() - began);
    // Who had to wait goes on from there.
    due = Math.max(due + 1000 / perSecond, performance.now());
  }
  uploads.done();
  return waits;
}

/** The sum of the values of each plane, to be held against the store's. */
export async function sums(way, query, planes) {
  const found = [];
  for (const d of planes) {
    await ways[way].stream("tiles", { ...query, s: "1024", k: `${d},0,0` }, async (frame) => {
      const { values } = await take(frame);
      found.push(values.reduce((sum, value) => sum + value, 0));
    }, forever());
  }
  return found;
}

/**
 * Scroll the view itself, with all that it fetches ahead and draws: at each step, how long until the tiles of that
 * plane or a later one were there.
 */
export async function scrollView(view, step, steps, perSecond) {
  const { loader } = view;
  const put = loader.put.bind(loader);
  const started = [];
  const tiles = new Map();
  const waits = new Array(steps).fill(null);
  const first = view.stats.panels[0].layers[0].depth;
  const layers = view.stats.panels[0].layers.reduce((sum, layer) => sum + layer.tiles, 0);
  const came = (depth) => {
    const now = performance.now();
    for (let i = 0; i < started.length && first + i + 1 <= depth; i++) waits[i] ??= now - started[i];
  };
  loader.put = (want, ...rest) => {
    put(want, ...rest);
    const count = (tiles.get(want.depth) ?? 0) + 1;
    tiles.set(want.depth, count);
    if (count >= layers && started.length >= want.depth - first) came(want.depth);
  };
  const [z, y, x] = view.state.position;
  const begun = performance.now();
  for (let i = 0; i < steps; i++) {
    await sleep(Math.max(0, begun + (1000 * i) / perSecond - performance.now()));
    started.push(performance.now());
    view.update((state) => ({ ...state, position: [z + step * (i + 1), y, x] }));
    if ((tiles.get(first + i + 1) ?? 0) >= layers) came(first + i + 1);
  }
  await view.idle();
  came(first + steps);
  loader.put = put;
  return waits;
}
