"""Make stores and their levels: ingest, pyramid."""

from __future__ import annotations

import argparse
from typing import Any

from ndlab.cli import following, words
from ndlab.cli.command import Command, add_json, add_voxel_size, say, voxel_size

__all__ = ["COMMANDS"]


def _ingest_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SOURCE", help="a folder of numbered slices, a file, or a store")
    parser.add_argument("dest", metavar="DEST", help="where the store goes: a folder, s3:// or gs://")
    source = parser.add_argument_group("the source")
    add_voxel_size(source, "needed unless the source says")
    source.add_argument("--offset", metavar="Z,Y,X", help="corner of the first voxel, in nm or with a unit")
    source.add_argument("--pattern", help="which files are slices, e.g. 'em_t{t}_c{c}_z{z}.tif'")
    source.add_argument("--missing", choices=("error", "blank", "skip"), help="what a missing slice is (error)")
    source.add_argument("--axes", metavar="czyx", help="names of the source's axes")
    source.add_argument("--dataset", help="the array inside an HDF5 file")
    source.add_argument("--path", help="the image inside a store that holds several")
    result = parser.add_argument_group("the store")
    result.add_argument("--kind", choices=("image", "labels"), help="else as the source says")
    result.add_argument("--name", help="of the volume")
    result.add_argument("--channels", metavar="A,B", help="names of the channels")
    formats = "OME-Zarr 0.5 (Zarr v3, sharded; the default) or 0.4 (Zarr v2), or Neuroglancer precomputed"
    result.add_argument("--version", default="0.5", choices=("0.5", "0.4", "precomputed"), help=formats)
    result.add_argument("--chunks", metavar="Z,Y,X", help="else about 256 KiB, physically cubic")
    result.add_argument("--shards", metavar="Z,Y,X", help="else 512 wide")
    result.add_argument("--codec", default="auto", help="auto, none, a name like 'zstd 3', or JSON of any Zarr v3 or "
                        "numcodecs codec")  # fmt: skip
    result.add_argument("--levels", type=int, help="how many, the finest included; else until no axis exceeds 64")
    run = parser.add_argument_group("the run")
    run.add_argument("--memory", help="what the process may hold, e.g. '1 GiB'")
    run.add_argument("--workers", type=int, help="threads; else as many as cores and memory allow")
    run.add_argument("--overwrite", action="store_true", help="remove what is at DEST first")
    run.add_argument("--no-resume", action="store_true", help="refuse to go on with an ingest that was interrupted")
    run.add_argument("--quiet", action="store_true", help="no bar, and no word about memory")
    add_json(run)
    following.add_arguments(parser)


def _ingest(args: argparse.Namespace) -> int:
    following.check(args)
    if args.follow:
        return following.run(args, _options(args))
    from ndlab.store.ingest import ingest
    from ndlab.volume import Volume

    made = ingest(
        args.source, args.dest, workers=args.workers, resume=not args.no_resume,
        progress=False if args.quiet else None, **_options(args),
    )  # fmt: skip
    say(args, made.receipt, repr(Volume(made.stored)))
    return 0


def _options(args: argparse.Namespace) -> dict[str, Any]:
    """Read the keywords of `ingest` that were given."""
    names = (
        "pattern",
        "missing",
        "axes",
        "dataset",
        "path",
        "kind",
        "name",
        "version",
        "levels",
        "memory",
        "overwrite",
    )
    found = {name: getattr(args, name) for name in names}
    found |= {"chunks": words.shape(args.chunks, "--chunks"), "shards": words.shape(args.shards, "--shards")}
    found |= {"channels": args.channels.split(",") if args.channels else None, "codec": words.codec(args.codec)}
    found |= voxel_size(args)
    if args.offset is not None:
        found["offset"] = words.lengths(args.offset, "--offset", None if args.voxel_size is None else args.unit)
    return {name: value for name, value in found.items() if value is not None or name == "codec"}


def _pyramid_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "url", metavar="URL", help="an OME-Zarr store; one of a single level gets the coarser ones first"
    )
    parser.add_argument("--levels", type=int, help="how many a store of one level gets; else until no axis exceeds 64")
    parser.add_argument("--all", action="store_true", help="make every coarser level anew, not only what is stale")
    parser.add_argument("--workers", type=int, help="threads; else as many as cores")
    parser.add_argument("--quiet", action="store_true", help="no bar")
    add_json(parser)


def _pyramid(args: argparse.Namespace) -> int:
    from ndlab.pipeline import progress_bar
    from ndlab.store import pyramid, state
    from ndlab.store.extend import add_levels
    from ndlab.store.multiscale import open_store

    stored = open_store(args.url)
    if len(stored.levels) == 1:
        stored, args.all = add_levels(stored, args.levels), True
    stale = sorted(level for level, boxes in state.read(stored.url).stale.items() if boxes)
    with progress_bar(False if args.quiet else None) as drawn:
        if args.all:
            done = sum(one.done for one in pyramid.build(stored, workers=args.workers, progress=drawn))
        else:
            done = pyramid.rebuild(stored, workers=args.workers, progress=drawn)
    left = sorted(level for level, boxes in state.read(stored.url).stale.items() if boxes)
    text = (
        f"{stored.url}: {done} pieces written" if done else f"{stored.url}: no level was stale (--all makes them anew)"
    )
    if left:
        text += f"; level {', '.join(map(str, left))} is stale again, for somebody wrote meanwhile: run it again"
    say(args, {"url": stored.url, "written": done, "stale_before": stale, "stale": left}, text)
    return 1 if left else 0


COMMANDS = (
    Command("ingest", "make a store with all its levels from slices, a file, or another store",
            "ndlab ingest slices/ em.zarr --voxel-size 40,4,4\n"
            "ndlab ingest labels.h5 labels.zarr --dataset main --voxel-size 8 --kind labels\n"
            "ndlab ingest microscope/ em.zarr --voxel-size 40,4,4 --follow",
            _ingest_arguments, _ingest,
            about="Everything is checked first; what is wrong is said at once, and nothing is written then. An ingest\n"
                  "that was stopped goes on where it was when the same line is typed again."),
    Command("pyramid", "make the coarser levels of a store, or bring them up to date", "ndlab pyramid em.zarr",
            _pyramid_arguments, _pyramid),
)  # fmt: skip
