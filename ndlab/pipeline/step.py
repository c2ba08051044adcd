"""What one task does, in words that can be compared and kept: Step, Task and their descriptions."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import inspect
import json
import os
import platform
import re
import sys
import time
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from typing import Any

import numpy as np

from ndlab.geometry import Box

__all__ = ["Step", "Task", "describe", "environment", "fingerprint", "source_digest"]

MOST_HASHED = 1 << 30
"""Bytes of a volume in memory that a description is worth: a second or two of hashing."""

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


@dataclass(frozen=True)
class Step:
    """A function of one block.

    Parameters
    ----------
    name : str
        What it is called in records, receipts and messages.
    function : callable
        Called as ``function(block, **params)``, and as ``function(block, t=..., c=..., **params)`` where the Run has
        time points or channels. It reads what it needs itself and writes its own output, so nothing big travels
        between processes; what it returns must be small and fit into JSON. On a cluster it is pickled.
    params : mapping
        Its keyword arguments, the same for every block.
    inputs : mapping
        What it reads, for the receipt (addresses, levels, versions); not passed to the function.
    identity : object, optional
        What two Runs that write the same have in common, where `params` hold more than that (a buffer).
    output : Output, optional
        What it writes to, so that the Run keeps others away from it and its record with it.
    seed : int, optional
        Of the random numbers it draws, for the receipt.

    Examples
    --------
    >>> from ndlab.geometry import Box
    >>> double = Step("double", lambda block, factor: block.size * factor, {"factor": 2})
    >>> double(Task(Box((0, 0, 0), (1, 2, 3))))
    12
    """

    name: str
    function: Callable[..., Any]
    params: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    identity: Any = None
    output: Any = None
    seed: int | None = None

    def __call__(self, task: Task) -> Any:
        """Do one task and return what the function returns."""
        at = {key: value for key, value in (("t", task.t), ("c", task.c)) if value is not None}
        return self.function(task.block, **at, **self.params)

    @property
    def fingerprint(self) -> str:
        """Digest of the name, function and parameters: equal for Runs that would write the same."""
        name = getattr(self.function, "__qualname__", type(self.function).__name__)
        same = dict(self.params) if self.identity is None else self.identity
        return fingerprint([self.name, getattr(self.function, "__module__", ""), name, same])

    def described_inputs(self) -> Any:
        """Return the inputs as JSON holds them."""
        return describe(self.inputs)

    @property
    def code(self) -> str | None:
        """Digest of the function's source, None where there is none to be found."""
        return source_digest(self.function)


@dataclass(frozen=True, slots=True)
class Task:
    """One block at one time point and channel (None where the Run has no such axis)."""

    block: Box
    t: int | None = None
    c: int | None = None

    @property
    def key(self) -> str:
        """The task's name in the record: its box and, where there are any, time point and channel."""
        (z, y, x), (z1, y1, x1) = self.block.start, self.block.stop
        at = "".join(f"{axis}{n} " for axis, n in (("t", self.t), ("c", self.c)) if n is not None)
        return f"{at}{z}:{z1},{y}:{y1},{x}:{x1}"


def describe(value: Any) -> Any:
    """`value` as JSON can hold it: dataclasses by the fields they are compared by, arrays by digest, the rest by repr.

    Two values with the same description are taken to be the same input.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        digest = hashlib.blake2b(np.ascontiguousarray(value).data, digest_size=16).hexdigest()
        return {"shape": list(value.shape), "dtype": str(value.dtype), "blake2b": digest}
    if all(hasattr(value, name) for name in ("url", "level_index", "box", "version")):
        return _describe_volume(value)
    if type(value).__module__.partition(".")[0] == "pandas" and hasattr(value, "iloc"):
        return _describe_table(value)
    if isinstance(getattr(value, "url", None), str) and isinstance(getattr(value, "version", None), int):
        return {"uri": value.url, "version": value.version}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: describe(getattr(value, f.name)) for f in dataclasses.fields(value) if f.compare}
        return {"kind": type(value).__name__, **fields}
    if isinstance(value, Mapping):
        return {str(k): describe(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [describe(v) for v in (sorted(value) if isinstance(value, set | frozenset) else value)]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, functools.partial):
        return {"partial": describe(value.func), "args": describe(value.args), "keywords": describe(value.keywords)}
    if callable(value):
        return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', type(value).__name__)}"
    return _ADDRESS.sub("", repr(value))


def _describe_table(table: Any) -> dict[str, Any]:
    """Say which rows are meant: names of columns, and a digest of all values."""
    from pandas.util import hash_pandas_object

    columns = [str(name) for name in (table.columns if table.ndim == 2 else [table.name])]
    digest = hashlib.blake2b(hash_pandas_object(table).to_numpy().tobytes(), digest_size=16).hexdigest()
    return {"table": columns, "rows": len(table), "blake2b": digest}


def _describe_volume(volume: Any) -> dict[str, Any]:
    """Say which voxels are meant: where they are, and after how many writes; those in memory by digest.

    Nothing is read or computed for it. A lazy volume without an address is described by what its array says of
    itself, and more than `MOST_HASHED` bytes by where in memory they are, which no other process takes for its own.
    """
    found = {"uri": volume.url, "level": volume.level_index, "box": [list(volume.box.start), list(volume.box.stop)]}
    found |= {"axes": "".join(volume.axes), "shape": list(volume.shape), "dtype": str(volume.dtype)}
    return found | ({"version": volume.version} if volume.url else {"voxels": _voxels(volume)})


def _voxels(volume: Any) -> str:
    array = getattr(volume, "_array", volume)
    held = getattr(array, "held", None)
    if held is None:
        return f"{array!r} {getattr(volume, '_spans', '')}"
    if volume.nbytes > MOST_HASHED:
        return f"{volume.nbytes} bytes in memory at {held.ctypes.data:#x}, not hashed"
    digest: str = describe(volume.read())["blake2b"]
    return digest


def source_digest(function: Any) -> str | None:
    """Return a digest of a function's source; None where there is none (compiled code).

    The source of a lambda is the whole line around it, so its code is taken instead.
    """
    while isinstance(function, functools.partial):
        function = function.func
    try:
        if getattr(function, "__name__", "") == "<lambda>":
            source = repr(_code_of(function.__code__))
        else:
            source = _source_of(function if inspect.isroutine(function) else type(function))
    except (OSError, TypeError):
        return None
    return hashlib.blake2b(source.encode(), digest_size=8).hexdigest()


def _source_of(what: Any) -> str:
    """Return a function's or a class's source; once more where Python 3.11 counts the parsers of two threads as one."""
    for _ in range(10):
        try:
            return inspect.getsource(what)
        except SystemError:
            time.sleep(0.05)
    return inspect.getsource(what)


def _code_of(code: types.CodeType) -> tuple[Any, ...]:
    constants = [_code_of(one) if isinstance(one, types.CodeType) else one for one in code.co_consts]
    return code.co_code, code.co_names, constants


def fingerprint(value: Any) -> str:
    """Return a 32-digit digest of the description of `value`."""
    text = json.dumps(describe(value), sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


@cache
def environment() -> dict[str, Any]:
    """Return versions and machine, for receipts."""
    names = ("ndlab", "numpy", "tensorstore", "zarr", "numba", "dask")
    return {
        "python": sys.version.split()[0],
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "packages": {name: version for name in names if (version := _version(name))},
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
