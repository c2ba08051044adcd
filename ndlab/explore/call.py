"""A call of a verb, as a form shows it: inputs, parameters to enter, what it takes to try it, and its code."""

from __future__ import annotations

import importlib
import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from ndlab.errors import BadRequest
from ndlab.explore.fields import Field, parameter_fields
from ndlab.geometry import Box
from ndlab.pipeline import describe
from ndlab.volume import Volume

__all__ = ["Call"]

# How it is done: the result does not depend on it, and no form asks for it.
_HOW = frozenset({"client", "progress", "workers"})
# What takes as long as its value is high is tried with no more than this.
_CHEAP = {"draws": 200}
_MOST_PREVIEWED = 1 << 26
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True)
class Call:
    """A function, what it is called on, and the values of its parameters.

    Parameters
    ----------
    function : callable
        A verb: inputs by position, parameters by keyword.
    inputs : tuple
        Volumes, tables, graphs, annotations, for its first parameters.
    given : mapping
        Values of others.

    Examples
    --------
    >>> import numpy as np
    >>> def brighter(volume, *, by: int = 1, out: str | None = None): return volume.read() + by
    >>> call = Call(brighter, (Volume.from_array(np.zeros((2, 3, 4), "u1"), (8, 8, 8)),), {"by": 7})
    >>> [field.name for field in call.fields], int(call().max())
    (['by', 'out'], 7)
    """

    function: Callable[..., Any]
    inputs: tuple[Any, ...] = ()
    given: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            self._signature.bind_partial(*self.inputs, **self.given)
        except TypeError as error:
            raise BadRequest(
                f"a form of {self.name} was asked for", str(error), f"its parameters are {self._signature}"
            ) from None

    @cached_property
    def _signature(self) -> inspect.Signature:
        return inspect.signature(self.function)

    @property
    def name(self) -> str:
        """What the function is called."""
        return str(getattr(self.function, "__qualname__", type(self.function).__name__)).rpartition("<locals>.")[2]

    @property
    def full_name(self) -> str:
        """The same with its module."""
        return f"{getattr(self.function, '__module__', '')}.{self.name}"

    # --- what it is made of -----------------------------------------------------------------------------------

    @cached_property
    def named_inputs(self) -> dict[str, Any]:
        """Inputs by the names of the parameters that they fill, and what else was given that no form can hold."""
        first = dict(self._signature.bind_partial(*self.inputs).arguments)
        plain = {one.name for one in self.fields}
        return first | {n: v for n, v in self.given.items() if n not in plain and n not in _HOW and v is not None}

    @cached_property
    def fields(self) -> list[Field]:
        """What a form asks for: parameters of plain types, where the result goes the last."""
        taken = self._signature.bind_partial(*self.inputs).arguments
        rest = [p for p in self._signature.parameters.values() if p.name not in taken and p.name not in _HOW]
        found = [
            replace(one, kind=str, optional=True) if one.name == "out" and one.kind is object else one
            for one in parameter_fields(self.function, self.given, rest)
        ]
        missing = [one.name for one in found if one.kind is object and one.required]
        if missing:
            raise BadRequest(
                f"a form of {self.name} was asked for", f"it needs {', '.join(missing)}, which no form can hold",
                f"pass it: cell({self.name}, {', '.join([*taken, *missing])})",
            )  # fmt: skip
        return sorted((one for one in found if one.kind is not object), key=lambda one: one.name == "out")

    @property
    def seed(self) -> int | None:
        """Of its random numbers."""
        found = self.values.get("seed")
        return found if isinstance(found, int) else None

    @property
    def values(self) -> dict[str, Any]:
        """Every parameter of a plain type, defaults among them."""
        return {one.name: self.given.get(one.name, one.value) for one in self.fields}

    def with_values(self, values: Mapping[str, Any]) -> Call:
        """Return the call with other values of its parameters."""
        return replace(self, given={**self.given, **values})

    # --- doing it ---------------------------------------------------------------------------------------------

    def __call__(self) -> Any:
        """Call the function."""
        return self.function(*self.inputs, **self._arguments(self.given))

    def _arguments(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the keywords; bars of the function's own are left out, for the form shows how far it is."""
        quiet = {"progress": _unsaid} if "progress" in self._signature.parameters else {}
        return quiet | dict(given)

    @cached_property
    def volume(self) -> Volume | None:
        """The first volume among its inputs."""
        found = [v for v in (*self.inputs, *self.given.values()) if isinstance(v, Volume) and v.box.size]
        return found[0] if found and {"z", "y", "x"} <= set(found[0].axes) else None

    def small(self, box: Box | None) -> tuple[Call, str]:
        """Return a call that costs little and writes nothing, and what is smaller about it.

        Parameters
        ----------
        box : Box, optional
            Voxels of the first volume, counted from its own start (z, y, x). Volumes of the same extent are cut alike.
        """
        words = [] if box is None else [f"the box {tuple(box.start)} to {tuple(box.stop)}"]
        given = {n: self._cut(v, box) for n, v in self.given.items()}
        if "out" in self._signature.parameters:
            given["out"] = None
        if "box" in given and box is not None and self.volume is not None:
            given["box"] = None
        for name, most in _CHEAP.items():
            value = self.values.get(name)
            if isinstance(value, int) and value > most:
                given[name] = most
                words.append(f"{most} {name} of {value}")
        return Call(self.function, tuple(self._cut(v, box) for v in self.inputs), given), "; ".join(words)

    def _cut(self, value: Any, box: Box | None) -> Any:
        same = isinstance(value, Volume) and self.volume is not None and value.box.shape == self.volume.box.shape
        if box is None or not same:
            return value
        if math.prod(box.shape) > _MOST_PREVIEWED:
            raise BadRequest(f"a preview of {math.prod(box.shape):,} voxels", f"up to {_MOST_PREVIEWED:,} are tried",
                             "take a smaller box, or run it")  # fmt: skip
        z, y, x = (slice(a, b) for a, b in zip(box.start, box.stop, strict=True))
        return value[z, y, x]

    # --- saying it --------------------------------------------------------------------------------------------

    def code(self, name_of: Callable[[Any, str], str]) -> str:
        """Return code that makes the same call; `name_of` says what the notebook calls a value."""
        line, called = _import_of(self.function, self.name)
        first = list(self._signature.bind_partial(*self.inputs).arguments)
        words = [name_of(value, name) for name, value in zip(first, self.inputs, strict=False)]
        defaults = {name: p.default for name, p in self._signature.parameters.items()}
        order = list(defaults)
        for name, value in sorted(self.given.items(), key=lambda pair: [*order, pair[0]].index(pair[0])):
            if not _same(value, defaults.get(name, inspect.Parameter.empty)):
                plain = isinstance(value, bool | int | float | str | tuple | list) or value is None
                words.append(f"{name}={repr(value) if plain else name_of(value, name)}")
        text = f"result = {called}({', '.join(words)})"
        return f"{line}\n\n{text}" if line else text

    def described(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return inputs and parameters as JSON holds them."""
        inputs = {name: describe(value) for name, value in self.named_inputs.items()}
        return inputs, {name: describe(value) for name, value in self.values.items()}


def _unsaid(progress: Any) -> None:
    """Take what a bar would show; the form has bars of its own."""


def _import_of(function: Callable[..., Any], name: str) -> tuple[str, str]:
    """Return the line that imports a function, and what it is called then: a verb by its room."""
    module = str(getattr(function, "__module__", "") or "__main__")
    head = name.partition(".")[0]
    root, _, rest = module.partition(".")
    room = rest.partition(".")[0]
    if root == "ndlab" and room and hasattr(importlib.import_module(f"ndlab.{room}"), head):
        return f"from ndlab import {room}", f"{room}.{name}"
    return ("" if module == "__main__" else f"from {module} import {head}"), name


def _same(value: Any, default: Any) -> bool:
    if default is inspect.Parameter.empty:
        return False
    plain = (bool, int, float, str, tuple, list, type(None))
    return isinstance(value, plain) and isinstance(default, plain) and value == default
