"""Requirements of the founding systems on pyramids and statistics, by number: where each is proven, or proven here.

Numbers are those of the catalogue of what the Open Connectome Project's systems did.
"""

from __future__ import annotations

import ast
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndlab.errors import Conflict, ReadOnly
from ndlab.pipeline import status
from ndlab.store import pyramid
from ndlab.store.multiscale import open_store
from ndlab.volume import open as open_volume
from tests.servers import FolderServer, serving
from tests.store.making import make

TESTS = Path(__file__).parent

PROOFS = {
    "R31": ["store/test_pyramid.py::test_sizes_follow_the_rule", "store/test_pyramid.py::test_build_equals_numpy"],
    "R32": [
        "store/test_pyramid.py::test_sizes_follow_the_rule",
        "store/test_pyramid.py::test_any_layout_gives_the_same",
    ],
    "R33": ["test_geometry.py::test_z_starts_shrinking_at_level_4_for_ten_to_one"],
    "R34": [
        "store/test_pyramid.py::test_ids_are_never_made_up",
        "test_engine_requirements.py::test_labels_lose_less_than_by_striding_and_gain_no_id",
    ],
    "R35": ["test_engine_requirements.py::test_levels_are_missing_then_under_way_then_there"],
    "R36": [
        "store/test_pyramid.py::test_an_update_touches_only_what_changed",
        "store/test_pyramid.py::test_updates_equal_a_new_pyramid",
    ],
    "R59": [
        "measure/test_statistics.py::test_equals_numpy_for_any_type_and_block",
        "measure/test_statistics.py::test_percentiles_are_numpys",
        "measure/test_statistics.py::test_masks_ids_and_regions",
    ],
}


@pytest.mark.parametrize("requirement", PROOFS)
def test_each_proof_is_there(requirement: str) -> None:
    """A test that is renamed or removed takes its requirement with it."""
    for proof in PROOFS[requirement]:
        file, _, name = proof.partition("::")
        tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, proof


def test_labels_lose_less_than_by_striding_and_gain_no_id(tmp_path: Path) -> None:
    """R34 on thin processes: a segment of one voxel's width survives a level, where striding loses half of it."""
    values = np.zeros((16, 32, 32), np.uint64)
    values[:, 5, :], values[:, :, 11], values[8, 20, 20] = 7, 10**15, 3
    make(tmp_path / "v", values.shape, levels=3, dtype=np.uint64, kind="labels")
    volume = open_volume(tmp_path / "v")
    volume.write(None, values)
    pyramid.build(open_store(tmp_path / "v"))
    known, before = set(np.unique(values)), values
    for level in (1, 2):
        found = volume.level(level).read()
        assert set(np.unique(found)) <= known
        step = tuple(-(-a // b) for a, b in zip(before.shape, found.shape, strict=True))
        strided = before[tuple(slice(None, None, s) for s in step)]
        assert _right(found, before, step) > _right(strided, before, step)
        known, before = set(np.unique(found)), found
    assert 3 in volume.level(1).read(), "a single voxel wins against background"


def _right(coarse: np.ndarray[Any, Any], fine: np.ndarray[Any, Any], step: tuple[int, ...]) -> float:
    """Dice of foreground labels, the coarse level blown up again."""
    grown = coarse
    for axis, factor in enumerate(step):
        grown = np.repeat(grown, factor, axis).take(range(fine.shape[axis]), axis)
    return float(2 * ((grown == fine) & (fine > 0)).sum() / ((grown > 0).sum() + (fine > 0).sum()))


def test_levels_are_missing_then_under_way_then_there(tmp_path: Path) -> None:
    """R35: a level is stale, being built, or true; a second build meanwhile and a read-only store are refused."""
    make(tmp_path / "v", (32, 64, 64), levels=3, chunk=(8, 8, 8), shard=(8, 16, 16))
    volume = open_volume(tmp_path / "v")
    volume.write(None, np.random.default_rng(0).integers(0, 255, volume.shape, np.uint8))
    assert volume.level(1).stale

    inside, go_on = threading.Event(), threading.Event()

    def hold(progress: Any) -> None:
        inside.set()
        assert go_on.wait(60)

    stored = open_store(tmp_path / "v")
    building = threading.Thread(target=pyramid.build, args=(stored,), kwargs={"workers": 1, "progress": hold})
    building.start()
    try:
        assert inside.wait(60)
        (under_way,) = status(tmp_path / "v")
        assert (under_way.state, under_way.process) == ("running", str(os.getpid()))
        with pytest.raises(Conflict, match="held by another Run"):
            pyramid.build(stored)
    finally:
        go_on.set()
        building.join()
    assert not volume.level(1).stale
    assert not volume.level(2).stale
    assert pyramid.rebuild(stored) == 0, "what is done is not done again"

    with serving(FolderServer(tmp_path)) as server, pytest.raises(ReadOnly, match="cannot be written"):
        pyramid.build(open_store(f"{server.url}/v"))
