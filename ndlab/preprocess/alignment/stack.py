"""An `Alignment` in nm from what was solved in pixels of the estimate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ndlab.preprocess.alignment.alignment import Alignment
from ndlab.preprocess.alignment.bands import Array
from ndlab.preprocess.alignment.maps import PlaneMap, affine_inverse, affine_product
from ndlab.preprocess.alignment.mesh import inverted
from ndlab.preprocess.alignment.sections import Sections
from ndlab.preprocess.alignment.settling import turn_of
from ndlab.preprocess.alignment.solving import Solved
from ndlab.volume import Volume

__all__ = ["alignment_of"]

_COLUMNS = ("section", "state", "turn", "shift_y", "shift_x", "bend", "smallest", "largest")


def alignment_of(view: Volume, sections: Sections, solved: Solved, canvas: str, about: Mapping[str, Any]) -> Alignment:
    """Return the alignment of `view` with its tables."""
    maps = [inverted(matrix, nodes, solved.grid) for matrix, nodes in zip(solved.matrices, solved.nodes, strict=True)]
    pixel, corner = sections.pixel, np.array(sections.corner)
    # A pixel p of the estimate has its centre at corner + pixel * p.
    to_nm = np.column_stack([np.eye(2) * pixel, corner])
    matrices = np.stack([affine_product(affine_product(to_nm, one.matrix), affine_inverse(to_nm)) for one in maps])
    nodes = np.stack([one.nodes for one in maps]) * pixel
    first = tuple(float(v) for v in to_nm[:, :2] @ np.array(solved.grid.first) + corner)
    bare = Alignment(
        matrices, nodes, (first[0], first[1]), solved.grid.spacing * pixel, (view.offset[0], view.voxel_size[0]),
        _canvas(view, matrices, canvas), _pairs(solved, pixel), {},
        {**about, "source": view.url or view.name, "box": [list(view.box.start), list(view.box.stop)],
         "looked_at": sections.described()},
    )  # fmt: skip
    return replace(bare, parts=_parts(bare, view, solved))


def _canvas(view: Volume, matrices: Array, canvas: str) -> tuple[tuple[float, float], tuple[float, float]]:
    """Corners of the aligned plane: the volume's, grown by whole voxels until each section's corners are in it."""
    size, low = np.array(view.voxel_size[1:]), np.array(view.offset[1:])
    high = low + size * np.array(view.shape[1:])
    if canvas != "same":
        corners = np.array([(y, x) for y in (low[0], high[0]) for x in (low[1], high[1])])
        places = np.concatenate([corners @ back[:, :2].T + back[:, 2] for back in map(affine_inverse, matrices)])
        low = low + size * np.minimum(np.floor((places.min(0) - low) / size + 0.25), 0)
        high = high + size * np.maximum(np.ceil((places.max(0) - high) / size - 0.25), 0)
    return (float(low[0]), float(low[1])), (float(high[0]), float(high[1]))


def _pairs(solved: Solved, pixel: float) -> dict[str, list[Any]]:
    rows = solved.verdicts
    plain: dict[str, list[Any]] = {name: [getattr(one, name) for one in rows] for name in ("a", "b", "state")}
    plain |= {name: [round(getattr(one, name), 4) for one in rows] for name in ("score", "before", "after")}
    far = {name: [getattr(one, name) * pixel for one in rows] for name in ("apart", "apart95")}
    return plain | {name: [None if np.isnan(v) else round(v, 4) for v in values] for name, values in far.items()}


def _parts(found: Alignment, view: Volume, solved: Solved) -> dict[str, list[Any]]:
    low, size = np.array(view.offset[1:]), np.array(view.voxel_size[1:]) * np.array(view.shape[1:])
    middle = low + size / 2
    rows: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    for z in range(len(found)):
        own = found.map(z)
        shift = own.inverse(middle[None])[0] - middle
        places = own.places.reshape(-1, 2)
        straight = PlaneMap.affine(own.matrix)
        bend = np.linalg.norm(own(places) - straight(places), axis=1)
        area = 1 / own.stretch(*found.canvas)
        values = (z, solved.states[z], float(np.degrees(turn_of(affine_inverse(own.matrix)))), *map(float, shift),
                  float(np.sqrt((bend**2).mean())), float(area.min(initial=1)), float(area.max(initial=1)))  # fmt: skip
        for name, value in zip(rows, values, strict=True):
            rows[name].append(round(value, 4) if isinstance(value, float) else value)
    return rows
