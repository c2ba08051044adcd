"""Prepare volumes: align sections."""

from __future__ import annotations

import argparse
import warnings

from ndlab.cli.command import Command, add_json, add_voxel_size, say, voxel_size

__all__ = ["COMMANDS"]


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
    Command("align", "bring the sections of a stack together",
            "ndlab align raw.zarr aligned.zarr\n"
            "ndlab align slices/ aligned.zarr --voxel-size 50,4,4 --model affine",
            _align_arguments, _align,
            about="Each section is compared with the next three, and all are settled at once. Pairs that contradict\n"
                  "the others are left out and told. A run that was stopped goes on where it was when the same line\n"
                  "is typed again."),
)  # fmt: skip
