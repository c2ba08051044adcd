"""Take care of stores: doctor, backup, restore."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ndlab.cli.command import Command, add_json, add_opening, bar, opening, say
from ndlab.errors import BadRequest

__all__ = ["COMMANDS"]


def _doctor_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "url",
        nargs="?",
        metavar="URL",
        help="a store, file or backup; a hub, Jupyter server or ndlab serve by its http address; a Dask scheduler, "
        "tcp://HOST:PORT; without it, this environment",
    )
    parser.add_argument("--token", help="of a server, to look behind its door; better in NDLAB_TOKEN")
    parser.add_argument("--sample", type=int, metavar="N", help="look at N chunks of each level, not at all of them")
    parser.add_argument("--workers", type=int, help="threads; else as many as cores")
    add_json(parser)
    add_opening(parser)


def _doctor(args: argparse.Namespace) -> int:
    from ndlab.doctor import diagnose, environment, installation
    from ndlab.doctor.cluster import is_scheduler

    if args.sample is not None and args.sample < 1:
        raise BadRequest(f"--sample {args.sample}", "a number of chunks is at least 1", "leave it out to look at all")
    report = None
    if args.url is None:
        report = environment()
    elif args.url.startswith(("http://", "https://")) or is_scheduler(args.url):
        report = installation(args.url, token=args.token)
    if report is None:
        with _bar_for_each() as progress:
            report = diagnose(args.url, sample=args.sample, workers=args.workers, progress=progress, **opening(args))
    say(args, report.as_dict(), str(report))
    return 0 if report.ok else 1


@contextmanager
def _bar_for_each() -> Iterator[Callable[[str, int, int], None] | None]:
    with bar("piece") as drawn:
        yield None if drawn is None else lambda what, done, total: drawn(done, total)


def _backup_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help="a store, or a folder of stores: local, zip, s3:// or gs://")
    parser.add_argument("dest", metavar="FILE", help="a local .zip file, or else a folder, local or remote")
    add_json(parser)


def _backup(args: argparse.Namespace) -> int:
    from ndlab.describe import si_bytes
    from ndlab.store.backup import backup

    with bar("key") as drawn:
        made = backup(args.url, args.dest, progress=drawn)
    say(args, made.as_dict(), f"{made.url}: {len(made):,} keys, {si_bytes(made.nbytes)}, backed up from {made.source}")
    return 0


def _restore_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("archive", metavar="FILE", help="what `ndlab backup` wrote")
    parser.add_argument("url", metavar="URL", help="where the store goes; nothing may be there")
    add_json(parser)


def _restore(args: argparse.Namespace) -> int:
    from ndlab.describe import si_bytes
    from ndlab.store.backup import restore
    from ndlab.store.kv import normal_url

    with bar("key") as drawn:
        made = restore(args.archive, args.url, progress=drawn)
    text = f"{normal_url(args.url)}: {len(made):,} keys, {si_bytes(made.nbytes)}, each as it was in {made.source}"
    say(args, made.as_dict() | {"restored": normal_url(args.url)}, text)
    return 0


COMMANDS = (
    Command("doctor", "check this environment, that a store is whole, or that an installation is fit",
            "ndlab doctor\nndlab doctor em.zarr --sample 100\nndlab doctor https://hub.example.org\n"
            "ndlab doctor tcp://10.0.0.5:8786", _doctor_arguments, _doctor,
            about="Of a store: its metadata, that each level has the size it should and is not stale, that every\n"
                  "chunk decodes, and the checksums that ingest and backup recorded. Of an installation: that it\n"
                  "answers, that nothing is open to who shows no token, that the extension is on and that workers\n"
                  "have the same versions. Ends with status 1 at a problem."),
    Command("backup", "copy a store into one file, with a checksum of every key", "ndlab backup em.zarr em.zip",
            _backup_arguments, _backup, about="The file opens in place: ndlab info em.zip"),
    Command("restore", "put a backup back, proving every key", "ndlab restore em.zip em.zarr",
            _restore_arguments, _restore, about="At the first sign of damage nothing is written."),
)  # fmt: skip
