"""How long until there is something to see: `make lab` on a fresh checkout, and a session as Binder makes it.

A clone of this checkout's last commit in an empty folder; `make lab`, which makes the environment from the lock first;
Debian's Chromium opens the address that JupyterLab gives, runs the cells of notebooks/00_start one after the other, and
the clock stops when the first picture of the volume stands on the page. Packages come from wherever pip finds them, so
most of it is the network and the disk; a second `make lab` in the same checkout is what every day looks like. Then
`scripts/binder.py` runs what Binder runs, and its sizes and times are kept. In the environment of `make cluster-test`:

    .venv-cluster/bin/python bench/sessions.py --save
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness import Bench, arguments

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
PATIENCE_S = 1800


def to_first_picture(checkout: Path) -> dict[str, float]:
    """Seconds from `make lab` to the server, to the open notebook with its kernel, and to the first picture."""
    from scripts.binder import free_port
    from tests.browser.lab import Notebook, chromium

    port, token = free_port(), "only-for-this-bench"
    words = ["--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}", f"--IdentityProvider.token={token}"]
    began = time.perf_counter()
    process = subprocess.Popen(
        ["make", "lab", f"ARGS=-- {' '.join(words)} --expose-app-in-browser"],
        cwd=checkout, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    found: dict[str, float] = {}
    try:
        _wait(f"http://127.0.0.1:{port}/api/status?token={token}", process)
        found["server s"] = time.perf_counter() - began
        with chromium() as browser:
            page = browser.new_page(viewport={"width": 1180, "height": 900})
            page.set_default_timeout(PATIENCE_S * 1000)
            page.goto(f"http://127.0.0.1:{port}/lab/tree/00_start.ipynb?token={token}")
            notebook = Notebook(page)
            notebook.ready()
            found["kernel s"] = time.perf_counter() - began
            cells = page.evaluate(
                "() => [...window.jupyterapp.shell.currentWidget.content.widgets.keys()]"
                ".filter((i) => window.jupyterapp.shell.currentWidget.content.widgets[i].model.type === 'code')"
            )
            for cell in cells:
                notebook.run(cell)
                if page.locator(".jp-OutputArea-output img, .jp-OutputArea-output .ndl-picture").count():
                    break
            page.locator(".jp-OutputArea-output img, .jp-OutputArea-output .ndl-picture").first.wait_for()
            found["first picture s"] = time.perf_counter() - began
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)
    return found


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    import urllib.request

    ask = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            with ask.open(url, timeout=5):
                return
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("`make lab` did not start JupyterLab") from None
            time.sleep(0.1)


def main() -> None:
    from scripts import binder

    bench = Bench("sessions", arguments(__doc__))
    rows: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="ndlab-sessions-") as name:
        folder = Path(name)
        checkout = folder / "fresh"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(checkout)], check=True)
        rows["a fresh checkout"] = to_first_picture(checkout)
        rows["again"] = to_first_picture(checkout)
        bench.table("`make lab` to the first picture", rows)
        bench.aim("fresh checkout to the first picture [s]", rows["a fresh checkout"]["first picture s"], most=300)
        bench.aim("again [s]", rows["again"]["first picture s"], most=30)
        (folder / "binder").mkdir()
        _, session = binder.replay(folder / "binder")
        bench.table("a session as Binder makes it, without conda's own part", {"session": asdict(session)})
        bench.aim("its packages [MB]", session.environment_mb, most=1500)
        bench.aim("JupyterLab's start [s]", session.server_s, most=30)
    bench.finish()


if __name__ == "__main__":
    main()
