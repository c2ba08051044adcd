"""A Run in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ndlab.explore.facts import grid_facts, output_address, output_volume, pairs, params_of, short
from ndlab.geometry import Box, Grid
from ndlab.pipeline import Run, Step, Tiling
from ndlab.volume import Volume

STEP = Step("size", lambda block, **at: block.size)


def test_a_grid_lies_at_its_origin() -> None:
    found = grid_facts(Run(STEP, Grid((5, 6, 7), (2, 3, 4), 1)), [40.0, 8.0, 8.0])
    assert found is not None
    assert (found["counts"], found["start"], found["stop"], found["first"]) == ([3, 2, 2], [0] * 3, [5, 6, 7], [0] * 3)
    assert (found["level"], found["lead"], found["voxel_size"]) == (1, [], [40.0, 8.0, 8.0])


def test_a_tiling_lies_where_its_box_does() -> None:
    tiling = Tiling(Box((3, 0, 9), (8, 4, 20)), (4, 4, 4))
    found = grid_facts(Run(STEP, tiling), None)
    assert found is not None
    assert (found["start"], found["stop"], found["first"]) == ([3, 0, 9], [8, 4, 20], [0, 0, 2])
    assert np.prod(found["counts"]) == len(tiling)


def test_boxes_that_follow_no_rule_have_no_grid() -> None:
    assert grid_facts(Run(STEP, [Box((0, 0, 0), (1, 1, 1))]), None) is None


def test_time_points_and_channels_are_named_in_the_order_of_the_tasks() -> None:
    run = Run(STEP, Grid((1, 1, 1), (1, 1, 1)), t=[3, 4], c=[0, 2])
    found = grid_facts(run, None)
    assert found is not None
    assert found["lead"] == [task.key.removesuffix(" 0:1,0:1,0:1") for task in run.tasks()]
    assert found["lead"] == ["t3 c0", "t3 c2", "t4 c0", "t4 c2"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.5, "1.5"),
        (None, "None"),
        ((40, 8, 8), "40, 8, 8"),
        (Path("a") / "b", "a/b"),
        (np.float32(0.5), "0.5"),
        (np.zeros((2, 3)), "array 2 × 3, float64"),
        ("x" * 500, "x" * 119 + "…"),
    ],
)
def test_any_value_is_one_short_line(value: object, text: str) -> None:
    assert short(value) == text


def test_a_volume_is_its_address_and_size() -> None:
    volume = Volume.from_array(np.zeros((4, 6, 8), "u1"), (8, 8, 8), name="brain")
    assert pairs({"volume": volume, "sigma": 1}, skip=["sigma"]) == [["volume", "brain, 4 × 6 × 8"]]


def test_the_volume_that_is_no_input_is_what_is_written() -> None:
    source, target = (Volume.from_array(np.zeros((4, 6, 8), "u1"), (8, 8, 8), name=name) for name in ("raw", "made"))
    params = {"source": source, "target": target, "sigma": 2}
    run = Run(Step("copy", print, params, {"volume": source}), Grid((4, 6, 8), (4, 4, 4)))
    assert output_volume(run) is target
    assert output_address(run) == "made, 4 × 6 × 8"
    assert params_of(run) == [["sigma", "2"]]
    unsaid = Run(Step("copy", print, params), Grid((4, 6, 8), (4, 4, 4)))
    assert output_volume(unsaid) is None, "without inputs nobody knows which is which"
