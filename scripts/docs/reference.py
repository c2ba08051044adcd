"""The reference: every public name from its docstring, and every command from its parser."""

from __future__ import annotations

import argparse
import importlib
import inspect
import re
from collections import Counter
from pathlib import Path
from typing import Any

__all__ = ["MODULES", "missing", "stage"]

# What a person imports, in the order in which a volume goes through it.
MODULES = {
    "ndlab": "the names at the root",
    "ndlab.volume": "volumes: lazy, multiscale, calibrated",
    "ndlab.geometry": "boxes, calibration, grids of blocks",
    "ndlab.annotations": "objects and their voxels, in one history",
    "ndlab.graph": "nodes, edges and their properties",
    "ndlab.pipeline": "one task a block: steps and runs",
    "ndlab.preprocess": "exposure, seams, alignment, registration",
    "ndlab.detect": "membranes, synapses, segments, partners, scores",
    "ndlab.measure": "labels, block by block",
    "ndlab.analyze": "what connectomes and populations of synapses say",
    "ndlab.explore": "widgets of the notebook",
    "ndlab.figures": "results as figures at paper size",
    "ndlab.render": "arrays as pixels",
    "ndlab.samples": "the toy brain, the phantom, small real data",
    "ndlab.metadata": "what is written on disk about a volume",
    "ndlab.doctor": "whether an environment is fit and a store whole",
    "ndlab.paper": "numbers and figures of a notebook, checked and gathered",
    "ndlab.testing": "known damage with its truth",
    "ndlab.errors": "every mistake that ndlab can name",
}


# Names at the root with a page of their own, and the module that documents them.
_LINKED = {
    "Annotations": "ndlab.annotations",
    "Box": "ndlab.geometry",
    "Graph": "ndlab.graph",
    "Volume": "ndlab.volume",
}


def stage(staged: Path) -> list[str]:
    """Write the pages of the reference; return the full names that have to be on them."""
    folder = staged / "reference"
    folder.mkdir(parents=True, exist_ok=True)
    names: list[str] = []
    for module in MODULES:
        public = names_of(module)
        names += [f"{module}.{name}" for name in public]
        (folder / f"{module}.rst").write_text(_page(module, public))
    (folder / "command-line.md").write_text(_commands())
    others = {"command-line": "every command with its options", "scoreboard": "synapse detection, scored and judged",
              "benchmarks": "what every script of bench/ found"}  # fmt: skip
    rows = "".join(f"| [{module}]({module}.rst) | {about} |\n" for module, about in MODULES.items())
    rows += "".join(f"| [{name}]({name}.md) | {about} |\n" for name, about in others.items())
    tree = "\n".join([*MODULES, *others])
    page = f"# Reference\n\n| | |\n|---|---|\n{rows}\n```{{toctree}}\n:hidden:\n\n{tree}\n```\n"
    (folder / "index.md").write_text(page)
    return names


def names_of(module: str) -> list[str]:
    """Return the public names of a module that have a docstring of their own."""
    found = importlib.import_module(module)
    listed = [name for name in getattr(found, "__all__", ()) if not name.startswith("__")]
    if not listed:
        listed = [n for n, v in vars(found).items() if not n.startswith("_") and getattr(v, "__module__", "") == module]
    documented = [name for name in listed if _is_documented(getattr(found, name))]
    # What has a page of its own is only linked to from the root's.
    return [name for name in documented if module != "ndlab" or name not in _LINKED]


def once() -> set[str]:
    """Return the public names that only one module has, by which a docstring can mean only one thing."""
    count = Counter(name for module in MODULES for name in names_of(module))
    return {name for name, number in count.items() if number == 1}


def missing(out: Path, names: list[str]) -> list[str]:
    """Say which public names no page of the built site has an anchor for."""
    text = "".join(page.read_text() for page in (out / "reference").glob("ndlab*.html"))
    anchors = set(re.findall(r'id="([^"]+)"', text))
    return [f"the reference lacks {name}" for name in names if name not in anchors]


def _is_documented(value: Any) -> bool:
    return inspect.isclass(value) or inspect.isfunction(value)


def _page(module: str, public: list[str]) -> str:
    lines = [module, "=" * len(module), "", f".. automodule:: {module}", "   :no-members:", ""]
    if module == "ndlab":
        lines += [f"- :py:class:`ndlab.{name} <{home}.{name}>`" for name, home in _LINKED.items()] + [""]
    for name in public:
        value = getattr(importlib.import_module(module), name)
        if inspect.isclass(value):
            lines += [f".. autoclass:: {module}.{name}", "   :members:", ""]
        else:
            lines += [f".. autofunction:: {module}.{name}", ""]
    return "\n".join(lines)


def _commands() -> str:
    from ndlab.cli import COMMANDS

    made = ["# The command line\n\nEvery command as `ndlab COMMAND --help` prints it.\n"]
    parser = argparse.ArgumentParser(prog="ndlab")
    below = parser.add_subparsers(prog="ndlab")
    for one in COMMANDS:
        one.add_to(below)
        made.append(f"## ndlab {one.name}\n\n```text\n{below.choices[one.name].format_help()}```\n")
    return "\n".join(made)
