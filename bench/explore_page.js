/**
 * The page's half of explore.py: the same points and edges shown by the Graph Explorer, sigma.js and regl-scatterplot,
 * and what each takes to build them and to find those within a drawn line. explore.py bundles it, and drags.
 */

import { MultiUndirectedGraph } from "graphology";
import createScatterplot from "regl-scatterplot";
import Sigma from "sigma";

import { Controls } from "../widgets/src/graph/controls";
import { Explorer } from "../widgets/src/graph/explorer";
import graphCss from "../widgets/src/graph.css";
import imageCss from "../widgets/src/image.css";
import { Kept } from "../widgets/src/page/kept";

const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));

/** Points on a grid that is shaken, and edges to points nearby: as a laid-out graph has them. */
function made(points, edges) {
  let seed = 1;
  const random = () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  const side = Math.ceil(Math.sqrt(points));
  const [x, y] = [new Float32Array(points), new Float32Array(points)];
  for (let i = 0; i < points; i++) {
    x[i] = ((i % side) + random() - side / 2) / (side / 2);
    y[i] = (Math.floor(i / side) + random() - side / 2) / (side / 2);
  }
  const ends = new Uint32Array(2 * edges);
  for (let e = 0; e < edges; e++) {
    const a = e % points;
    const step = 1 + Math.floor(6 * random()) + side * Math.floor(4 * random());
    [ends[2 * e], ends[2 * e + 1]] = [a, (a + step) % points];
  }
  return { x, y, ends };
}

function selects(found) {
  globalThis.benchSelected = { at: performance.now(), count: found };
}

const bytes = (numbers) => new Uint8Array(numbers.buffer);

const CONTENDERS = {
  ndlab({ x, y, ends }, place) {
    const style = document.createElement("style");
    style.textContent = imageCss + graphCss + ".ndl-image { --ndi-height: 560px } .ndi-side, .ndi-toolbar { display: none }";
    document.head.append(style);
    const places = new Float32Array(3 * x.length);
    for (let i = 0; i < x.length; i++) [places[3 * i], places[3 * i + 1]] = [x[i], y[i]];
    const base = globalThis.benchTraits;
    const traits = {
      ...base, state: { ...base.state, layout: "given", theme: "light" }, directed: false, height: 560, total: ends.length / 2,
      names: new TextEncoder().encode(JSON.stringify(Array.from(x, (_, i) => String(i)))), ends: bytes(ends), positions: bytes(places),
    };
    const model = new Kept({});
    for (const [name, value] of Object.entries(traits)) model.set(name, value);
    const explorer = new Explorer(model);
    const controls = new Controls(explorer);
    place.append(controls.element);
    explorer.on(() => explorer.state.selection.length > 0 && selects(explorer.state.selection.length));
  },

  sigma({ x, y, ends }, place) {
    const graph = new MultiUndirectedGraph();
    for (let i = 0; i < x.length; i++) graph.addNode(String(i), { x: x[i], y: -y[i], size: 2, color: "#5694c8" });
    for (let e = 0; e < ends.length; e += 2) graph.addEdge(String(ends[e]), String(ends[e + 1]));
    const sigma = new Sigma(graph, place, { renderLabels: false, enableEdgeEvents: false });
    // It has no lasso: this is what one writes.
    globalThis.benchLasso = (line) => {
      const found = [];
      graph.forEachNode((node, { x: px, y: py }) => {
        const at = sigma.graphToViewport({ x: px, y: py });
        if (within(line, at.x, at.y)) found.push(node);
      });
      return found.length;
    };
  },

  async "regl-scatterplot"({ x, y }, place) {
    const canvas = document.createElement("canvas");
    place.append(canvas);
    const plot = createScatterplot({ canvas, width: place.clientWidth, height: place.clientHeight, pointSize: 3 });
    plot.subscribe("select", ({ points }) => selects(points.length));
    await plot.draw({ x: Array.from(x), y: Array.from(y, (one) => -one) });
  },
};

function within(line, x, y) {
  let odd = false;
  for (let i = 0, j = line.length - 1; i < line.length; j = i++) {
    const [[ax, ay], [bx, by]] = [line[i], line[j]];
    if (ay > y !== by > y && x < ax + ((bx - ax) * (y - ay)) / (by - ay)) odd = !odd;
  }
  return odd;
}

/** Build and show; milliseconds until a frame is drawn. */
export async function show(name, points, edges) {
  const data = made(points, edges);
  const place = document.getElementById("place");
  await frame();
  const began = performance.now();
  await CONTENDERS[name](data, place);
  const built = performance.now() - began;
  await frame();
  await frame();
  return { built, shown: performance.now() - began };
}

/** Note when the pointer is let go of: the time until the selection is there is what a lasso takes. */
export function listen() {
  globalThis.benchSelected = null;
  for (const event of ["pointerup", "mouseup"]) {
    window.addEventListener(event, () => (globalThis.benchReleased ??= performance.now()), { capture: true });
  }
}

/** Time of a function that finds what lies within a line. */
export function lasso(line) {
  const began = performance.now();
  const count = globalThis.benchLasso(line);
  return { ms: performance.now() - began, count };
}
