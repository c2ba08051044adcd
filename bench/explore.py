"""Points and edges in a real Chromium: the Graph Explorer with sigma.js, regl-scatterplot and bokeh in one run.

10^4, 10^5 and 10^6 points, without edges and with as many: time and CPU until the first picture, CPU of a frame that is
dragged by a real pointer, time from letting go of a drawn line until what is within is selected. CPU is that of the
browser's processes; without graphics hardware the card is one of them, and only ratios within a run mean anything. Then
a brush over 10^5 synapses in linked views, from a file that `to_html` wrote, until the other views have it and have
drawn it. `make bench ONLY=explore` runs it, `make widgets` before it brings the bundler; npm installs the others into
a folder that is gone afterwards, or is kept where `--packages` names one.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from harness import Bench, scratch
from stream import ROOT, cpu_ms

from tests.browser.lab import chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PACKAGES = ("sigma@3.0.3", "graphology@0.26.0", "regl-scatterplot@1.16.0")
WIDTH, HEIGHT = 900, 560
SIZES = (10_000, 100_000, 1_000_000)
# A hand's motion, from the press on, that no picture reaches which is kept or drawn beyond what is seen.
MOTION = 288, 192
FRAMES = 24
REPEATS = 3
# One that took longer for the first picture is measured once, in so few frames of the same motion.
SLOW_MS, FEW = 2000.0, 4
# One that took longer for the first picture is not asked for ten times as many.
PATIENCE_S = 12.0
OURS = "ndlab"
POINTS = (OURS, "sigma", "regl-scatterplot", "bokeh")
EDGES = (OURS, "sigma")
PAGE = f"""<!doctype html><meta charset=utf-8><style>body {{ margin: 0 }}
#place {{ position: relative; width: {WIDTH}px; height: {HEIGHT}px }}</style><div id=place></div>"""
BRUSHED = 100_000


# --- pages ----------------------------------------------------------------------------------------------------------


def bundle(folder: Path) -> str:
    """Return the page's half with the Graph Explorer and the packages from npm."""
    bundler = ROOT / "widgets" / "node_modules" / ".bin" / "esbuild"
    if not bundler.exists():
        sys.exit("there is no esbuild: run `make widgets` first")
    if not (folder / "node_modules" / "sigma").exists():
        (folder / "package.json").write_text('{"private": true}')
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", *PACKAGES], cwd=folder, check=True)
    script = Path(__file__).with_name("explore_page.js")
    command = [str(bundler), str(script), "--bundle", "--format=iife", "--global-name=ndlabBench", "--loader:.css=text",
               "--log-level=error"]  # fmt: skip
    environment = dict(os.environ) | {"NODE_PATH": str(folder / "node_modules")}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout


def bokeh_page(points: int) -> str:
    """Return a page of bokeh with its own scripts inline: points by WebGL, pan and lasso."""
    from bokeh.embed import file_html
    from bokeh.models import ColumnDataSource, LassoSelectTool, PanTool
    from bokeh.plotting import figure
    from bokeh.resources import INLINE

    side = math.ceil(math.sqrt(points))
    rng, i = np.random.default_rng(1), np.arange(points)
    x, y = ((axis + rng.random(points) - side / 2) / (side / 2) for axis in (i % side, i // side))
    source = ColumnDataSource({"x": x.astype("f4"), "y": y.astype("f4")})
    plot = figure(width=WIDTH, height=HEIGHT, output_backend="webgl",
                  tools=[PanTool(), LassoSelectTool(continuous=False)],
                  toolbar_location=None)  # fmt: skip
    plot.scatter("x", "y", size=3, source=source)
    return str(file_html(plot, INLINE, "bokeh"))


def traits() -> dict[str, Any]:
    """Return what a Graph Explorer of nothing is told, but for its arrays."""
    from ndlab import explore
    from ndlab.graph import Graph

    view = explore.graph(Graph.from_edges([0], [1]), positions=[[0, 0], [1, 1]])
    kept = {name: getattr(view, name) for name in view.keys if not name.startswith("_") and name != "layout"}
    view.close()
    return {
        name: value for name, value in kept.items() if isinstance(value, str | int | dict | list) and name != "columns"
    } | {"columns": []}


def settled() -> None:
    """Wait until the browser has done all that it was asked to."""
    last, quiet = sum(cpu_ms().values()), 0
    end = time.monotonic() + 90
    while quiet < 3 and time.monotonic() < end:
        time.sleep(0.12)
        now = sum(cpu_ms().values())
        quiet = quiet + 1 if now - last <= 20 else 0
        last = now


def opened(
    browser: Browser, folder: Path, script: str, name: str, points: int, edges: int
) -> tuple[Page, dict[str, float]]:
    """Open a page that shows so much, and return it with what that took."""
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT + 20})
    page.set_default_timeout(180_000)
    file = folder / "page.html"
    if name == "bokeh":
        file.write_text(bokeh_page(points))
        before, began = sum(cpu_ms().values()), time.perf_counter()
        page.goto(file.as_uri())
        page.wait_for_function("() => Bokeh.index.roots?.length > 0 || Object.keys(Bokeh.index).length > 0")
        page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        shown = (time.perf_counter() - began) * 1e3
        page.evaluate(
            """() => { const view = Object.values(Bokeh.index)[0] ?? Bokeh.index.roots[0];
                globalThis.benchPlot = view.model;
                const source = view.model.renderers[0].data_source;
                source.selected.change.connect(() => { const n = source.selected.indices.length;
                    if (n > 0) globalThis.benchSelected = {at: performance.now(), count: n}; });
                globalThis.benchReleased = null;
                for (const e of ["pointerup", "mouseup"])
                    addEventListener(e, () => (globalThis.benchReleased ??= performance.now()), {capture: true}); }"""
        )
    else:
        file.write_text(PAGE)
        page.goto(file.as_uri())
        page.evaluate("(code) => { (0, eval)(code + ';window.ndlabBench = ndlabBench'); }", script)
        page.evaluate("(traits) => { ndlabBench.listen(); globalThis.benchTraits = traits; }", traits())
        settled()
        before = sum(cpu_ms().values())
        shown = page.evaluate("([name, n, m]) => ndlabBench.show(name, n, m)", [name, points, edges])["shown"]
    settled()
    return page, {"first paint ms": shown, "first paint CPU ms": sum(cpu_ms().values()) - before}


