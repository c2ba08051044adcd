"""A Run in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ndlab.explore.facts import grid_facts, inputs_of, output_address, output_volume, pairs, params_of, short
from ndlab.explore.watch import Watch
from ndlab.geometry import Box, Grid
from ndlab.pipeline import BlockStep, Run, Step, Tiling
from ndlab.pipeline.tasks import Tasks
from ndlab.volume import Volume

STEP = Step("size", lambda block, **at: block.size)


def test_a_grid_lies_at_its_origin() -> None:
    found = grid_facts(Tasks(Grid((5, 6, 7), (2, 3, 4), 1)), [40.0, 8.0, 8.0])
    assert found is not None
    assert (found["counts"], found["start"], found["stop"], found["first"]) == ([3, 2, 2], [0] * 3, [5, 6, 7], [0] * 3)
    assert (found["level"], found["lead"], found["voxel_size"]) == (1, [], [40.0, 8.0, 8.0])


def test_a_tiling_lies_where_its_box_does() -> None:
    tiling = Tiling(Box((3, 0, 9), (8, 4, 20)), (4, 4, 4))
    found = grid_facts(Tasks(tiling), None)
    assert found is not None
    assert (found["start"], found["stop"], found["first"]) == ([3, 0, 9], [8, 4, 20], [0, 0, 2])
    assert np.prod(found["counts"]) == len(tiling)


def test_boxes_that_follow_no_rule_have_no_grid() -> None:
    assert grid_facts(Tasks([Box((0, 0, 0), (1, 1, 1))]), None) is None


def test_time_points_and_channels_are_named_in_the_order_of_the_tasks() -> None:
    run = Run(STEP, Grid((1, 1, 1), (1, 1, 1)), t=[3, 4], c=[0, 2])
    found = grid_facts(Tasks(run.blocks, run.t, run.c), None)
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


def test_a_step_over_volumes_says_what_it_reads_writes_and_costs(tmp_path: Path) -> None:
    source = Volume.from_array(np.zeros((8, 8, 8), "u1"), (40, 8, 8), name="raw")
    run = BlockStep("invert", np.invert, inputs=source, output=tmp_path / "made.ome.zarr", overlap=1).plan(workers=1)
    facts = Watch(run, lambda message, buffers: None).facts
    assert facts["inputs"] == [["volume", "raw, 8 × 8 × 8"]]
    assert facts["output"] == f"{tmp_path / 'made.ome.zarr'}, 8 × 8 × 8"
    assert facts["grid"] is not None
    assert facts["grid"]["voxel_size"] == [40.0, 8.0, 8.0]
    assert "reads 512 B (1.00×)  ·  writes 512 B" in facts["estimate"]
    assert facts["resumable"]


def test_several_inputs_are_numbered_or_have_their_names() -> None:
    source = Volume.from_array(np.zeros((8, 8, 8), "u1"), (8, 8, 8), name="raw")
    assert list(inputs_of(BlockStep("add", np.add, inputs=[source, source]))) == ["volume 1", "volume 2"]
    assert list(inputs_of(BlockStep("add", np.add, inputs={"a": source, "b": source}))) == ["a", "b"]


def test_a_run_that_was_interrupted_is_found_by_its_output(tmp_path: Path) -> None:
    source = Volume.from_array(np.zeros((8, 8, 8), "u1"), (8, 8, 8))

    def plan() -> Run:
        step = BlockStep("my step", np.invert, inputs=source, output=tmp_path / "made.ome.zarr")
        return step.plan(workers=1, block=(4, 4, 4))

    plan().run()
    told: list[str] = []
    watch = Watch(plan(), lambda message, buffers: told.append(message["status"]["phase"]))
    watch.hello()
    assert told == ["done"]
