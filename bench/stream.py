"""Fresh planes of 1024² in a real JupyterLab while z is scrolled through a zstd-chunked store, by each transport.

Debian's Chromium receives, decodes and uploads them with the Image Explorer's own code: one stream through the server
extension, one request for each plane, and kernel messages; raw and JPEG, and with labels over them. What counts is the
CPU time of each process, for this is what a busy machine cannot change; nothing is drawn but in the rows that say so.
`make bench ONLY=stream` runs it, `make widgets` before it brings the bundler; NDLAB_TEST_DATA gives it real voxels.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from harness import Bench, arguments, array_of, labels, new_store, scratch
from harness import em as fibsem

from ndlab.volume import Volume

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser.lab import Lab, Notebook, chromium, serve  # noqa: E402 - from the folder that was just added

if TYPE_CHECKING:
    from playwright.sync_api import Browser, JSHandle, Locator

SIDE = 1024
STALL = 100.0  # [ms]; the founding cache stalled for 0.1 to 7 s at every 64th slice
VIEWED = 100  # planes that a view is scrolled by
PER_SECOND = 30  # planes; as fast as a key that is held down repeats
TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")
KINDS = ("server", "kernel", "renderer", "browser", "gpu")

SETUP = """
import json, time
import numpy as np
import ndlab
from ndlab import explore
from ndlab.explore import served
folder = {folder!r}
em, cells = ndlab.open(folder + "/em.ome.zarr"), ndlab.open(folder + "/labels.ome.zarr")
tiles, ids = served.service(), {{}}
"""
SHOW = """
view = explore.image(em=em, height=512)
view.set(scale=20.0)
ids["em"], ids["labels"] = view.tile_ids["em"], served.hold(cells)
print(json.dumps({"ids": ids, "path": view.endpoint["path"]}))
view
"""
BOTH = """
both = explore.image(em=em, labels=cells, height=512)
both.set(scale=20.0)
ids.update(both.tile_ids)
both
"""
# What is read ahead of the planes that came would count for those that come next.
IDLE = "assert tiles._reader.ahead.idle(60)"
# What was kept of the volumes is of a version that is past: every plane is read and decoded anew.
COLD = "for name in ids.values(): tiles.touch(name)"
WARM = """
keys = ["{d},0,0;{d},0,1;{d},1,0;{d},1,1".format(d=d) for d in range(64)]
for k in keys: list(tiles.tiles({"vol": ids["em"], "k": k}))
took = {}
for q in ("raw", "jpeg75"):
    took[q] = []
    for k in keys:
        began = time.perf_counter()
        list(tiles.tiles({"vol": ids["em"], "k": k, "q": q}))
        took[q].append((time.perf_counter() - began) * 1e3)
print(json.dumps(took))
"""


def sections(shape: Sequence[int], data: str | None) -> np.ndarray[Any, Any]:
    """Real ssTEM sections, each in eight orientations and then shifted: no two planes alike, entropy as it is."""
    folder = Path(data or "", "vnc_larva_sstem", "stack1", "raw")
    if not data or not folder.exists():
        return fibsem(shape, data)
    import tifffile

    real = np.stack([tifffile.imread(path) for path in sorted(folder.glob("*.tif"))])
    out = np.empty(shape, "u1")
    for z in range(shape[0]):
        turn, which = divmod(z, len(real))
        plane = real[which if turn % 2 == 0 else -1 - which]
        plane = plane.T if turn & 4 else plane
        out[z] = np.roll(plane[:: -1 if turn & 1 else 1, :: -1 if turn & 2 else 1], 131 * (turn // 8), axis=0)
    return out


# --- processes ------------------------------------------------------------------------------------------------------


def processes() -> dict[int, str]:
    """What kind of process each descendant of this one is; others are left out."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    mine, found = {os.getpid()}, {}
    for pid in sorted(parents):
        if parents[pid] in mine:
            mine.add(pid)
            kind = _kind(pid)
            if kind:
                found[pid] = kind
    return found


