"""Every mistake ndlab can name, with its facts.

A message says what was asked, what exists or which limit was hit, and what to type next. The facts are also
attributes, and each class is also the builtin that a caller would catch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = [
    "BadMetadata",
    "BadRequest",
    "Conflict",
    "NdlabError",
    "NoSuchProperty",
    "NotFound",
    "OutOfBounds",
    "Problems",
    "ReadOnly",
    "RunFailed",
    "StaleLevelWarning",
    "TooLarge",
    "Unsupported",
]


class NdlabError(Exception):
    """A mistake with its facts.

    Parameters
    ----------
    asked : str
        What was asked, with the offending value.
    exists : str, optional
        What is there, or which limit was hit.
    remedy : str, optional
        What to type next.
    **facts
        Kept as attributes, for programs.
    """

    def __init__(self, asked: str, exists: str = "", remedy: str = "", **facts: Any) -> None:
        self.asked, self.exists, self.remedy = asked, exists, remedy
        self.facts = facts
        super().__init__(". ".join(part.rstrip(".") for part in (asked, exists, remedy) if part) + ".")

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["facts"][name]
        except KeyError:
            raise AttributeError(name) from None

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors cross process boundaries (Dask workers); the default would lose the keywords.
        return (_rebuild, (type(self), self.asked, self.exists, self.remedy, self.facts))


def _rebuild(kind: type[NdlabError], asked: str, exists: str, remedy: str, facts: dict[str, Any]) -> NdlabError:
    return kind(asked, exists, remedy, **facts)


class BadRequest(NdlabError, ValueError):
    """The call itself makes no sense: a reversed box, an unknown keyword value, a wrong dtype."""


class OutOfBounds(NdlabError, IndexError):
    """A box, level, channel or time point outside what exists."""


class NotFound(NdlabError, FileNotFoundError):
    """Nothing is at that address."""

    def __str__(self) -> str:
        return Exception.__str__(self)


class NoSuchProperty(NdlabError, KeyError):
    """No node or edge has a property of that name; `there` lists those that exist."""

    def __str__(self) -> str:
        return Exception.__str__(self)


class BadMetadata(NdlabError, ValueError):
    """A store describes itself in a way that contradicts its specification or itself."""


class Unsupported(NdlabError, NotImplementedError):
    """A feature that ndlab does not have; `feature` names it."""


class TooLarge(NdlabError, MemoryError):
    """More bytes than the stated limit; `nbytes` and `limit` say how many."""


class ReadOnly(NdlabError, PermissionError):
    """The store or format cannot be written."""

    def __str__(self) -> str:
        return Exception.__str__(self)


class Conflict(NdlabError, RuntimeError):
    """Another writer holds the output, or what is there differs from what is being written."""


class Problems(NdlabError, ValueError):
    """Everything that is wrong with an input, reported at once; `problems` lists them."""

    def __init__(self, asked: str, problems: Sequence[str], remedy: str = "", **facts: Any) -> None:
        self.problems = list(problems)
        listed = "\n".join(f"  {i}. {text}" for i, text in enumerate(self.problems, 1))
        NdlabError.__init__(self, asked, "", remedy, **facts)
        self.args = (f"{asked}: {len(self.problems)} problem(s), nothing was written\n{listed}\n{remedy}".rstrip(),)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild_problems, (self.asked, self.problems, self.remedy, self.facts))


def _rebuild_problems(asked: str, problems: list[str], remedy: str, facts: dict[str, Any]) -> Problems:
    return Problems(asked, problems, remedy, **facts)


class RunFailed(NdlabError, RuntimeError):
    """Some blocks of a Run failed; `failed` maps each block to its traceback."""


class StaleLevelWarning(UserWarning):
    """A coarser level was read that does not show the newest writes below it."""
