"""The anywidget shell of a Run: traits, messages, and nothing that would work without a page."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import traitlets

from ndlab.explore.kept import Kept
from ndlab.explore.live import STATIC, LiveWidget
from ndlab.explore.preview import Preview
from ndlab.explore.watch import Watch
from ndlab.pipeline import Run

__all__ = ["RunWidget"]


class RunWidget(LiveWidget):
    """Shows a Run in a notebook: what it does, how far it is, a map of its blocks; stops and resumes it.

    Parameters
    ----------
    run : Run or Kept
    preview : Preview, optional
    code : str, optional
        What takes the Run up again in another kernel.
    """

    _esm = (STATIC / "run.js").read_text(encoding="utf-8")
    facts = traitlets.Dict().tag(sync=True)
    status = traitlets.Dict().tag(sync=True)

    def __init__(self, run: Run | Kept, preview: Preview | None = None, code: str | None = None) -> None:
        self.run = run
        self.watch = Watch(run, self._tell, preview, code)
        super().__init__(facts=self.watch.facts, status=self.watch.status)
        self.watch.on_phase = lambda status: self.set_trait("status", dict(status))
        self.on_msg(lambda widget, message, buffers: self.watch.receive(message))

    def _tell(self, message: Mapping[str, Any], buffers: Sequence[bytes]) -> None:
        self.send(dict(message), list(buffers))

    def __repr__(self) -> str:
        return repr(self.run)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        found = super()._repr_mimebundle_(**options)
        if found is not None:
            # For pages that show notebooks and run none.
            found[0]["text/html"] = f"<pre>{html.escape(repr(self.run))}</pre>"
        return found