def _kind(pid: int) -> str | None:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
    except OSError:
        return None
    if "ipykernel" in command:
        return "kernel"
    if "jupyterlab" in command:
        return "server"
    if "chrom" not in command.split(" ")[0]:
        return None
    kind = command.partition("--type=")[2].split(" ")[0]
    # The network service is a process of its own, and as much the browser's as its first one.
    return {"renderer": "renderer", "gpu-process": "gpu"}.get(kind, "browser")


def cpu_ms() -> dict[str, float]:
    """CPU time so far of each kind of process."""
    found = dict.fromkeys(KINDS, 0.0)
    for pid, kind in processes().items():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        found[kind] += (int(fields[11]) + int(fields[12])) * TICK_MS
    return found


# --- the page -------------------------------------------------------------------------------------------------------


def page_half() -> str:
    """The page's half of the benchmark, bundled with the code of the viewer that it measures."""
    bundler = ROOT / "widgets" / "node_modules" / ".bin" / "esbuild"
    if not bundler.exists():
        sys.exit("there is no esbuild: run `make widgets` first")
    script = Path(__file__).with_name("stream_page.js")
    command = [str(bundler), str(script), "--bundle", "--format=iife", "--global-name=ndlabBench", "--log-level=error"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@dataclass
class Shown:
    """A notebook with a view on it, and the page's half beside it."""

    notebook: Notebook
    view: JSHandle
    ids: dict[str, str]
    path: str

    def ask(self, name: str, *values: Any) -> Any:
        """Call a function of the page's half."""
        return self.notebook.page.evaluate(f"(values) => ndlabBench.{name}(...values)", list(values))

    def ask_view(self, name: str, *values: Any) -> Any:
        """Call a function of the page's half that takes the view first."""
        return self.notebook.page.evaluate(
            f"([view, ...values]) => ndlabBench.{name}(view, ...values)", [self.view, *values]
        )

    def cold(self) -> None:
        """Have nothing kept."""
        self.notebook.run(2)
        self.notebook.page.wait_for_timeout(300)

    def warm(self) -> dict[str, list[float]]:
        """Milliseconds that the kernel's tile service takes for each plane that it keeps."""
        return dict(json.loads(self.notebook.text(3)))


def shown(lab: Lab, browser: Browser, folder: Path) -> Shown:
    """Open a notebook with a view of both stores."""
    notebook = lab.open(browser, "stream", SETUP.format(folder=str(folder)), SHOW, COLD, WARM, BOTH, IDLE)
    notebook.run(0)
    said = notebook.run(1)
    view = _view(said)
    facts = json.loads(said.inner_text().strip().splitlines()[0])
    notebook.page.evaluate("(code) => { (0, eval)(code + ';window.ndlabBench = ndlabBench'); }", page_half())
    notebook.page.evaluate("(view) => ndlabBench.begin(view)", view)
    return Shown(notebook, view, **facts)  # type: ignore[arg-type]


def _view(said: Locator) -> JSHandle:
    """The view that a cell shows, once its picture stands."""
    picture = said.locator(".ndl-picture")
    picture.wait_for()
    view = picture.evaluate_handle("e => { while (e && !e.ndlabView) e = e.parentElement; return e.ndlabView; }")
    view.evaluate("v => v.idle()")
    return view


# --- what is measured -----------------------------------------------------------------------------------------------


@dataclass
class Way:
    """One way of getting planes: how many to ask for, and how; gives when each was uploaded, in ms.

    `warm`: of planes that the kernel has decoded already.
    """

    planes: int
    run: Callable[[int], list[float]]
    warm: bool = False


def ways(page: Shown, depth: int, quick: bool) -> dict[str, Way]:
    def play(way: str, q: str, *names: str) -> Callable[[int], list[float]]:
        vols = ",".join(page.ids[name] for name in names)
        box = f"0,{SIDE},0,{SIDE}"
        return lambda n: list(
            page.ask("play", way, {"vol": vols, "q": q, "from": "0", "to": str(n - 1), "box": box}, len(names))
        )

    def each(way: str, q: str) -> Callable[[int], list[float]]:
        return lambda n: list(page.ask("requests", way, {"vol": page.ids["em"], "q": q}, list(range(n)), 4))

    many, some, few = (64, 32, 12) if quick else (depth, depth // 2, depth // 8)
    warm = 64  # both layers of so many stay in the kernel's cache
    return {
        "stream, raw": Way(many, play("http", "raw", "em")),
        "stream, JPEG": Way(many, play("http", "jpeg75", "em")),
        "stream, raw, warm": Way(warm, play("http", "raw", "em"), warm=True),
        "labels alone": Way(many, play("http", "raw", "labels")),
        "labels alone, warm": Way(warm, play("http", "raw", "labels"), warm=True),
        # As many as without: what is read ahead of the last plane would count double for half as many.
        "stream, raw + labels": Way(many, play("http", "raw", "em", "labels")),
        "stream, JPEG + labels": Way(many, play("http", "jpeg75", "em", "labels")),
        "a request each, raw": Way(some, each("http", "raw")),
        "a request each, JPEG": Way(some, each("http", "jpeg75")),
        "comm stream, raw": Way(few, play("comm", "raw", "em")),
        "comm stream, JPEG": Way(few, play("comm", "jpeg75", "em")),
        "comm, a request each, raw": Way(few, each("comm", "raw")),
        "comm, a request each, JPEG": Way(few, each("comm", "jpeg75")),
    }


def measured(page: Shown, way: Way) -> dict[str, float]:
    """Run it from cold and return rates, gaps and CPU time."""
    page.cold()
    if way.warm:
        way.run(way.planes)
        page.notebook.run(5)
    before, began = cpu_ms(), page.notebook.page.evaluate("performance.now()")
    times = np.array(way.run(way.planes))
    spent = {kind: (ms - before[kind]) / way.planes for kind, ms in cpu_ms().items()}
    assert len(times) == way.planes, f"{len(times)} of {way.planes} planes came"
    gaps = np.diff(np.sort(times))
    p50, p95, p99 = map(float, np.percentile(gaps, [50, 95, 99]))
    rate = 1000 * way.planes / (float(times.max()) - began)
    rates = {"frames/s": rate, "gap p50": p50, "gap p95": p95, "gap p99": p99}
    return rates | {f"{kind} ms": ms for kind, ms in spent.items()} | {"CPU ms": sum(spent.values())}


def throughput(bench: Bench, page: Shown, depth: int) -> None:
    """Frames as fast as they come, each way in turn, several times in shuffled order."""
    contenders = ways(page, depth, bench.quick)
    if bench.options.labels:
        contenders = {name: way for name, way in contenders.items() if name.startswith(("stream", "labels"))}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in contenders}
    for name in contenders:
        page.cold()
        contenders[name].run(8)
    for _ in range(1 if bench.quick else 3):
        for name in random.sample(list(contenders), len(contenders)):
            found[name].append(measured(page, contenders[name]))
    rows = {name: {c: statistics.median(one[c] for one in all_) for c in all_[0]} for name, all_ in found.items()}
    best = {name: max(one["frames/s"] for one in all_) for name, all_ in found.items()}
    for name, row in rows.items():
        row["best frames/s"] = best[name]
        row["x stream"] = row["CPU ms"] / rows["stream, JPEG" if "JPEG" in name else "stream, raw"]["CPU ms"]
    bench.table(f"fresh planes of {SIDE}² received, decoded and uploaded; gaps [ms], CPU ms a plane by process", rows)
    raw, jpeg = rows["stream, raw"], rows["stream, JPEG"]
    bench.aim("stream, raw: frames/s received and decoded, median", raw["frames/s"], least=60)
    bench.aim("stream, raw: frames/s received and decoded, best run", raw["best frames/s"], least=60)
    bench.aim("stream, raw: CPU ms a frame", raw["CPU ms"], most=25)
    bench.aim("stream, JPEG: CPU ms a frame", jpeg["CPU ms"], most=45)
    for name, about in (("comm stream, raw", "comm, raw"), ("comm, a request each, raw",) * 2):
        if name in rows:
            bench.aim(f"{about}: times the stream's CPU", rows[name]["x stream"], least=5)
    bench.aim("labels over raw: times the CPU without", rows["stream, raw + labels"]["x stream"], most=1.3)
    bench.aim("labels over JPEG: times the CPU without", rows["stream, JPEG + labels"]["x stream"], most=1.3)
    kept = (raw_kept := rows["stream, raw, warm"]["CPU ms"]) + rows["labels alone, warm"]["CPU ms"]
    bench.aim("labels over raw, both decoded before: times the CPU without", kept / raw_kept, most=1.3)


def steady(bench: Bench, page: Shown, depth: int) -> None:
    """How long a page waits for each plane that it asks for at a steady pace, from a cold start."""
    em, ids = ({"vol": page.ids[name]} for name in ("em", "labels"))
    planes = list(range(64 if bench.quick else depth))
    rows: dict[str, dict[str, float]] = {}
    for name, way, queries in (
        ("HTTP, raw", "http", [em]),
        ("HTTP, JPEG", "http", [em | {"q": "jpeg75"}]),
        ("HTTP, raw + labels", "http", [em, ids]),
        ("comm, JPEG", "comm", [em | {"q": "jpeg75"}]),
    ):
        page.cold()
        rows[name] = waited(page.ask("scroll", way, queries, planes, PER_SECOND))
    page.cold()
    page.view.evaluate("v => v.update((s) => ({...s, position: [15, s.position[1], s.position[2]]}))")
    page.view.evaluate("v => v.idle()")
    before = page.view.evaluate("v => v.stats.drawn")
    took = page.ask_view("scrollView", 10.0, len(planes) - 2, PER_SECOND)
    rows["the view, HTTP, drawing"] = waited([0.0, *took])
    rows["the view, HTTP, drawing"]["drawn"] = page.view.evaluate("v => v.stats.drawn") - before
    bench.table(f"ask to upload at {PER_SECOND} planes/s from a cold start [ms]; the first plane apart", rows)
    for name in ("HTTP, raw", "HTTP, JPEG", "HTTP, raw + labels", "the view, HTTP, drawing"):
        bench.aim(f"{name}: stalls above {STALL:g} ms after the first plane", rows[name]["stalls"], most=0)


def drawn(bench: Bench, page: Shown) -> None:
    """What a view costs that is scrolled, with all that it fetches ahead and draws, without labels and with them."""
    views = {"image": page.view, "image and labels": _view(page.notebook.run(4))}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in views}
    for _ in range(1 if bench.quick else 3):
        for name in random.sample(list(views), len(views)):
            page.cold()
            page.view = views[name]
            page.view.evaluate("v => v.loader.cache.clear()")
            page.view.evaluate("v => v.update((s) => ({...s, position: [15, s.position[1], s.position[2]]}))")
            page.view.evaluate("v => v.idle()")
            before, stats = cpu_ms(), page.view.evaluate("v => v.stats")
            waits = page.ask_view("scrollView", 10.0, VIEWED, PER_SECOND)
            spent = {f"{kind} ms": (ms - before[kind]) / VIEWED for kind, ms in cpu_ms().items()}
            more = {key: page.view.evaluate("v => v.stats")[key] - stats[key] for key in ("drawn", "tiles")}
            undrawn = sum(ms for kind, ms in spent.items() if not kind.startswith("gpu"))
            found[name].append(spent | {"but gpu ms": undrawn} | more | waited([0.0, *waits]))
    rows = {name: {c: statistics.median(one[c] for one in all_) for c in all_[0]} for name, all_ in found.items()}
    for row in rows.values():
        row["x image"] = row["but gpu ms"] / rows["image"]["but gpu ms"]
    bench.table(f"a view scrolled at {PER_SECOND} planes/s; CPU ms a plane by process, gpu draws in software", rows)


