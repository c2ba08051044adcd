"""Look at what is there: info, version."""

from __future__ import annotations

import argparse
import platform

from ndlab.cli.command import Command, add_json, add_opening, opening, say

__all__ = ["COMMANDS", "own_version"]


def own_version() -> str:
    """Return ndlab's version, as it was installed."""
    from importlib import metadata

    try:
        return metadata.version("ndlab")
    except metadata.PackageNotFoundError:
        return "unknown (not installed)"


def _info_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "url", metavar="URL", help="a store, a file, or a folder of slices; local, http(s), s3, gs or zip"
    )
    parser.add_argument("--level", type=int, default=0, help="pyramid level to describe (0: the finest)")
    add_json(parser)
    add_opening(parser)


def _info(args: argparse.Namespace) -> int:
    from ndlab.volume import open as open_volume

    volume = open_volume(args.url, level=args.level, **opening(args))
    say(args, volume.info(), repr(volume))
    return 0


def _version(args: argparse.Namespace) -> int:
    facts = {"ndlab": own_version(), "python": platform.python_version()}
    say(args, facts, f"ndlab {facts['ndlab']} on Python {facts['python']}")
    return 0


COMMANDS = (
    Command("info", "say what is at an address, without reading a voxel", "ndlab info s3://bucket/em.zarr --json",
            _info_arguments, _info),
    Command("version", "print the version of ndlab and of Python", "ndlab version --json", add_json, _version),
)  # fmt: skip
