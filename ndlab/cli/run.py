"""Run steps without a notebook: run, resume, status."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ndlab.cli import words
from ndlab.cli.command import Command, add_json, say
from ndlab.errors import BadRequest, NotFound

if TYPE_CHECKING:
    from ndlab.pipeline import Receipt, Run

__all__ = ["COMMANDS", "client_of"]


def _how_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workers", type=int, help="threads; else as many as cores")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="run on this Dask cluster, e.g. tcp://10.0.0.1:8786")
    parser.add_argument("--retries", type=int, help="how often a failing block is tried again")
    parser.add_argument("--save", metavar="FILE", help="where the value of a reduction goes: .npy or .json")
    parser.add_argument("--quiet", action="store_true", help="no bar, and no word about what it will cost")
    add_json(parser)


def _run_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="STEP.toml", help="what run.recipe('STEP.toml') wrote in a notebook")
    parser.add_argument("--block", metavar="Z,Y,X", help="else whole shards of 16 to 64 Mvoxel")
    parser.add_argument("--overwrite", action="store_true", help="remove the output first")
    _how_arguments(parser)


def _run(args: argparse.Namespace) -> int:
    from ndlab.pipeline import load

    with client_of(args) as client:
        block = words.shape(args.block, "--block")
        run = load(args.recipe, overwrite=args.overwrite, block=block, **_how(args, client))
        return _carry_out(args, run)


def _resume_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("output", metavar="OUTPUT", help="the store that a run began to write")
    parser.add_argument("--step", metavar="NAME", help="which, where several steps wrote there")
    _how_arguments(parser)


def _resume(args: argparse.Namespace) -> int:
    from ndlab.pipeline import attach

    with client_of(args) as client:
        return _carry_out(args, attach(_there(args.output), args.step, **_how(args, client)))


def _how(args: argparse.Namespace, client: Any) -> dict[str, Any]:
    return {"workers": args.workers, "client": client, "retries": args.retries}


@contextmanager
def client_of(args: argparse.Namespace) -> Iterator[Any]:
    """Give the client of ``--scheduler``, or False without one."""
    # Like `python script.py`: functions may stand in a file of the folder one is in.
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    if args.scheduler is None:
        yield False
        return
    if args.workers is not None:
        raise BadRequest("--workers with --scheduler", "a cluster has its own workers", "leave one of them out")
    from distributed import Client

    try:
        client = Client(args.scheduler, timeout=10)
    except OSError as error:
        raise NotFound(f"no Dask scheduler at {args.scheduler}", str(error), "check the address") from None
    with client:
        yield client


def _carry_out(args: argparse.Namespace, run: Run) -> int:
    """Say what it will cost, do it with a bar where somebody looks, and say what came of it."""
    from ndlab.pipeline import progress_bar

    if not args.quiet:
        print(getattr(run, "estimate", None) or run, file=sys.stderr)
    with progress_bar(False if args.quiet else None) as drawn:
        run.progress = drawn
        value = run.reduce(*run.reduction[:1], fan_in=run.reduction[1]) if run.reduction is not None else None
        receipt: Receipt = run.run() if run.reduction is None else _done(run)
    text = str(receipt)
    if run.reduction is not None:
        _save(args.save, value)
        text += f"\n{value!r}"
    say(args, receipt.to_json(), text)
    return 0


def _done(run: Run) -> Receipt:
    assert run.receipt is not None
    return run.receipt


def _save(path: str | None, value: Any) -> None:
    if path is None:
        return
    import numpy as np

    if path.endswith(".npy"):
        np.save(path, np.asarray(value), allow_pickle=False)
    elif path.endswith(".json"):
        plain = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
        Path(path).write_text(json.dumps(plain, indent=1) + "\n")
    else:
        raise BadRequest(f"--save {path}", "a value is written as .npy or .json", "give the file such a name")


def _status_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("output", metavar="OUTPUT", help="a store that runs write or wrote")
    add_json(parser)


def _status(args: argparse.Namespace) -> int:
    from ndlab.pipeline import status

    found = status(_there(args.output))
    text = "\n".join(map(str, found)) or f"{args.output}: no run has left a record there"
    say(args, [one.to_json() for one in found], text)
    return 1 if any(one.state in ("failed", "stopped") for one in found) else 0


def _there(output: str) -> str:
    """Return the address as stores spell it, if something is there."""
    from ndlab.store.kv import local_path, normal_url

    url = normal_url(output)
    path = local_path(url)
    if path is not None and not path.exists():
        raise NotFound(f"nothing is at {output}", "", "give the store that the run writes")
    return url


COMMANDS = (
    Command("run", "carry out a step that a recipe describes, over all blocks", "ndlab run smooth.toml",
            _run_arguments, _run,
            about="A recipe is written by any run in a notebook: run.recipe('smooth.toml'). It names functions by\n"
                  "module, looked for in this folder too, which are imported and run: trust it as you would a script.\n"
                  "Stopped in any way, the same line goes on where it was."),
    Command("resume", "go on with a run that was stopped or had failures", "ndlab resume smooth.zarr",
            _resume_arguments, _resume),
    Command("status", "say how far the runs are that write to a store", "ndlab status smooth.zarr",
            _status_arguments, _status,
            about="Exit status 1 where blocks failed or a run ended before its time, 0 else."),
)  # fmt: skip
