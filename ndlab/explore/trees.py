"""The lines of a tree of merges, as plots draw them."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["branches"]

Array = np.ndarray[Any, Any]


def branches(links: Array, most: int | None = None) -> tuple[list[list[float]], list[list[float]]]:
    """Return x and y of each merge's bracket, leaves at 5, 15, 25 …; of the last `most` merges if that is given."""
    import sys

    from scipy.cluster.hierarchy import dendrogram

    deep, more = sys.getrecursionlimit(), {} if most is None else {"truncate_mode": "lastp", "p": most}
    # scipy walks the tree by recursion, and trees of merges can be as deep as they have rows.
    sys.setrecursionlimit(max(deep, 10 * (len(links) + 100)))
    try:
        found = dendrogram(links, no_plot=True, **more)
    finally:
        sys.setrecursionlimit(deep)
    return found["icoord"], found["dcoord"]
