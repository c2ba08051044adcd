"""Pre-process without a notebook: correct, align, register."""

from __future__ import annotations

import argparse
import json
import warnings
from typing import Any

from ndlab.cli import words
from ndlab.cli.command import Command, add_json, add_opening, add_voxel_size, opening, say, voxel_size
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


def _register_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("moving", metavar="MOVING", help="the volume that is to be moved")
    parser.add_argument("fixed", metavar="FIXED", help="the volume or atlas that it is moved onto")
    parser.add_argument("out", metavar="OUT", help="where the registration goes: a folder, s3:// or gs://")
    parser.add_argument("--voxel", metavar="SIZE", help="voxel size to compare at, in nm or with a unit; else found")
    parser.add_argument("--affine", action="store_true", help="stop after the affine map")
    parser.add_argument("--apply", metavar="URL", help="also write MOVING there, as it looks on FIXED")
    parser.add_argument("--labels", metavar="URL", help="labels of FIXED: also print a table of the regions of MOVING")
    parser.add_argument("--overwrite", action="store_true", help="remove what is at OUT, and at --apply, first")
    parser.add_argument("--workers", type=int, help="threads of --apply; else as many as cores")
    add_json(parser)


def _register(args: argparse.Namespace) -> int:
    from ndlab.preprocess import register
    from ndlab.volume import open as open_volume

    voxel = None if args.voxel is None else words.lengths(args.voxel, "--voxel", None)[0]
    moving, fixed = open_volume(args.moving), open_volume(args.fixed)
    found = register(
        moving, fixed, out=args.out, voxel=voxel, deformable=not args.affine, overwrite=args.overwrite
    )  # fmt: skip
    quality = found.quality()
    facts: dict[str, Any] = {
        "url": found.url, "measure": found.found["measure"], "start": found.found["affine"]["start"],
        "jacobian": list(quality.jacobian), "folds": quality.folds, "inverse_error": list(quality.inverse_error),
    }  # fmt: skip
    text = f"{found}\n{quality}"
    if args.apply:
        found.apply(moving, out=args.apply, overwrite=args.overwrite, workers=args.workers)
        facts["applied"] = args.apply
        text += f"\nwritten to {args.apply}"
    if args.labels:
        table = found.regions(open_volume(args.labels, kind="labels"))
        facts["regions"] = [dict(zip(table.columns, row.tolist(), strict=True)) for row in table.rows]
        text += f"\n{table}"
    say(args, facts, text)
    return 1 if quality.folds else 0


def _align_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SRC", help="the stack: a store, a file, or a folder of slices")
    parser.add_argument("out", metavar="OUT", help="where the aligned volume goes, with the alignment inside")
    add_voxel_size(parser.add_argument_group("the source"), "needed unless the source says")
    how = parser.add_argument_group("how")
    how.add_argument("--model", choices=("rigid", "affine", "elastic"), default="elastic",
                     help="how far sections may be deformed (elastic)")  # fmt: skip
    how.add_argument("--reference", type=int, help="the section that stays where it is (the middle one)")
    how.add_argument("--canvas", choices=("whole", "same"), default="whole",
                     help="hold all of each section, or keep the volume's frame (whole)")  # fmt: skip
    how.add_argument("--broken", choices=("refuse", "keep"), default="refuse",
                     help="about a stack that nothing holds together (refuse)")  # fmt: skip
    run = parser.add_argument_group("the run")
    run.add_argument("--workers", type=int, help="threads; else as many as cores")
    run.add_argument("--overwrite", action="store_true", help="remove what is at OUT first")
    run.add_argument("--quiet", action="store_true", help="no bar")
    add_json(run)


def _align(args: argparse.Namespace) -> int:
    from ndlab.preprocess import BrokenStackWarning, align
    from ndlab.volume import open as open_volume

    volume = open_volume(args.source, **voxel_size(args))
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always", BrokenStackWarning)
        found = align(
            volume, out=args.out, model=args.model, reference=args.reference, canvas=args.canvas, broken=args.broken,
            overwrite=args.overwrite, workers=args.workers, progress=False if args.quiet else None,
        )  # fmt: skip
    said = [str(one.message) for one in heard if issubclass(one.category, BrokenStackWarning)]
    pairs = found.quality().to_dict("records")
    sections = found.sections().to_dict("records")
    known = {"url": args.out, "about": dict(found.about), "pairs": pairs, "sections": sections, "warnings": said}
    text = "\n".join([repr(found), *(f"  {one}" for one in said), repr(found.volume)])
    say(args, known, text)
    return 0


COMMANDS = (
    Command("correct", "correct brightness, contrast, vignetting and seams of a stack",
            "ndlab correct em.zarr corrected.zarr\nndlab correct em.zarr corrected.zarr --seams none",
            _correct_arguments, _correct,
            about="Nothing has to be set: seams, exposure and shading are found, and what was found is printed and\n"
                  "kept. A run that was stopped goes on where it was when the same line is typed again."),
    Command("register", "find the map between two volumes, both ways, and keep it",
            "ndlab register sample.zarr atlas.zarr sample-to-atlas\n"
            "ndlab register sample.zarr atlas.zarr sample-to-atlas --labels regions.zarr --apply sample-on-atlas.zarr",
            _register_arguments, _register,
            about="No number has to be chosen: start, voxel size, measure and contrast are found and kept in\n"
                  "OUT/registration.json. The same line typed again opens what is there."),
    Command("align", "bring the sections of a stack together",
            "ndlab align raw.zarr aligned.zarr\n"
            "ndlab align slices/ aligned.zarr --voxel-size 50,4,4 --model affine",
            _align_arguments, _align,
            about="Each section is compared with the next three, and all are settled at once. Pairs that contradict\n"
                  "the others are left out and told. A run that was stopped goes on where it was when the same line\n"
                  "is typed again."),
)  # fmt: skip
