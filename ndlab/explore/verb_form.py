"""The form of a verb: what it is called on, parameters, a preview that costs little, and a run in the background."""

from __future__ import annotations

import html
import threading
from typing import Any

import ipywidgets as w  # noqa: TID253 - only `cell` imports this module, when a form is shown
import numpy as np

from ndlab.errors import BadRequest, Conflict
from ndlab.explore.bars import Bars
from ndlab.explore.call import Call
from ndlab.explore.calling import Calling
from ndlab.explore.facts import short
from ndlab.explore.form import Form, middle_box, name_of, parsed_box, told
from ndlab.explore.inputs import folded, picture, row, shown
from ndlab.geometry import Box
from ndlab.pipeline import Lineage
from ndlab.volume import Volume

__all__ = ["VerbForm"]

_TICK_SECONDS = 0.25


class VerbForm(Form):
    """A verb's parameters to edit, to try cheaply, and to run with.

    Attributes
    ----------
    call : Call
        The call with what is entered.
    result : object
        What the last run returned; None before, and where it failed.
    receipt : Lineage or None
        Of the last run: inputs, parameters, versions, seed, seconds, and the receipts of the Runs inside.
    """

    def __init__(self, call: Call, box: Box | None) -> None:
        self._call = call
        self.result: Any = None
        self.receipt: Lineage | None = None
        self._calling: Calling | None = None
        self._teller: threading.Thread | None = None
        self.stop_button = w.Button(description="Stop", disabled=True, tooltip="end after the blocks under way")
        self.stop_button.on_click(lambda _: self.stop())
        volume = call.volume
        super().__init__(call.name, call.fields, None if volume is None else box or middle_box(volume.box.shape))

    def _given(self) -> list[Any]:
        lines = self._call.named_inputs.items()
        named = [(type(value).__name__ if name == "self" else name, value) for name, value in lines]
        return [row(name, w.HTML(f"<span>{html.escape(short(value))}</span>"), "") for name, value in named]

    def _buttons(self) -> list[Any]:
        return [self.preview_button, self.run_button, self.stop_button]

    @property
    def call(self) -> Call:
        """The call with what is entered."""
        return self._call.with_values(self.values)

    @property
    def code(self) -> str:
        """Python code that makes the call with what is entered; it names inputs as the notebook does."""
        return self.call.code(name_of)

    # --- trying it --------------------------------------------------------------------------------------------

    def _tried(self) -> tuple[list[Any], str]:
        box = parsed_box(self.box_input.value, 0) if self.boxed else None
        small, words = self.call.small(box)
        found = small()
        what = f"{words}; nothing was written" if words else "nothing was written"
        plane = _plane(found)
        if plane is None:
            return [shown(found)], what
        before = None if small.volume is None else _plane(small.volume)
        pictures = [picture(*one) for one in (before, plane) if one is not None]
        for one in pictures[1:]:
            one.layout.margin = "0 0 0 8px"
        return [w.HBox(pictures)], f"middle section of {what}" if words else what

    # --- running it -------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Call it in the background; `wait` gives what it returns."""
        if self._teller is not None and self._teller.is_alive():
            raise Conflict(f"{self._call.name} is running", "", "wait for it: form.wait(), or stop it: form.stop()")
        self.result, self.receipt = None, None
        self.run_button.disabled, self.stop_button.disabled = True, False
        self._calling, bars = Calling(self.call), Bars()
        self.shown.children, self.picture.children = [bars], []
        self._teller = threading.Thread(target=self._tell_until_ended, args=(self._calling, bars), daemon=True)
        self._teller.start()

    def stop(self) -> None:
        """End it after the blocks under way; what was written stays, and running it again goes on from there."""
        if self._calling is not None:
            self._calling.stop()

    def wait(self, timeout: float | None = None) -> Any:
        """Return what the call returned; None if it is still at it after `timeout` [s].

        Raises
        ------
        Exception
            What the call raised.
        """
        if self._calling is None or self._teller is None:
            raise BadRequest(f"{self._call.name} was not started", "", "call form.start()")
        self._teller.join(timeout)
        return None if self._teller.is_alive() else self._calling.result()

    def _tell_until_ended(self, calling: Calling, bars: Bars) -> None:
        while not calling.ended(_TICK_SECONDS):
            self._say(f"{calling.phase}, {calling.seconds:.0f} s")
            bars.show(calling.progress)
        bars.show(calling.progress)
        self.receipt = calling.receipt
        receipt = w.HTML(folded("receipt", str(calling.receipt)))
        if calling.error is None:
            self.result = calling.result()
            self._say(f"done in {calling.seconds:.1f} s; what came of it is {name_of(self, 'form')}.result")
            self.shown.children = [shown(self.result), receipt]
        else:
            words, more = told(calling.error)
            self._say(f"{calling.phase} after {calling.seconds:.1f} s: {words}", more, wrong=calling.phase == "failed")
            self.shown.children = [bars, receipt]
        self.run_button.disabled, self.stop_button.disabled = False, True


def _plane(found: Any) -> tuple[np.ndarray[Any, Any], str, tuple[float, float] | None] | None:
    """Return the middle section of voxels, at the first time point and channel; None for what is none."""
    if isinstance(found, Volume):
        one = found.isel(t=0 if "t" in found.axes else None, c=0 if "c" in found.axes else None)
        if one.axes != ("z", "y", "x"):
            return None
        return one[one.shape[0] // 2].read(), found.kind, found.window
    if isinstance(found, np.ndarray) and found.ndim >= 3 and found.dtype.kind in "biuf":
        section = found.reshape(-1, *found.shape[-3:])[0]
        return section[len(section) // 2], "image", None
    # Of several results, or of one that holds its volume beside what was found, the picture is that of the volume.
    parts = found if isinstance(found, tuple | list) else [getattr(found, "volume", None)]
    return next((plane for part in parts if part is not None and (plane := _plane(part)) is not None), None)
