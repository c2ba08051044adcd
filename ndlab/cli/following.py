"""``ndlab ingest --follow``: append sections as they land, until told to stop."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ndlab.cli.command import say
from ndlab.errors import BadRequest

__all__ = ["add_arguments", "check", "run"]

_NOT_FOLLOWED = {
    "missing": "--missing", "axes": "--axes", "dataset": "--dataset", "path": "--path", "memory": "--memory",
    "overwrite": "--overwrite", "no_resume": "--no-resume",
}  # fmt: skip
_ONLY_FOLLOWED = {"idle": "--idle", "sections": "--sections", "settle": "--settle"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--follow`` and what goes with it."""
    group = parser.add_argument_group("while the microscope runs")
    group.add_argument("--follow", action="store_true", help="append slices to DEST as they land in SOURCE, a folder; "
                       "Ctrl-C ends it after those at hand, a second Ctrl-C at once")  # fmt: skip
    group.add_argument("--idle", type=float, metavar="S", help="end when no slice has landed for so many seconds")
    group.add_argument("--sections", type=int, metavar="N", help="end when the volume is so deep")
    group.add_argument("--settle", type=float, metavar="S", help="seconds a file must rest before it is read (2)")


def check(args: argparse.Namespace) -> None:
    """Refuse options that would have no effect."""
    wrong = _NOT_FOLLOWED if args.follow else _ONLY_FOLLOWED
    given = [
        option for name, option in wrong.items() if getattr(args, name) is not None and getattr(args, name) is not False
    ]
    if given and args.follow:
        raise BadRequest(
            f"{given[0]} with --follow", "slices that are still landing are read without it", "leave it out"
        )
    if given:
        raise BadRequest(f"{given[0]} without --follow", "it says when following ends", "add --follow, or leave it out")


def run(args: argparse.Namespace, options: dict[str, Any]) -> int:
    """Follow until it ends, and say how deep the volume is."""
    from ndlab.store.follow import follow

    settle = {} if args.settle is None else {"settle": args.settle}
    with _stopped_by_signals(args.quiet) as stop:
        made = follow(
            args.source, args.dest, idle=args.idle, sections=args.sections, stop=stop, workers=args.workers,
            on_batch=None if args.quiet else _tell, **settle, **options,
        )  # fmt: skip
    facts = {"url": made.stored.url, "sections": made.sections, "stopped": made.stopped}
    say(args, facts, f"{made.stored.url}: {made.sections} sections, ended by {made.stopped}")
    return 0


def _tell(sections: int) -> None:
    print(f"{sections} sections", file=sys.stderr, flush=True)


@contextmanager
def _stopped_by_signals(quiet: bool) -> Iterator[threading.Event]:
    """Set an event at the first Ctrl-C or SIGTERM, so that the batch at hand is finished; the second one interrupts."""
    stop = threading.Event()

    def ask(*_: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        if not quiet:
            # Straight to the descriptor: the signal may come in the middle of a print, whose buffer is then locked.
            os.write(2, b"ending after the sections at hand; once more to break off\n")

    before = {one: signal.signal(one, ask) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
