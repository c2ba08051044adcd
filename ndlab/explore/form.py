"""The form of a pipeline cell, made of ipywidgets: what those of steps and of verbs have in common."""

from __future__ import annotations

import html
import sys
import threading
import traceback
from collections.abc import Sequence
from typing import Any

import ipywidgets as w  # noqa: TID253 - only `cell` imports this module, when a form is shown

from ndlab.errors import BadRequest, NdlabError
from ndlab.explore.fields import Field, parsed
from ndlab.explore.inputs import LABEL, folded, input_of, row, said
from ndlab.geometry import Box

__all__ = ["Form", "name_of", "parsed_box", "shell"]

PREVIEW_BOX = (16, 256, 256)


class Form(w.VBox):  # type: ignore[misc]
    """Parameters to edit, to try on little, and to run with.

    Attributes
    ----------
    inputs : dict of str to widget
        By the parameter's name.
    box_input : widget
        What to try it on, (z, y, x); not shown where that is no box.
    message, picture, shown : widget
        What there is to say; what was tried; what runs, or came of it.
    """

    run_words = "Run"

    def __init__(self, title: str, fields: Sequence[Field], box: Box | None) -> None:
        self._fields = list(fields)
        self.inputs = {field.name: input_of(field) for field in self._fields}
        self.boxed = box is not None
        self.box_input = w.Text(value="" if box is None else box_text(box), layout=w.Layout(width="320px"))
        self.preview_button = w.Button(description="Preview", tooltip="try it on little; nothing is written")
        self.run_button = w.Button(description=self.run_words, button_style="primary")
        self.message, self.picture, self.shown = w.HTML(), w.VBox(), w.VBox()
        self._code = w.HTML()
        self.preview_button.on_click(lambda _: self.preview())
        self.run_button.on_click(lambda _: self.start())
        for widget in self.inputs.values():
            widget.observe(lambda _: self._refresh(), "value")
        super().__init__(self._rows(title), layout=w.Layout(max_width="860px"))
        self._refresh()

    def _rows(self, title: str) -> list[Any]:
        head = w.HTML(f"<div style='font-weight:600;font-size:15px'>{html.escape(title)}</div>")
        rows = [row(field.name, self.inputs[field.name], field.unit) for field in self._fields]
        if self.boxed:
            rows.append(row("preview box", self.box_input, "voxels, z, y, x"))
        buttons = w.HBox(self._buttons(), layout=w.Layout(margin=f"6px 0 6px {LABEL}"))
        return [head, *self._given(), *rows, buttons, self.message, self.picture, self.shown, self._code]

    def _given(self) -> list[Any]:
        """Lines above the parameters."""
        return []

    def _buttons(self) -> list[Any]:
        return [self.preview_button, self.run_button]

    # --- what is entered --------------------------------------------------------------------------------------

    @property
    def values(self) -> dict[str, Any]:
        """What is entered, as the types that the function wants."""
        return {f.name: parsed(f, self.inputs[f.name].value) for f in self._fields if f.kind is not object}

    @property
    def code(self) -> str:
        """Python code that runs what is entered; it names things as the notebook does."""
        raise NotImplementedError

    def write(self) -> None:
        """Put the code into a new cell below the one that calls this."""
        found = shell()
        if found is None:
            raise BadRequest("code was to be written into a cell", "there is no notebook", "use form.code")
        found.set_next_input(self.code)

    # --- what the buttons do ----------------------------------------------------------------------------------

    def preview(self) -> threading.Thread:
        """Try it on little, in the background; return the thread."""
        thread = threading.Thread(target=self._preview, name="ndlab-preview", daemon=True)
        thread.start()
        return thread

    def _preview(self) -> None:
        self.preview_button.disabled = True
        self._say("trying …")
        try:
            pictures, words = self._tried()
        except Exception as error:  # Whatever the function raises belongs to whoever presses the button.
            self._say(*told(error), wrong=True)
        else:
            self.picture.children = pictures
            self._say(words)
        finally:
            self.preview_button.disabled = False

    def _tried(self) -> tuple[list[Any], str]:
        """Try it; return what to show and what to say."""
        raise NotImplementedError

    def start(self) -> None:
        """Run it with what is entered."""
        raise NotImplementedError

    # --- what is shown ----------------------------------------------------------------------------------------

    def _refresh(self) -> None:
        try:
            code = self.code
        except BadRequest as error:
            self._say(str(error), wrong=True)
            self.run_button.disabled = self.preview_button.disabled = True
            return
        self.run_button.disabled = self.preview_button.disabled = False
        self._say("")
        self._code.value = folded("code that does this", code)

    def _say(self, text: str, more: str = "", *, wrong: bool = False) -> None:
        self.message.value = said(text, wrong=wrong, more=more)


def told(error: BaseException) -> tuple[str, str]:
    """Return what to say of an error, and its traceback where it is none that ndlab names."""
    if isinstance(error, NdlabError):
        return str(error), ""
    return f"{type(error).__name__}: {error}", "".join(traceback.format_exception(error))


def middle_box(shape: Sequence[int], level: int = 0) -> Box:
    """Return a small box in the middle of so many voxels (z, y, x).

    Examples
    --------
    >>> middle_box((50, 100, 1000)).start
    (17, 0, 372)
    """
    start = [max(0, n // 2 - k // 2) for n, k in zip(shape, PREVIEW_BOX, strict=True)]
    return Box(start, [min(n, a + k) for n, a, k in zip(shape, start, PREVIEW_BOX, strict=True)], level)


def box_text(box: Box) -> str:
    """Return a box as it is entered."""
    return ", ".join(f"{a}:{b}" for a, b in zip(box.start, box.stop, strict=True))


def parsed_box(text: str, level: int) -> Box:
    """Return the box that was entered.

    Raises
    ------
    BadRequest
        If it is none.
    """
    try:
        spans = [tuple(int(end) for end in part.split(":")) for part in text.split(",")]
        (z, z1), (y, y1), (x, x1) = spans
    except ValueError:
        raise BadRequest(
            f"the preview box was {text!r}", "it is three spans of voxels", "try 0:16, 0:128, 0:128"
        ) from None
    return Box((z, y, x), (z1, y1, x1), level)


def shell() -> Any:
    """Return the IPython shell, None where there is none."""
    ipython = sys.modules.get("IPython")
    return None if ipython is None else ipython.get_ipython()


def name_of(value: Any, otherwise: str) -> str:
    """Return what the notebook calls a value, so that the code it gets runs there."""
    if isinstance(value, bool | int | float | str | tuple) or value is None:
        return otherwise
    space = getattr(shell(), "user_ns", {})
    return next((name for name, found in space.items() if found is value and not name.startswith("_")), otherwise)
