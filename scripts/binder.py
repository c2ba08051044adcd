"""Do what Binder does, as far as a machine without containers can: render the build, run its scripts, start a session.

``python scripts/binder.py`` prints the Dockerfile that repo2docker makes of this checkout; ``--replay FOLDER`` runs
what it would run, on the committed files, in a fresh environment under FOLDER, starts a session as Binder starts it,
and prints how large and how quick it is. It needs `jupyter-repo2docker`, which the lock of `make cluster-test` has.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Build:
    """What repo2docker makes of a repository: its build pack, Python, and the scripts it runs, in order."""

    pack: str
    python: str
    dockerfile: str
    files: tuple[str, ...]
    scripts: tuple[str, ...]
    start: str | None


@dataclass(frozen=True)
class Session:
    """How large a session is [MB], and how long its making and its start took [s]."""

    environment_mb: float
    checkout_mb: float
    install_s: float
    server_s: float
    server_mb: float


def render(folder: Path = ROOT) -> Build:
    """Return the build of a repository, by repo2docker's own rules."""
    from repo2docker.app import Repo2Docker

    before = Path.cwd()
    os.chdir(folder)
    try:
        rendering = Repo2Docker()
        for kind in rendering.buildpacks:
            pack = kind(base_image=rendering.base_image)
            if pack.detect():
                break
        else:
            pack = rendering.default_buildpack(base_image=rendering.base_image)
        pack.platform = "linux/amd64"  # what Binder's machines are
        return Build(
            type(pack).__name__,
            ".".join(str(getattr(pack, "python_version", "")).split(".")[:2]),
            pack.render(),
            tuple(pack.get_preassemble_script_files()),
            tuple(pack.get_post_build_scripts()),
            pack.get_start_script(),
        )
    finally:
        os.chdir(before)


def committed(folder: Path) -> Path:
    """Copy what git holds, as it stands in this checkout; Binder has nothing else."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    target = folder / "checkout"
    for name in filter(None, names.decode().split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


def python_of(version: str) -> str:
    """Return a Python of that version if there is one that runs, else this one."""
    found = shutil.which(f"python{version}")
    if found and subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0:
        return found
    return sys.executable


def replay(folder: Path) -> tuple[Path, Session]:
    """Run the scripts of the build in an environment of its own, and a session in it; return checkout and figures."""
    checkout, venv = committed(folder), folder / "venv"
    build = render(checkout)
    subprocess.run([python_of(build.python), "-m", "venv", str(venv)], check=True)
    environment = dict(os.environ) | {"PATH": f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": ""}
    began = time.perf_counter()
    for script in build.scripts:
        subprocess.run([f"./{script}"], cwd=checkout, env=environment, check=True)
    installed = time.perf_counter() - began
    with session(checkout, venv) as (url, seconds, process):
        with _ask(f"{url}api/status") as answer:
            json.load(answer)
        memory = _rss(process.pid)
    return checkout, Session(_megabytes(venv), _megabytes(checkout), installed, seconds, memory)


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def session(checkout: Path, venv: Path) -> Iterator[tuple[str, float, subprocess.Popen[bytes]]]:
    """Start JupyterLab as Binder's image does; yield its address, the seconds until it answered, and its process."""
    port = free_port()
    environment = dict(os.environ) | {
        "PATH": f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": "", "JUPYTER_TOKEN": _TOKEN,
        "HOME": str(checkout.parent),
    }  # fmt: skip
    began = time.perf_counter()
    process = subprocess.Popen(
        [str(venv / "bin" / "jupyter"), "lab", "--no-browser", "--ip=127.0.0.1", f"--port={port}", "--allow-root",
         "--ServerApp.port_retries=0"],
        cwd=checkout, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}/"
    try:
        while True:
            try:
                with _ask(f"{url}api/status"):
                    break
            except OSError:
                if process.poll() is not None or time.perf_counter() - began > 180:
                    raise RuntimeError("JupyterLab did not start in the environment that Binder would have") from None
                time.sleep(0.1)
        yield url, time.perf_counter() - began, process
    finally:
        process.terminate()
        process.wait(30)


_TOKEN = secrets.token_hex(16)


def _ask(url: str) -> urllib.request.addinfourl:
    request = urllib.request.Request(url, headers={"Authorization": f"token {_TOKEN}"})
    answer: urllib.request.addinfourl = urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request)
    return answer


def _megabytes(folder: Path) -> float:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir()) / 1e6


def _rss(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1e3 if found else float("nan")


def main() -> int:
    """Render, or replay."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replay", type=Path, metavar="FOLDER", help="run the build's scripts under this empty folder")
    options = parser.parse_args()
    if options.replay is None:
        print(render().dockerfile)
    else:
        options.replay.mkdir(parents=True, exist_ok=True)
        print(json.dumps(asdict(replay(options.replay.resolve())[1]), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
