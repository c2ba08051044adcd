"""Pre-process a stack without a notebook: correct."""

from __future__ import annotations

import argparse
import json

from ndlab.cli.command import Command, add_json, add_opening, opening, say
from ndlab.cli.run import client_of

__all__ = ["COMMANDS"]


def _correct_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SOURCE", help="a stack: a store, a file, or a folder of slices")
    parser.add_argument("dest", metavar="DEST", help="where the corrected stack goes: a folder, s3:// or gs://")
    parser.add_argument("--seams", metavar="LABELS", help="a store of tile labels, or none; else seams are found")
    parser.add_argument("--workers", type=int, help="threads; else as many as cores")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="run on this Dask cluster, e.g. tcp://10.0.0.1:8786")
    parser.add_argument("--overwrite", action="store_true", help="remove what is at DEST first")
    parser.add_argument("--quiet", action="store_true", help="no bar")
    add_json(parser)
    add_opening(parser)


def _correct(args: argparse.Namespace) -> int:
    from ndlab.preprocess import correct
    from ndlab.volume import open as open_volume

    seams = args.seams if args.seams in (None, "none") else open_volume(args.seams)
    with client_of(args) as client:
        found = correct(
            open_volume(args.source, **opening(args)), seams=seams, out=args.dest, overwrite=args.overwrite,
            workers=args.workers, client=client, progress=False if args.quiet else None,
        )  # fmt: skip
    chosen = found.provenance["made"]["params"]["exposure"]["chosen"]
    say(args, {"url": found.url, "chosen": chosen}, f"{found!r}\n{json.dumps(chosen)}")
    return 0


COMMANDS = (
    Command("correct", "correct brightness, contrast, vignetting and seams of a stack",
            "ndlab correct em.zarr corrected.zarr\nndlab correct em.zarr corrected.zarr --seams none",
            _correct_arguments, _correct,
            about="Nothing has to be set: seams, exposure and shading are found, and what was found is printed and\n"
                  "kept. A run that was stopped goes on where it was when the same line is typed again."),
)  # fmt: skip
