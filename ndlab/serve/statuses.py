"""Which status answers which mistake, and what a client is told of it: words and facts, never a trace or a path."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from ndlab import errors
from ndlab.errors import NdlabError

__all__ = ["STATUS", "Busy", "Refused", "TooLong", "Unreachable", "WrongMethod", "shown", "status_of", "told"]


class Refused(NdlabError, PermissionError):
    """The request carries no token that opens this, or comes from a page that may not ask."""

    def __str__(self) -> str:
        return Exception.__str__(self)


class Busy(NdlabError, RuntimeError):
    """More requests than the server takes from one client, or at once; `seconds` says when to ask again."""


class TooLong(NdlabError, ValueError):
    """A request of more characters than are read."""


class WrongMethod(NdlabError, ValueError):
    """A method that the address does not take; `methods` says which it does."""


class Unreachable(NdlabError, OSError):
    """The server that has what was asked for does not answer; not the same as that it has it not."""

    def __str__(self) -> str:
        return Exception.__str__(self)


# The first class that fits counts, so a class stands before those that it derives from.
STATUS: tuple[tuple[type[BaseException], int], ...] = (
    (Refused, 403),
    (Busy, 429),
    (WrongMethod, 405),
    (TooLong, 414),
    (Unreachable, 502),
    (errors.ReadOnly, 403),
    (errors.NotFound, 404),
    (errors.OutOfBounds, 404),
    (errors.Conflict, 409),
    (errors.TooLarge, 413),
    (errors.Unsupported, 501),
    (errors.BadMetadata, 502),
    (errors.RunFailed, 500),
    (NdlabError, 400),
)

_HERE = str(Path(__file__).resolve().parents[2])
# A local path of two folders or more that no known root covers: after a space, a quote or a bracket, and only where
# such a folder is on this machine, so that the words of a request stay as they are.
_PATH = re.compile(r"(?<![\w/:.])/[^\s'\",;:()\[\]{}]+")


def status_of(error: BaseException) -> int:
    """Return the HTTP status of a mistake; what ndlab has no name for is 500.

    Examples
    --------
    >>> status_of(errors.OutOfBounds("level 9", "there are levels 0 to 3")), status_of(KeyError("x"))
    (404, 500)
    """
    return next((status for kind, status in STATUS if isinstance(error, kind)), 500)


def told(error: BaseException, hidden: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what a client is told of a mistake: what it asked, what exists, what to type next.

    Parameters
    ----------
    error : exception
        One that ndlab has no name for is not described: its words may hold anything.
    hidden : mapping, optional
        Addresses that only the server knows, and the name that each is served under.

    Examples
    --------
    >>> from ndlab.errors import NotFound
    >>> told(NotFound("/data/lab/em.zarr holds no level 9", "it has 0 to 3"), {"/data/lab/em.zarr": "em"})
    {'asked': 'em holds no level 9', 'exists': 'it has 0 to 3', 'remedy': ''}
    """
    if not isinstance(error, NdlabError):
        return {
            "asked": "the server failed to answer",
            "exists": "the fault is the server's own",
            "remedy": "its owner finds the reason in its log",
        }
    parts = {"asked": error.asked, "exists": error.exists, "remedy": error.remedy}
    if not error.asked or isinstance(error, errors.Problems):
        parts["asked"] = str(error)
    return {name: shown(text, hidden) for name, text in parts.items()}


def shown(text: str, hidden: Mapping[str, str] | None = None) -> str:
    """Return a text with the server's addresses and paths taken out."""
    known = dict(hidden or {})
    for address in sorted(known, key=len, reverse=True):
        if address:
            text = text.replace(address, known[address])
    return _PATH.sub(_unless_local, text)


def _unless_local(found: re.Match[str]) -> str:
    path = found.group().rstrip("/.")
    return "(a path of the server)" + found.group()[len(path) :] if _is_local(path) else found.group()


def _is_local(path: str) -> bool:
    return any(path == root or path.startswith(root + "/") for root in _roots())


def _roots() -> Iterable[str]:
    return {_HERE, str(Path.cwd()), str(Path.home()), tempfile.gettempdir()} - {"/"}
