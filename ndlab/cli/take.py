"""Take voxels out, for other programs: cutout, export."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ndlab.cli import words
from ndlab.cli.command import Command, add_json, add_opening, bar, opening, say
from ndlab.errors import StaleLevelWarning

if TYPE_CHECKING:
    from ndlab.volume import Volume

__all__ = ["COMMANDS"]

_FORMATS = "npy, png, tif, h5 or nii"


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-t", metavar="N", help="time point; all unless given")
    parser.add_argument("-c", metavar="NAME", help="channel by name or number; all unless given")
    parser.add_argument("--format", help="npy, png, tiff, hdf5 or nifti, where the file's name does not say")
    parser.add_argument("--force", action="store_true", help="replace a file that exists")
    add_json(parser)
    add_opening(parser)


def _cutout_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help="whatever `ndlab info` describes")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--box", metavar="Z0:Z1,Y0:Y1,X0:X1", help="half-open, in voxels of --level, from 0")
    where.add_argument("--nm", metavar="Z0:Z1,Y0:Y1,X0:X1", help="in nm, the volume's offset included")
    parser.add_argument(
        "-o", "--out", metavar="FILE", required=True, help=f"ends in {_FORMATS}; a folder for --format png"
    )
    level = parser.add_mutually_exclusive_group()
    level.add_argument("--level", type=int, default=0, help="pyramid level (0: the finest)")
    level.add_argument("--nearest", metavar="Z,Y,X", help="the coarsest level with voxels no larger than this, in nm")
    _common(parser)


def _cutout(args: argparse.Namespace) -> int:
    volume = _opened(args)
    if args.nearest is not None:
        volume = volume.nearest(words.lengths(args.nearest, "--nearest"))
    if args.box is not None:
        spans = words.box(args.box, volume.box.shape, volume.level_index)
        volume = volume[(..., *spans)]
    else:
        # A single position keeps its axis: files are three-dimensional.
        keys = words.positions(args.nm)
        found = volume.nm[keys].box
        volume = volume.boxed(found)
    return _write(args, volume, Path(args.out))


def _export_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help="whatever `ndlab info` describes")
    parser.add_argument("dest", metavar="DEST", help=f"a file that ends in {_FORMATS}; a folder for --format png")
    parser.add_argument("--level", type=int, default=0, help="pyramid level (0: the finest)")
    _common(parser)


def _export(args: argparse.Namespace) -> int:
    return _write(args, _opened(args), Path(args.dest))


def _opened(args: argparse.Namespace) -> Volume:
    from ndlab.volume import open as open_volume

    return open_volume(args.url, level=args.level, **opening(args))


def _write(args: argparse.Namespace, volume: Volume, dest: Path) -> int:
    from ndlab.describe import si_bytes
    from ndlab.store.export import export

    stored, level = volume._stored, volume._stored.levels[volume.level_index]
    if volume.stale:
        _warn_stale(volume)
    picked = volume.isel(t=words.time_point(args.t), c=words.channel(args.c))
    spans = dict(zip(stored.axes, picked._spans, strict=True))
    chosen = {axis: span.start for axis, span in spans.items() if span.dropped and axis in "tc"}
    with bar("%") as drawn:
        path = export(
            level.array, stored.axes, level.calibration, dest,
            format=args.format, box=picked.box, t=chosen.get("t"), c=chosen.get("c"),
            channels=stored.channels, time_step=stored.time_step, overwrite=args.force, progress=_percent(drawn),
        )  # fmt: skip
    facts = _facts(picked, path)
    words_of_it = f"{''.join(picked.axes)} {' × '.join(map(str, picked.shape))} {picked.dtype}"
    say(args, facts, f"{path}: {words_of_it}, {si_bytes(picked.nbytes)}")
    return 0


def _facts(volume: Volume, path: Path) -> dict[str, Any]:
    known = volume.info()
    kept = {name: known[name] for name in ("axes", "shape", "dtype", "voxel_size", "offset", "unit", "url")}
    box = {"start": volume.box.start, "stop": volume.box.stop, "level": volume.level_index}
    return {"file": str(path), **kept, "box": box, "stale": volume.stale}


def _warn_stale(volume: Volume) -> None:
    level, update = volume.level_index, f"`ndlab pyramid {volume.url}`"
    text = f"level {level} is stale here: finer voxels were written after it was made. Type {update} to update it."
    warnings.warn(text, StaleLevelWarning, stacklevel=2)


def _percent(drawn: Callable[[int, int], None] | None) -> Callable[[float], None] | None:
    return None if drawn is None else lambda part: drawn(round(100 * part), 100)


COMMANDS = (
    Command("cutout", "write a box of a volume, by voxels or by nm, as a file",
            "ndlab cutout em.zarr --box 0:16,512:1024,512:1024 -o box.npy\n"
            "ndlab cutout s3://bucket/em.zarr --nm 0:4000,:,120000 --level 2 -c membrane -o plane.png",
            _cutout_arguments, _cutout,
            about="A side left out reaches to the end of the axis, a lone number is one plane. An nm box holds the\n"
                  "voxels whose centres lie inside."),
    Command("export", "write a whole level of a volume as a file for other programs",
            "ndlab export em.zarr em.tif --level 1",
            _export_arguments, _export, about="To make a store (OME-Zarr, precomputed) instead: ndlab ingest."),
)  # fmt: skip
