"""The two buttons that stand beside the layers in napari: what was edited is saved, or the last save taken back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ndlab.errors import NdlabError

if TYPE_CHECKING:
    from ndlab.explore.desktop import Desktop

__all__ = ["dock"]


def dock(desk: Desktop) -> Any:
    """Return a Qt widget with *Save*, *Undo* and what came of them."""
    from qtpy.QtWidgets import QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

    widget = QWidget()
    layout = QVBoxLayout(widget)
    author = desk.annotations.author if desk.annotations is not None else ""
    note = QLineEdit()
    note.setPlaceholderText("a note for the history")
    said = QLabel(f"Edits are written under {author}." if author else "")
    said.setWordWrap(True)

    def act(does: Callable[[], list[int]], word: str) -> None:
        try:
            numbers = does()
            said.setText(f"{word} {', '.join(map(str, numbers))}" if numbers else "Nothing to do")
        except NdlabError as error:
            said.setText(str(error))

    save, undo = QPushButton("Save edits"), QPushButton("Undo last save")
    save.clicked.connect(lambda: act(lambda: desk.save(*filter(None, [note.text()])), "Written as transaction"))
    undo.clicked.connect(lambda: act(desk.undo, "Taken back: transaction"))
    for one in (note, save, undo, said):
        layout.addWidget(one)
    layout.addStretch()
    return widget
