"""Detection in a shell: synapses, train, evaluate; and what `segment` holds."""

from __future__ import annotations

import argparse
from typing import Any

from ndlab.cli import segment
from ndlab.cli.command import Command, add_json, add_opening, opening, say
from ndlab.errors import BadRequest

__all__ = ["COMMANDS"]


def _add_run(parser: argparse.ArgumentParser) -> None:
    run = parser.add_argument_group("the run")
    run.add_argument("--workers", type=int, help="threads; else as many as cores")
    run.add_argument("--overwrite", action="store_true", help="remove what is there first")
    run.add_argument("--quiet", action="store_true", help="no bar")


# --- synapses -----------------------------------------------------------------------------------------------------


def _synapses_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("volume", metavar="VOLUME", help="grey values, or probabilities (floating-point) from 0 to 1")
    parser.add_argument("out", metavar="OUT", help="where the annotations are made")
    parser.add_argument("--model", metavar="FILE", help="of `ndlab detect train`; without it one that has seen the "
                        "phantom only and is not validated on electron microscopy")  # fmt: skip
    parser.add_argument("--threshold", type=float, help="of a voxel's probability; else the model's own, or 0.5")
    parser.add_argument("--min-volume", type=float, metavar="NM3", help="of a synapse [nm³]")
    parser.add_argument("--min-sections", type=int, metavar="N", help="that a synapse appears in")
    parser.add_argument("--min-area", type=float, metavar="NM2", help="that a piece of one has in a section [nm²]")
    parser.add_argument("--max-area", type=float, metavar="NM2", help="that a piece of one has in a section [nm²]")
    parser.add_argument(
        "--work", metavar="FOLDER", help="where probabilities and labels are kept, to go on after a stop"
    )
    _add_run(parser)
    add_json(parser)
    add_opening(parser)


def _synapses(args: argparse.Namespace) -> int:
    from ndlab.detect import Model, synapses
    from ndlab.volume import open as open_volume

    volume = open_volume(args.volume, **opening(args))
    found = synapses(
        volume, out=args.out, model=args.model, threshold=args.threshold, min_volume=args.min_volume,
        min_sections=args.min_sections, min_area=args.min_area, max_area=args.max_area, work=args.work,
        overwrite=args.overwrite, workers=args.workers, progress=False if args.quiet else None,
    )  # fmt: skip
    model = None if volume.dtype.kind == "f" else Model.of(args.model)
    warning = "" if model is None else str(model.notes.get("warning", ""))
    facts = {"url": args.out, "synapses": found.count(), "model": "" if model is None else model.digest,
             "warning": warning}  # fmt: skip
    say(args, facts, f"{args.out}: {found.count():,} synapses" + (f" (model {warning})" if warning else ""))
    return 0


# --- train --------------------------------------------------------------------------------------------------------


def _train_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("volume", metavar="VOLUME", help="grey values")
    parser.add_argument("truth", metavar="TRUTH", help="a volume that is not 0 inside of synapses, or annotations")
    parser.add_argument("out", metavar="MODEL", help="the file to write, .npz")
    parser.add_argument("--method", choices=("trees", "network", "vesicle"), default="trees",
                        help="boosted trees (default), a small network (needs ndlab[ml]), or VESICLE-RF")  # fmt: skip
    parser.add_argument("--class", dest="classes", action="append", default=[], metavar="NAME=VOLUME",
                        help="a mask of something else, e.g. membrane=membranes.zarr; may be repeated")  # fmt: skip
    parser.add_argument("--radius", type=float, default=120.0, metavar="NM", help="of balls around annotations (120)")
    parser.add_argument("--steps", type=int, help="of a network")
    parser.add_argument("--seed", type=int, default=0)
    add_json(parser)
    add_opening(parser)


