"""Which objects have voxels in a box, in any of the label volumes of a set."""

from __future__ import annotations

from typing import Any

from ndlab.annotations.ids import signed
from ndlab.errors import BadRequest
from ndlab.geometry import Box

__all__ = ["present"]


def present(home: Any, box: Any) -> tuple[int, ...]:
    """Return the ids, as stored, of what has voxels in a box of level 0."""
    if not isinstance(box, Box) or box.level:
        raise BadRequest(f"objects by their voxels in {box!r}"[:200], "a box of voxels of level 0 is asked for",
                         "pass ndlab.Box(start, stop)")  # fmt: skip
    home.paint  # noqa: B018 - says what to do where there is none
    return tuple(sorted({signed(one) for paint in home.paints.values() for one in paint.ids(box)}))