def waited(waits: list[float]) -> dict[str, float]:
    rest = np.array(waits[1:], float)
    p50, p95, p99 = map(float, np.percentile(rest, [50, 95, 99]))
    stalls = float((rest > STALL).sum())
    return {"first": waits[0], "p50": p50, "p95": p95, "p99": p99, "max": float(rest.max()), "stalls": stalls}


def server(bench: Bench, lab: Lab, page: Shown) -> None:
    """What answers take that the kernel has decoded: in the service, and through both servers to a plain client."""
    rows = {f"tile service, {q}": spread(took) for q, took in page.warm().items()}
    host = lab.url.removeprefix("http://").rstrip("/")
    connection = http.client.HTTPConnection(host, timeout=30)
    for q in ("raw", "jpeg75"):
        took = []
        for d in range(64):
            k = ";".join(f"{d},{r},{c}" for r in range(2) for c in range(2))
            began = time.perf_counter()
            connection.request("GET", f"/{page.path}tiles?vol={page.ids['em']}&q={q}&k={k}",
                               headers={"Authorization": f"token {lab.token}"})  # fmt: skip
            answer = connection.getresponse()
            size = len(answer.read())
            took.append((time.perf_counter() - began) * 1e3)
            assert answer.status == 200
            assert size > (SIDE**2 if q == "raw" else SIDE**2 // 20)
        rows[f"through Jupyter, {q}"] = spread(took)
    connection.close()
    bench.table(f"a warm plane of {SIDE}², 4 tiles [ms]", rows)
    bench.aim("tile service, warm, raw: p50 [ms]", rows["tile service, raw"]["p50"], most=5)


def spread(took: Sequence[float]) -> dict[str, float]:
    p50, p95, p99 = map(float, np.percentile(took, [50, 95, 99]))
    return {"p50": p50, "p95": p95, "p99": p99, "max": max(took)}


def idle(bench: Bench, page: Shown) -> None:
    """What the page and the servers cost a second when nothing is asked for; it is in every row above."""
    before, began = cpu_ms(), time.perf_counter()
    page.notebook.page.wait_for_timeout(2000)
    seconds = time.perf_counter() - began
    spent = {f"{kind} ms": (ms - before[kind]) / seconds for kind, ms in cpu_ms().items()}
    one, five, _ = os.getloadavg()
    bench.table("CPU ms a second with nothing to do; load of the machine over 1 and 5 minutes",
                {"idle": spent | {"CPU ms": sum(spent.values())}, "load": {"1 min": one, "5 min": five}})  # fmt: skip


def checked(page: Shown, voxels: np.ndarray[Any, Any]) -> None:
    """Hold what comes to what is stored before anything is timed."""
    planes = [0, 17, 63, len(voxels) - 1]
    want = [int(voxels[d].sum()) for d in planes]
    for way in ("http", "comm"):
        assert page.ask("sums", way, {"vol": page.ids["em"], "q": "raw"}, planes) == want
        rough = page.ask("sums", way, {"vol": page.ids["em"], "q": "jpeg75"}, planes)
        assert all(abs(a / b - 1) < 0.01 for a, b in zip(rough, want, strict=True)), (rough, want)


def stores(folder: Path, shape: tuple[int, int, int], data: str | None) -> np.ndarray[Any, Any]:
    """Write both stores, 64³ chunks of zstd, and return the image."""
    voxels = sections(shape, data)
    volume: Volume = new_store(folder / "em.ome.zarr", shape, "u1")
    array_of(volume, flush=False).write((0, 0, 0), voxels)
    ids = new_store(folder / "labels.ome.zarr", shape, "u8", kind="labels")
    array_of(ids, flush=False).write((0, 0, 0), labels(shape, data))
    return voxels


def main() -> int:
    options = arguments(__doc__, labels="only what labels cost over an image; nothing is saved")
    options.save = options.save and not options.labels
    bench = Bench("stream", options)
    depth = 128
    began = time.perf_counter()
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        voxels = stores(folder, (depth, SIDE, SIDE), options.data)
        lab = stack.enter_context(serve(folder))
        page = shown(lab, stack.enter_context(chromium()), folder)
        checked(page, voxels)
        del voxels
        throughput(bench, page, depth)
        steady(bench, page, depth)
        drawn(bench, page)
        if not options.labels:
            server(bench, lab, page)
        idle(bench, page)
        bench.finish()
    print(f"{time.perf_counter() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
