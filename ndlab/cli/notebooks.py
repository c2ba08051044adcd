"""The notebooks: lab, paper."""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from ndlab.cli.command import Command
from ndlab.errors import NotFound, Unsupported

__all__ = ["COMMANDS"]

_START = "00_start"


def _lab_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--notebooks", metavar="DIR", help="folder of notebooks; else those that came with ndlab")
    parser.add_argument("--data", metavar="DIR", help="more data, for sections that need it")
    parser.add_argument("jupyter", nargs="*", metavar="-- ARGUMENTS", help="passed to JupyterLab, e.g. -- --no-browser")


def _lab(args: argparse.Namespace) -> int:
    from ndlab.paper import notebooks_folder
    from ndlab.paper.results import DATA

    if importlib.util.find_spec("jupyterlab") is None:
        raise Unsupported("JupyterLab cannot be started", "jupyterlab is not installed",
                          'type pip install "ndlab[lab]"', feature="jupyterlab")  # fmt: skip
    folder = Path(args.notebooks) if args.notebooks is not None else notebooks_folder()
    started = sorted(folder.glob(f"{_START}*.ipynb"))
    if not started:
        raise NotFound(f"no {_START} notebook in {folder}", "", "pass --notebooks DIR, the folder that holds it")
    environment = dict(os.environ)
    if args.data is not None:
        if not Path(args.data).is_dir():
            raise NotFound(f"--data {args.data} is no folder", "", "pass the folder that holds the data")
        environment[DATA] = str(Path(args.data).resolve())
    # The address it prints then leads to the notebook, too: on a remote machine no browser opens by itself.
    first = [f"--ServerApp.root_dir={folder.resolve()}", f"--LabApp.default_url=/lab/tree/{started[0].name}"]
    return subprocess.call([sys.executable, "-m", "jupyterlab", *first, *args.jupyter], env=environment)


def _paper_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", metavar="DIR", required=True, help="where the report goes")
    parser.add_argument("--notebooks", metavar="DIR", help="folder of notebooks; else those that came with ndlab")
    parser.add_argument(
        "--only", metavar="PART", action="append", help="run notebooks whose name holds this; may be repeated"
    )
    parser.add_argument("--data", metavar="DIR", help="more data; sections that need it are else reported as not run")
    parser.add_argument(
        "--bench", action="store_true", help="measure this machine beside the founding paper's Figure 1"
    )
    parser.add_argument("--quiet", action="store_true", help="say only what failed")


def _paper(args: argparse.Namespace) -> int:
    from ndlab.paper import run

    return run(args.out, notebooks=args.notebooks, only=args.only, data=args.data, bench=args.bench, quiet=args.quiet)


COMMANDS = (
    Command("lab", "open JupyterLab on the first notebook", "ndlab lab\nndlab lab -- --no-browser --port 8890",
            _lab_arguments, _lab, about='Needs the extra: pip install "ndlab[lab]"'),
    Command("paper", "run every notebook and write one page with each number beside the published one",
            "ndlab paper --out paper/\nndlab paper --out paper/ --only connectome --data /data",
            _paper_arguments, _paper,
            about="Ends with status 1 if a notebook fails or a number is off."),
)  # fmt: skip
