"""The form of a pipeline cell, made of ipywidgets."""

from __future__ import annotations

import html
import io
import sys
import threading
from dataclasses import replace
from typing import Any

import ipywidgets as w  # noqa: TID253 - only `cell` imports this module, when a form is shown
import numpy as np

from ndlab.describe import pixels_of
from ndlab.errors import BadRequest, NdlabError
from ndlab.explore.facts import short
from ndlab.explore.fields import Field, code_of, fields_of, parsed
from ndlab.explore.run import run as show_run
from ndlab.explore.trial import attempt
from ndlab.geometry import Box
from ndlab.pipeline import BlockStep, Run, Step
from ndlab.pipeline.tasks import Blocks

__all__ = ["Form"]

_PREVIEW_SIDE = 420
_PREVIEW_BOX = (16, 256, 256)
_LABEL = "150px"


class Form(w.VBox):  # type: ignore[misc]
    """A step's parameters to edit, to try on a box, and to run with.

    Attributes
    ----------
    inputs : dict of str to widget
        By the parameter's name.
    run : Run or None
        The one that was started last.
    """

    def __init__(self, step: Step, blocks: Blocks | None, box: Box | None, options: dict[str, Any]) -> None:
        self._step, self._blocks, self._options = step, blocks, options
        self._fields = fields_of(step)
        self.run: Run | None = None
        self.inputs = {field.name: _input(field) for field in self._fields}
        self.box_input = w.Text(value=_box_text(box or self._middle()), layout=w.Layout(width="320px"))
        self.preview_button = w.Button(description="Preview", tooltip="try it on the box; nothing is written")
        self.run_button = w.Button(description="Run on the volume", button_style="primary")
        self.message = w.HTML()
        self.picture = w.VBox()
        self.shown = w.VBox()
        self._code = w.HTML()
        self.preview_button.on_click(lambda _: self.preview())
        self.run_button.on_click(lambda _: self.start())
        for widget in self.inputs.values():
            widget.observe(lambda _: self._refresh(), "value")
        super().__init__(self._rows(), layout=w.Layout(max_width="860px"))
        self._refresh()

    def _middle(self) -> Box:
        """Return the middle block; of a step over volumes, the middle of its first one."""
        if self._blocks is not None:
            return self._blocks[len(self._blocks) // 2]
        assert isinstance(self._step, BlockStep)
        shape = self._step.volumes[0].box.shape
        start = [max(0, n // 2 - k // 2) for n, k in zip(shape, _PREVIEW_BOX, strict=True)]
        return Box(start, [min(n, a + k) for n, a, k in zip(shape, start, _PREVIEW_BOX, strict=True)])

    def _rows(self) -> list[Any]:
        title = w.HTML(f"<div style='font-weight:600;font-size:15px'>{html.escape(self._step.name)}</div>")
        rows = [_row(field.name, self.inputs[field.name], field.unit) for field in self._fields]
        rows.append(_row("preview box", self.box_input, "voxels, z, y, x"))
        buttons = w.HBox([self.preview_button, self.run_button], layout=w.Layout(margin=f"6px 0 6px {_LABEL}"))
        return [title, *rows, buttons, self.message, self.picture, self.shown, self._code]

    # --- what is entered --------------------------------------------------------------------------------------

    @property
    def values(self) -> dict[str, Any]:
        """What is entered, as the types that the function wants."""
        return {f.name: parsed(f, self.inputs[f.name].value) for f in self._fields if f.kind is not object}

    @property
    def step(self) -> Step:
        """The step with what is entered."""
        changed = self._changed()
        return replace(self._step, params={**self._step.params, **changed}) if changed else self._step

    def _changed(self) -> dict[str, Any]:
        before = {field.name: field.value for field in self._fields}
        return {name: value for name, value in self.values.items() if value != _plain(before[name])}

    @property
    def code(self) -> str:
        """Python code that runs what is entered; it names step and blocks as the notebook does."""
        name = _name_of(self._step, "step")
        options = [f"{key}={_name_of(value, repr(value))}" for key, value in self._options.items()]
        if self._blocks is None:
            run = f"{name}.plan({', '.join(options)})"
        else:
            run = f"Run({', '.join([name, _name_of(self._blocks, 'blocks'), *options])})"
        return code_of(name, self._changed(), run)

    def write(self) -> None:
        """Put the code into a new cell below the one that calls this."""
        shell = _shell()
        if shell is None:
            raise BadRequest("code was to be written into a cell", "there is no notebook", "use form.code")
        shell.set_next_input(self.code)

    # --- what the buttons do ----------------------------------------------------------------------------------

    def preview(self) -> threading.Thread:
        """Try the step on the box, in the background; return the thread."""
        thread = threading.Thread(target=self._preview, name="ndlab-preview", daemon=True)
        thread.start()
        return thread

    def _preview(self) -> None:
        self.preview_button.disabled = True
        self._say("trying …")
        try:
            box = _parsed_box(self.box_input.value, 0 if self._blocks is None else self._blocks[0].level)
            values, kind = attempt(self.step, box)
        except Exception as error:  # Whatever the function raises belongs to whoever presses the button.
            self._say(_short(error), wrong=True)
        else:
            z = box.shape[0] // 2
            self.picture.children = [_picture(values[z], kind)]
            self._say(f"section {box.start[0] + z} of the box; nothing was written")
        finally:
            self.preview_button.disabled = False

    def start(self) -> None:
        """Run the step on all blocks, with the widget below the form."""
        try:
            run = self._planned()
        except NdlabError as error:
            self._say(str(error), wrong=True)
            return
        self.run = run
        self._say("")
        self.shown.children = [show_run(run)]

    def _planned(self) -> Run:
        step = self.step
        if self._blocks is not None:
            return Run(step, self._blocks, **self._options)
        assert isinstance(step, BlockStep)
        return step.plan(**self._options)

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
        style = "margin:0;padding:8px 12px;font-size:12px;line-height:1.5;overflow:auto"
        self._code.value = (
            "<details><summary style='cursor:pointer;opacity:.7'>code that does this</summary>"
            f"<pre style='{style}'>{html.escape(code)}</pre></details>"
        )

    def _say(self, text: str, *, wrong: bool = False) -> None:
        color = "color:var(--jp-error-color1,#c4451c)" if wrong else "opacity:.7"
        space = f"margin-left:{_LABEL};white-space:pre-wrap;line-height:1.4"
        self.message.value = f"<div style='{space};{color}'>{html.escape(text)}</div>" if text else ""


def _row(name: str, widget: Any, unit: str) -> Any:
    label = w.Label(name, layout=w.Layout(width=_LABEL))
    return w.HBox([label, widget, w.HTML(f"<span style='opacity:.7'>{html.escape(unit)}</span>")])


def _input(field: Field) -> Any:
    wide, narrow = w.Layout(width="320px"), w.Layout(width="160px")
    if field.kind is object:
        return w.HTML(html.escape(short(field.value)))
    if field.kind is bool:
        return w.Checkbox(value=bool(field.value), indent=False, layout=narrow)
    if isinstance(field.kind, tuple):
        value = field.value if field.value in field.kind else field.kind[0]
        return w.Dropdown(options=[(_choice(one), one) for one in field.kind], value=value, layout=narrow)
    # Text for numbers too: a number field turns what it cannot read into 0 without a word.
    text = ", ".join(map(str, field.value)) if field.length and field.value is not None else field.value
    return w.Text(
        value="" if text is None else str(text), continuous_update=False, layout=wide if field.kind is str else narrow
    )


def _choice(value: Any) -> str:
    return str(getattr(value, "name", value))


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _box_text(box: Box) -> str:
    return ", ".join(f"{a}:{b}" for a, b in zip(box.start, box.stop, strict=True))


def _parsed_box(text: str, level: int) -> Box:
    try:
        spans = [tuple(int(end) for end in part.split(":")) for part in text.split(",")]
        (z, z1), (y, y1), (x, x1) = spans
    except ValueError:
        raise BadRequest(
            f"the preview box was {text!r}", "it is three spans of voxels", "try 0:16, 0:128, 0:128"
        ) from None
    return Box((z, y, x), (z1, y1, x1), level)


def _picture(plane: np.ndarray[Any, Any], kind: str) -> Any:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels_of(plane, kind, None)).save(out, "PNG")
    scale = min(_PREVIEW_SIDE / max(plane.shape), 4.0)
    width = max(1, round(plane.shape[1] * scale))
    return w.Image(value=out.getvalue(), format="png", layout=w.Layout(width=f"{width}px", margin=f"0 0 0 {_LABEL}"))


def _short(error: Exception) -> str:
    return str(error) if isinstance(error, NdlabError) else f"{type(error).__name__}: {error}"


def _shell() -> Any:
    ipython = sys.modules.get("IPython")
    return None if ipython is None else ipython.get_ipython()


def _name_of(value: Any, otherwise: str) -> str:
    """Return what the notebook calls a value, so that the code it gets runs there."""
    if isinstance(value, bool | int | float | str | tuple) or value is None:
        return otherwise
    space = getattr(_shell(), "user_ns", {})
    return next((name for name, found in space.items() if found is value and not name.startswith("_")), otherwise)
