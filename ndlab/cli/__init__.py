"""The `ndlab` command: each job of the library as one line in a shell.

Exit status: 0 if all is well; 1 if a run, a check or a probe found something wrong; 2 if what was asked cannot be
done; 130 if it was interrupted.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ndlab.cli import annotate, care, catalogue, detect, look, make, notebooks, run, serve, take
from ndlab.cli.command import Command
from ndlab.errors import NdlabError, RunFailed, StaleLevelWarning

__all__ = ["main"]

COMMANDS: tuple[Command, ...] = (
    *look.COMMANDS,
    *make.COMMANDS,
    *run.COMMANDS,
    *take.COMMANDS,
    *annotate.COMMANDS,
    *detect.COMMANDS,
    *serve.COMMANDS,
    *catalogue.COMMANDS,
    *care.COMMANDS,
    *notebooks.COMMANDS,
)

_NEGATIVE = re.compile(r"-[\d.:]")
_DEBUG = "NDLAB_DEBUG"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        Words after ``ndlab``; those of the process unless given.
    """
    given = _joined(sys.argv[1:] if argv is None else argv)
    parser = _parser()
    if not given:
        parser.print_help(sys.stderr)
        return 2
    args = parser.parse_args(given)
    try:
        with _plain_warnings():
            status: int = args.run(args)
            sys.stdout.flush()
            return status
    except NdlabError as error:
        return _failed(error, 1 if isinstance(error, RunFailed) else 2)
    except KeyboardInterrupt:
        print("ndlab: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read our output has enough (`| head`); nothing may be flushed into the closed pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return _failed(error, 1)


def _failed(error: Exception, status: int) -> int:
    if os.environ.get(_DEBUG, "0") not in ("", "0"):
        raise error
    print(f"ndlab: {error}", file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    width = max(len(one.name) for one in COMMANDS)
    listed = "\n".join(f"  {one.name:{width}}  {one.summary}" for one in COMMANDS)
    parser = argparse.ArgumentParser(
        prog="ndlab",
        usage="ndlab COMMAND ...",
        description=f"A laboratory for brain volumes too big to download.\n\ncommands:\n{listed}",
        epilog=f"example:\n  {look.COMMANDS[0].example}\n\n`ndlab COMMAND --help` says more about each.\n"
        "Exit status: 0 well, 1 something is wrong, 2 it cannot be done, 130 interrupted.\n"
        f"{_DEBUG}=1 shows tracebacks.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and end")
    below = parser.add_subparsers(prog="ndlab", metavar="COMMAND", required=True, help=argparse.SUPPRESS)
    for one in COMMANDS:
        one.add_to(below)
    return parser


class _Version(argparse.Action):
    """Looks the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        print(f"ndlab {look.own_version()}")
        parser.exit()


def _joined(words: Sequence[str]) -> list[str]:
    """Join an option to a value that begins with a minus sign, which would else be taken for an option."""
    found: list[str] = []
    for word in words:
        if (
            _NEGATIVE.match(word)
            and found
            and found[-1].startswith("--")
            and "=" not in found[-1]
            and found[-1] != "--"
        ):
            found[-1] += f"={word}"
        else:
            found.append(word)
    return found


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """Say in one line that a level is stale, every time, and not where in the code that was noticed."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", StaleLevelWarning)
        others = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if issubclass(category, StaleLevelWarning):
                print(f"ndlab: {message}", file=sys.stderr)
            else:
                others(message, category, *where, **more)

        warnings.showwarning = show
        yield