# --- what is measured -------------------------------------------------------------------------------------------------


def pan(page: Page, name: str, frames: int) -> dict[str, float]:
    """Drag the picture, a frame for each motion of the pointer."""
    tool(page, name, "pan")
    middle = WIDTH / 2, HEIGHT / 2
    page.mouse.move(*middle)
    settled()
    place = page.evaluate("() => globalThis.benchPlot?.x_range.start ?? 0")
    before, began = sum(cpu_ms().values()), time.perf_counter()
    page.mouse.down()
    for i in range(1, frames + 1):
        page.mouse.move(*(at + way * i / frames for at, way in zip(middle, MOTION, strict=True)))
        page.evaluate("() => new Promise(done => requestAnimationFrame(done))")
    wall = (time.perf_counter() - began) * 1e3 / frames
    settled()
    spent = (sum(cpu_ms().values()) - before) / frames
    page.mouse.up()
    settled()
    if name == "bokeh" and page.evaluate("() => benchPlot.x_range.start") == place:
        return {"pan CPU ms": math.nan, "pan wall ms": math.nan}
    return {"pan CPU ms": spent, "pan wall ms": wall}


def lasso(page: Page, name: str) -> dict[str, float]:
    """Draw a ring round a quarter of it, and wait for the selection."""
    ring = [(WIDTH / 2 + 180 * math.cos(a), HEIGHT / 2 + 180 * math.sin(a)) for a in np.linspace(0, 6.2, 33)]
    if name == "sigma":
        found = page.evaluate("(line) => ndlabBench.lasso(line)", ring)
        return {"lasso ms": found["ms"], "selected": found["count"]}
    tool(page, name, "lasso")
    keys = name != "bokeh"
    page.mouse.move(*ring[0])
    if keys:
        page.keyboard.down("Shift")
    page.evaluate("() => { globalThis.benchReleased = null; globalThis.benchSelected = null; }")
    page.mouse.down()
    for at in ring[1:]:
        page.mouse.move(*at)
        page.evaluate("() => new Promise(done => requestAnimationFrame(done))")
    page.evaluate("() => { globalThis.benchReleased = null; }")
    page.mouse.up()
    if keys:
        page.keyboard.up("Shift")
    page.wait_for_function("() => globalThis.benchSelected !== null && globalThis.benchSelected !== undefined")
    found = page.evaluate("() => ({ms: benchSelected.at - benchReleased, count: benchSelected.count})")
    return {"lasso ms": found["ms"], "selected": found["count"]}


def tool(page: Page, name: str, which: str) -> None:
    """Have bokeh use one of its tools; the others have keys for that."""
    if name == "bokeh":
        code = """(which) => { const bar = benchPlot.toolbar;
            for (const one of bar.tools) one.active = one.type.toLowerCase().startsWith(which); }"""
        page.evaluate(code, which)


def compared(bench: Bench, browser: Browser, folder: Path, script: str, sizes: tuple[int, ...]) -> None:
    slow: set[tuple[str, bool]] = set()
    for edged in (False, True):
        for points in sizes:
            rows: dict[str, dict[str, Any]] = {}
            for name in EDGES if edged else POINTS:
                if (name, edged) in slow:
                    continue
                found = []
                for _ in range(1 if bench.quick or points == SIZES[-1] else REPEATS):
                    page, took = opened(browser, folder, script, name, points, points if edged else 0)
                    slowly = took["first paint ms"] > SLOW_MS
                    found.append(took | pan(page, name, FEW if slowly else FRAMES) | lasso(page, name))
                    page.close()
                    if slowly:
                        break
                rows[name] = {key: statistics.median(one[key] for one in found) for key in found[0]}
                if rows[name]["first paint ms"] > 1000 * PATIENCE_S:
                    slow.add((name, edged))
            _judge(bench, rows, points, edged)


