"""What a command is, and the options that several share. Nothing heavy is imported here: ``--help`` comes at once."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ndlab.cli import words

__all__ = ["Command", "add_json", "add_opening", "add_voxel_size", "bar", "opening", "say", "voxel_size"]


@dataclass(frozen=True)
class Command:
    """One command: its name, a line about it, an example, its arguments, and what it does (returns the exit status)."""

    name: str
    summary: str
    example: str
    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    about: str = ""

    def add_to(self, below: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
        """Add this command to those of a parser."""
        summary = self.summary[:1].upper() + self.summary[1:] + "."
        examples = "\n".join(f"  {line}" for line in self.example.splitlines())
        parser = below.add_parser(
            self.name,
            description=f"{summary}\n\n{self.about}".rstrip(),
            epilog=f"example:\n{examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self.arguments(parser)
        parser.set_defaults(run=self.run)


def add_json(parser: argparse._ActionsContainer) -> None:
    """Add ``--json``."""
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def add_voxel_size(parser: argparse._ActionsContainer, why: str) -> None:
    """Add ``--voxel-size`` and ``--unit``."""
    parser.add_argument(
        "--voxel-size", metavar="Z,Y,X", help=f"voxel size in nm, or with a unit: 40,4,4 or 4x4x4um; {why}"
    )
    parser.add_argument("--unit", help="unit of --voxel-size, or of the store's own scale where it names none")


def voxel_size(args: argparse.Namespace) -> dict[str, Any]:
    """Read ``--voxel-size`` and ``--unit`` into keywords, sizes in nm."""
    if args.voxel_size is None:
        return {"unit": args.unit} if args.unit else {}
    return {"voxel_size": words.lengths(args.voxel_size, "--voxel-size", args.unit)}


def add_opening(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how to open what does not say enough of itself."""
    group = parser.add_argument_group("where the store does not say enough of itself")
    add_voxel_size(group, "instead of what the store says")
    group.add_argument("--axes", metavar="czyx", help="names of the stored axes")
    group.add_argument("--path", help="the image inside a store that holds several")
    group.add_argument("--dataset", help="the array inside an HDF5 file")
    group.add_argument("--pattern", help="which files of a folder are slices, e.g. 'em_{z}.png'")


def opening(args: argparse.Namespace) -> dict[str, Any]:
    """Read those options into keywords of `ndlab.open`."""
    plain = {name: getattr(args, name) for name in ("axes", "path", "dataset", "pattern")}
    return voxel_size(args) | {name: value for name, value in plain.items() if value is not None}


def say(args: argparse.Namespace, facts: Any, text: str) -> None:
    """Print `facts` as JSON if that was asked for, else `text`."""
    print(json.dumps(facts, indent=1, ensure_ascii=False) if args.json else text)


@contextmanager
def bar(unit: str) -> Iterator[Callable[[int, int], None] | None]:
    """Give a callback for (done, total) that draws a bar where somebody looks, else None."""
    if not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    with tqdm(unit=unit, leave=False) as drawn:

        def update(done: int, total: int) -> None:
            drawn.total = total
            drawn.update(done - drawn.n)

        yield update
