"""The form of a step: parameters, a preview on a box, a Run over all blocks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ndlab.errors import NdlabError
from ndlab.explore.fields import fields_of
from ndlab.explore.form import Form, middle_box, name_of, parsed_box
from ndlab.explore.inputs import picture
from ndlab.explore.run import run as show_run
from ndlab.explore.trial import attempt
from ndlab.geometry import Box
from ndlab.pipeline import BlockStep, Run, Step
from ndlab.pipeline.tasks import Blocks

__all__ = ["StepForm"]


class StepForm(Form):
    """A step's parameters to edit, to try on a box, and to run with.

    Attributes
    ----------
    run : Run or None
        The one that was started last.
    """

    run_words = "Run on the volume"

    def __init__(self, step: Step, blocks: Blocks | None, box: Box | None, options: dict[str, Any]) -> None:
        self._step, self._blocks, self._options = step, blocks, options
        self.run: Run | None = None
        super().__init__(step.name, fields_of(step), box or self._middle())

    def _middle(self) -> Box:
        """Return the middle block; of a step over volumes, the middle of its first one."""
        if self._blocks is not None:
            return self._blocks[len(self._blocks) // 2]
        assert isinstance(self._step, BlockStep)
        return middle_box(self._step.volumes[0].box.shape)

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
        name = name_of(self._step, "step")
        options = [f"{key}={name_of(value, repr(value))}" for key, value in self._options.items()]
        if self._blocks is None:
            run = f"{name}.plan({', '.join(options)})"
        else:
            run = f"Run({', '.join([name, name_of(self._blocks, 'blocks'), *options])})"
        return _code(name, self._changed(), run)

    def _tried(self) -> tuple[list[Any], str]:
        box = parsed_box(self.box_input.value, 0 if self._blocks is None else self._blocks[0].level)
        values, kind = attempt(self.step, box)
        z = box.shape[0] // 2
        return [picture(values[z], kind)], f"section {box.start[0] + z} of the box; nothing was written"

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


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _code(name: str, values: dict[str, Any], run: str) -> str:
    """Return code that runs a step with other values than it has."""
    lines = ["from ndlab import explore"]
    if run.startswith("Run("):
        lines.append("from ndlab.pipeline import Run")
    lines.append("")
    if values:
        shown = ", ".join(f"{key!r}: {value!r}" for key, value in values.items())
        lines = ["from dataclasses import replace", "", *lines]
        lines.append(f"{name} = replace({name}, params={{**{name}.params, {shown}}})")
    lines.append(f"explore.run({run})")
    return "\n".join(lines)
