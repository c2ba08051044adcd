"""What the whole array gives, by numpy, scipy and scikit-image; and random labels to ask about."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ndlab.volume import Volume

Array = np.ndarray[Any, Any]
VOXEL_SIZE = (40.0, 4.0, 8.0)
OFFSET = (1000.0, -20.0, 3.0)

# Few ids, so that things grow; the large ones are not exact as doubles.
IDS = (0, 1, 2, 7, 2**53 + 1, 2**53 + 2, 2**64 - 1)
SHAPES = hnp.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=9)
BLOCKS = st.tuples(*[st.integers(1, 10)] * 3)


@st.composite
def label_arrays(draw: st.DrawFn) -> Array:
    """Draw blocky or noisy labels of any integer type, one id everywhere and nothing anywhere among them."""
    shape = draw(SHAPES)
    dtype = np.dtype(draw(st.sampled_from(["u1", "u2", "u4", "u8", "i4", "i8", ">u4", "?"])))
    top = limits(dtype)[1]
    ids = [i for i in IDS if i <= top] if draw(st.booleans()) else [draw(st.integers(0, top))]
    if dtype.kind == "i" and draw(st.booleans()):
        ids.append(-3)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    coarse = draw(st.integers(1, 4))
    cells = rng.choice(np.array(ids, dtype), [-(-n // coarse) for n in shape])
    for axis, n in enumerate(shape):
        cells = np.repeat(cells, coarse, axis).take(range(n), axis)
    return np.ascontiguousarray(cells)


def limits(dtype: Any) -> tuple[int, int]:
    """Smallest and largest value of a bool or integer type."""
    if np.dtype(dtype).kind == "b":
        return 0, 1
    info: Any = np.iinfo(dtype)
    return int(info.min), int(info.max)


def labels_volume(values: Array) -> Volume:
    """`values` as a label volume that does not begin at the origin."""
    return Volume.from_array(values, VOXEL_SIZE, offset=OFFSET, kind="labels")


def touching(values: Array, background: int | None = 0) -> dict[tuple[int, int], list[Any]]:
    """Every pair of ids with its faces across z, y and x and the centres [nm] of all of them."""
    found: dict[tuple[int, int], list[Any]] = {}
    for axis in range(3):
        step = [int(axis == i) for i in range(3)]
        for at in product(*(range(n - s) for n, s in zip(values.shape, step, strict=True))):
            a, b = int(values[at]), int(values[tuple(i + s for i, s in zip(at, step, strict=True))])
            if a == b or background in (a, b):
                continue
            row = found.setdefault((min(a, b), max(a, b)), [[0, 0, 0], []])
            row[0][axis] += 1
            centre = [o + (i + 0.5 + s / 2) * v for i, s, v, o in zip(at, step, VOXEL_SIZE, OFFSET, strict=True)]
            row[1].append((face_area(axis), centre))
    return found


def face_area(axis: int) -> float:
    """Area of a face across `axis` [nm²]."""
    return float(np.prod([v for i, v in enumerate(VOXEL_SIZE) if i != axis]))
