"""Plain values on disk: what a block returns, as JSON with arrays beside it, and back exactly.

No pickle: a record is read by whoever opens the store, and must not be able to run code.
"""

from __future__ import annotations

import base64
import io
import pickle
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ndlab.errors import BadRequest

__all__ = ["decode", "encode"]

_SIMPLE = (type(None), bool, int, float, str)


def encode(value: Any, put: Callable[[bytes], list[int]], trusted: bool = False) -> Any:
    """`value` as JSON; the bytes of arrays go to `put`, which says where they are.

    Parameters
    ----------
    value
        None, numbers, text, bytes, numpy arrays and scalars, and lists, tuples, sets and dicts of these.
    put : callable
        Stores bytes and returns a reference that JSON can hold.
    trusted : bool
        Pickle anything else: for a file that no other process reads.

    Raises
    ------
    BadRequest
        For anything else.
    """
    if type(value) in _SIMPLE:
        return value
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind not in "O":
        file = io.BytesIO()
        np.save(file, np.asarray(value), allow_pickle=False)
        return {"~array": put(file.getvalue()), "scalar": isinstance(value, np.generic)}
    if isinstance(value, list):
        return [encode(v, put, trusted) for v in value]
    if isinstance(value, tuple) and type(value) is tuple:
        return {"~tuple": [encode(v, put, trusted) for v in value]}
    if isinstance(value, set | frozenset):
        return {"~set": [encode(v, put, trusted) for v in sorted(value)]}
    if isinstance(value, bytes):
        return {"~bytes": base64.b64encode(value).decode()}
    if isinstance(value, Mapping):
        if all(type(k) is str and not k.startswith("~") for k in value):
            return {k: encode(v, put, trusted) for k, v in value.items()}
        return {"~dict": [[encode(k, put, trusted), encode(v, put, trusted)] for k, v in value.items()]}
    if trusted:
        return {"~pickle": put(pickle.dumps(value))}
    raise BadRequest(
        f"a block returned a {type(value).__module__}.{type(value).__qualname__}",
        "a record holds numbers, text, numpy arrays, and lists, tuples, sets and dicts of these",
        "return one of those, or write the result where it belongs and return nothing",
    )


def decode(value: Any, get: Callable[[list[int]], bytes], trusted: bool = False) -> Any:
    """Return the value that `encode` was given."""
    if isinstance(value, list):
        return [decode(v, get, trusted) for v in value]
    if not isinstance(value, dict):
        return value
    tag = next(iter(value), "")
    if not tag.startswith("~"):
        return {k: decode(v, get, trusted) for k, v in value.items()}
    inside = value[tag]
    if tag == "~array":
        array = np.load(io.BytesIO(get(inside)), allow_pickle=False)
        return array[()] if value["scalar"] else array
    if tag == "~tuple":
        return tuple(decode(v, get, trusted) for v in inside)
    if tag == "~set":
        return {decode(v, get, trusted) for v in inside}
    if tag == "~bytes":
        return base64.b64decode(inside)
    if tag == "~dict":
        return {decode(k, get, trusted): decode(v, get, trusted) for k, v in inside}
    if tag == "~pickle" and trusted:
        return pickle.loads(get(inside))
    raise BadRequest(f"a record holds a value marked {tag!r}", "this version of ndlab does not write such values")