def _train(args: argparse.Namespace) -> int:
    from ndlab.detect import train
    from ndlab.opening import open as open_any
    from ndlab.volume import open as open_volume

    strange = [one for one in args.classes if "=" not in one]
    if strange:
        raise BadRequest(f"--class {strange[0]}", "it has the form NAME=VOLUME", "--class membrane=membranes.zarr")
    how: dict[str, Any] = {} if args.steps is None else {"steps": args.steps}
    volume = open_volume(args.volume, **opening(args))
    size = {} if "voxel_size" not in opening(args) else {"voxel_size": opening(args)["voxel_size"]}
    classes = {name: open_volume(where, **size) for name, _, where in (one.partition("=") for one in args.classes)}
    model = train(
        volume, open_any(args.truth), out=args.out, method=args.method, classes=classes, radius=args.radius,
        seed=args.seed, **how,
    )  # fmt: skip
    facts = {"model": args.out, "digest": model.digest, "classes": list(model.classes), "pixel_nm": model.pixel}
    say(args, facts, f"{args.out}: {model!r}")
    return 0


# --- evaluate -----------------------------------------------------------------------------------------------------


def _evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("found", metavar="FOUND", help="labels of detections, or probabilities (floating-point)")
    parser.add_argument("truth", metavar="TRUTH", help="labels of true objects")
    parser.add_argument("--threshold", type=float, default=0.5, help="of probabilities (0.5)")
    parser.add_argument("--min-size", type=int, default=0, metavar="VOXELS", help="of a detection (0)")
    parser.add_argument("--overlap", type=int, default=10, metavar="VOXELS", help="that a match shares at least (10)")
    parser.add_argument("--iou", type=float, help="ask instead that a match shares this part of both together")
    parser.add_argument("--ignore-below", type=int, default=0, metavar="VOXELS", help="true objects that do not count")
    add_json(parser)


def _evaluate(args: argparse.Namespace) -> int:
    from ndlab.detect import Rules, evaluate
    from ndlab.volume import open as open_volume

    found, truth = open_volume(args.found), open_volume(args.truth)
    most = max(1, found.size)
    rules = Rules(args.threshold, 0, most, args.min_size)
    scored = evaluate(found, truth, rules=rules if found.dtype.kind == "f" else None, overlap=args.overlap,
                      iou=args.iou, ignore_below=args.ignore_below)  # fmt: skip
    f1 = scored.interval()
    facts = {"precision": scored.precision, "recall": scored.recall, "f1": scored.f1, "f1_interval": [f1.low, f1.high],
             "found": scored.tp, "missed": scored.fn, "invented": scored.fp, "voxel_ap": scored.voxel_ap,
             "cremi_nm": None if scored.clefts is None else scored.clefts.score}  # fmt: skip
    say(args, facts, f"{scored!r}, interval {f1.low:.3f} to {f1.high:.3f}")
    return 0


_BELOW = (
    Command("synapses", "find synapses, and write them as annotations",
            "ndlab detect synapses em.zarr em.zarr/annotations/synapses --model mine.npz",
            _synapses_arguments, _synapses),
    Command("train", "train a detector on a volume and what is known of it",
            "ndlab detect train em.zarr synapses.zarr mine.npz --class membrane=membranes.zarr",
            _train_arguments, _train),
    Command("evaluate", "hold detections against the truth, by VESICLE's protocol",
            "ndlab detect evaluate probability.zarr synapses.zarr --threshold 0.6 --json",
            _evaluate_arguments, _evaluate),
    *segment.BELOW,
)  # fmt: skip


def _arguments(parser: argparse.ArgumentParser) -> None:
    width = max(len(one.name) for one in _BELOW)
    listed = "\n".join(f"  {one.name:{width}}  {one.summary}" for one in _BELOW)
    parser.description = f"{parser.description}\n\n{listed}"
    below: Any = parser.add_subparsers(metavar="COMMAND", required=True, help=argparse.SUPPRESS)
    for one in _BELOW:
        one.add_to(below)


def _none(args: argparse.Namespace) -> int:  # argparse asks for a command before it comes here
    raise BadRequest("ndlab detect", f"its commands are {', '.join(one.name for one in _BELOW)}")


COMMANDS = (
    Command("detect", "find synapses, train a detector, score it: synapses, train, evaluate",
            "\n".join(one.example for one in _BELOW), _arguments, _none),
)  # fmt: skip
