"""HDF5 that came over a wire: read in memory, bounded, and never what a link in it points to elsewhere."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ndlab.errors import BadRequest, NdlabError, TooLarge

__all__ = ["Budget", "dataset", "member", "members", "opened", "values"]

_HINT = "post an HDF5 file that holds its own data"


class Budget:
    """How many more bytes of one body are decoded."""

    def __init__(self, limit: int) -> None:
        self.limit, self.left = limit, limit

    def take(self, nbytes: int) -> None:
        """Count bytes before they are decoded.

        Raises
        ------
        TooLarge
            If they are more than is left: a small body may inflate to anything.
        """
        self.left -= nbytes
        if self.left < 0:
            raise TooLarge(f"a body that decodes to {self.limit - self.left} bytes or more",
                           f"{self.limit} are taken", "post smaller pieces",
                           nbytes=self.limit - self.left, limit=self.limit)  # fmt: skip


@contextmanager
def opened(body: bytes) -> Iterator[Any]:
    """Open a body as an HDF5 file; whatever the library says of it while it is read, the body is wrong."""
    import h5py

    try:
        with h5py.File(io.BytesIO(body), "r") as file:
            yield file
    except NdlabError:
        raise
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, OverflowError, MemoryError) as error:
        raise BadRequest(
            f"a body of {len(body)} bytes as hdf5", f"it does not decode: {type(error).__name__}", _HINT
        ) from None


def members(group: Any) -> Iterator[tuple[str, Any]]:
    """Yield names and members of a group; a link that leaves the file is refused."""
    for name in group:
        yield name, member(group, name)


def dataset(group: Any, name: str) -> Any:
    """Return a data set of a group, None if there is none; one that lies outside the file is refused."""
    import h5py

    found = member(group, name)
    if found is None:
        return None
    if not isinstance(found, h5py.Dataset):
        raise BadRequest(f"{name} in a body as hdf5", "it is no data set", _HINT)
    made = found.id.get_create_plist()
    if made.get_layout() == h5py.h5d.VIRTUAL or made.get_external_count():
        # Its values would be read from files of the server.
        raise BadRequest(f"{name} in a body as hdf5", "its values lie in other files", _HINT)
    return found


def member(group: Any, name: str) -> Any:
    """Return a member of a group, None if there is none; a link that leaves the file is refused."""
    import h5py

    at = name.encode()
    if not group.id.links.exists(at):
        return None
    if group.id.links.get_info(at).type != h5py.h5l.TYPE_HARD:
        raise BadRequest(f"{name[:100]!r} in a body as hdf5", "it is a link to somewhere else", _HINT)
    return group[name]


def values(group: Any, name: str, budget: Budget) -> np.ndarray[Any, Any] | None:
    """Return a data set of numbers or text as an array, None if there is none.

    Raises
    ------
    BadRequest
        If it holds neither.
    TooLarge
        If it is larger than the budget.
    """
    import h5py

    found = dataset(group, name)
    if found is None:
        return None
    if found.shape is None:  # an empty data set, as some writers make of empty lists
        return np.empty(0)
    text = h5py.check_string_dtype(found.dtype)
    if text is None and found.dtype.kind not in "buif":
        raise BadRequest(f"{name} of type {found.dtype}"[:200], "it holds numbers or text", _HINT)
    budget.take(found.size * max(1, found.dtype.itemsize))
    read: np.ndarray[Any, Any] = np.asarray(found[()])
    return read
