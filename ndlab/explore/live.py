"""What every widget of ndlab is: an anywidget that hears its page while a cell runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget

__all__ = ["STATIC", "LiveWidget"]

STATIC = Path(__file__).resolve().parent / "static"


class LiveWidget(anywidget.AnyWidget):  # type: ignore[misc]
    """An anywidget whose messages are handled in the subshell that the page sends them to.

    ipykernel 7.4 hands them to the shell that last sent something, which is the one that runs cells: a button would
    wait for a cell to end. So what it remembers of that is forgotten with each message.
    """

    def open(self) -> None:
        """Open the channel to the page."""
        super().open()
        self._answer_where_asked()

    def _send(self, msg: Any, buffers: Any = None) -> None:
        super()._send(msg, buffers=buffers)
        self._answer_where_asked()

    def _answer_where_asked(self) -> None:
        if self.comm is not None:
            getattr(self.comm, "__dict__", {}).pop("_reply_subshell_id", None)
