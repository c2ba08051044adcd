"""What the drawings of pre-processing show."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ndlab import figures


def test_pairs_of_sections_are_drawn_by_what_became_of_them() -> None:
    from ndlab.preprocess import Alignment

    columns: dict[str, list[Any]] = {"a": [0, 1, 0], "b": [1, 2, 2], "state": ["good", "bad", "unlike"]}
    columns |= {"before": [0.1, 0.2, 0.0], "after": [0.8, 0.3, 0.1]}
    found = Alignment(
        np.zeros((3, 2, 3)), np.zeros((3, 4, 4, 2)), (0.0, 0.0), 1.0, (0.0, 1.0), ((0.0, 0.0), (1.0, 1.0)), columns
    )
    ax = Figure().subplots()
    figures.pair_likeness(found, ax)
    shown = {one.get_label(): np.asarray(one.get_offsets()).tolist() for one in ax.collections}
    assert shown == {"good": [[0.5, 0.8]], "unlike": [[1.0, 0.1]], "bad": [[1.5, 0.3]]}
    table = figures.table_of(ax)
    assert table is not None
    assert list(table["state"]) == ["good", "bad", "unlike"]