def _judge(bench: Bench, rows: dict[str, dict[str, Any]], points: int, edged: bool) -> None:
    others = [rows[name]["pan CPU ms"] for name in ("sigma", "regl-scatterplot") if name in rows]
    for row in rows.values():
        row["pan x best"] = row["pan CPU ms"] / min(others) if others else math.nan
    what = f"{points:,} points" + (f", {points:,} edges" if edged else "")
    bench.table(f"{what}: first picture, a dragged frame, a lasso; CPU ms of all of the browser", rows)
    if others:
        value = rows[OURS]["pan x best"]
        bench.aim(f"{what}: CPU of a dragged frame, times the best of sigma and regl", value, most=0.5)


# --- the brush --------------------------------------------------------------------------------------------------------


def linked_page(folder: Path, synapses: int) -> Path:
    """Write linked views of many synapses over a small volume as one file."""
    import pandas as pd

    from ndlab import explore, samples
    from ndlab.graph import Graph

    rng = np.random.default_rng(0)
    brain = samples.phantom((32, 256, 256), seed=1)
    neurons = synapses // 20
    ends = {end: rng.integers(1, neurons + 1, synapses) for end in ("pre_id", "post_id")}
    places = {axis: rng.uniform(0, n * 8, synapses) for axis, n in zip("zyx", brain.shape, strict=True)}
    table = pd.DataFrame({"id": np.arange(synapses) + 2**60, **ends, **places})
    graph = explore.graph(Graph.from_edges(table.pre_id, table.post_id), layout="random")
    graph.wait()
    image = explore.image(em=brain.volume("image"), cells=brain.volume("labels"), points={"synapses": table})
    linked = explore.link(image, graph, table)
    path = folder / "linked.html"
    linked.to_html(path)
    linked.close()
    return path


BRUSH = """
async (times) => {
  const view = (selector, name) => {
    let e = document.querySelector(selector);
    while (e && !e[name]) e = e.parentElement;
    return e[name];
  };
  const [link, image] = [view(".ndl-link", "ndlabLink"), view(".ndl-picture", "ndlabView")];
  const graph = view(".ndg-stage", "ndlabGraph");
  const channel = [...globalThis[Symbol.for("ndlab.bus.1")].values()][0];
  const all = link.mapping.synapses;
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  const found = [];
  for (let i = 0; i < times; i++) {
    const from = Math.floor((i / times) * 0.4 * all.length);
    const ids = all.slice(from, from + Math.floor(all.length / 2));
    const selection = { kind: "select", noun: "rows", ids, source: "bench" };
    await frame();
    const began = performance.now();
    // As the table's own copy of the bus does it.
    channel.waiting.push(selection);
    channel.telling = true;
    for (let next = channel.waiting.shift(); next !== undefined; next = channel.waiting.shift())
      for (const listener of [...channel.listeners]) listener(next);
    channel.telling = false;
    const told = performance.now() - began;
    const right = image.state.selection.synapses.length === ids.length && graph.explorer.some;
    await frame();
    await frame();
    found.push({ told, drawn: performance.now() - began, right });
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  return found;
}
"""


def brush(bench: Bench, browser: Browser, folder: Path) -> None:
    count = BRUSHED // 10 if bench.quick else BRUSHED
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.set_default_timeout(180_000)
    # What is on it begins before it counts as loaded.
    page.goto(linked_page(folder, count).as_uri(), wait_until="commit")
    page.locator(".ndg-stage").wait_for()
    settled()
    found = page.evaluate(BRUSH, 10 if bench.quick else 50)
    assert all(one["right"] for one in found), "a view did not follow"
    rows = {name: {f"p{p}": float(np.percentile([one[key] for one in found], p)) for p in (50, 95)}
            for name, key in (("until the views have it", "told"), ("until they have drawn it", "drawn"))}  # fmt: skip
    bench.table(f"half of {count:,} synapses brushed in the table, {len(found)} times [ms]", rows)
    bench.aim("brush until image and graph have it: median [ms]", rows["until the views have it"]["p50"], most=100)
    page.close()


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer repeats and smaller data: does it run at all?")
    parser.add_argument("--save", action="store_true", help="write bench/results/explore.json")
    parser.add_argument("--packages", type=Path, help="a folder for what npm installs, which is kept")
    parser.add_argument("--only", choices=("points", "brush"), help="a part of it")
    return parser.parse_args()


def main() -> None:
    given = options()
    bench = Bench("explore", given)
    with scratch() as folder, chromium() as browser:
        packages = given.packages or folder
        if given.only != "brush":
            packages.mkdir(parents=True, exist_ok=True)
            compared(bench, browser, folder, bundle(packages), SIZES[:2] if bench.quick else SIZES)
        if given.only != "points":
            brush(bench, browser, folder)
    one, five, _ = os.getloadavg()
    bench.table("load of the machine", {"load": {"1 min": one, "5 min": five}})
    bench.finish()


if __name__ == "__main__":
    main()
