"""Objects of a volume, block by block, are those of the rules in an array, number by number."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from distributed import Client, LocalCluster
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

import ndlab
from ndlab.detect import Model, Rules, objects, probability, synapses
from ndlab.detect.object_labels import object_labels
from ndlab.errors import BadRequest, Conflict, ReadOnly
from ndlab.samples import phantom
from ndlab.volume import Volume

Array = np.ndarray[Any, Any]
SIZE = (40.0, 8.0, 8.0)
BLOCKS = st.tuples(*[st.integers(1, 14)] * 3)


def chances(shape: tuple[int, ...], seed: int, smooth: float = 1.0) -> Array:
    """Draw probabilities that lie about evenly between 0 and 1, in patches."""
    values = gaussian_filter(np.random.default_rng(seed).random(shape), smooth)
    ranks: Array = values.ravel().argsort().argsort().reshape(shape) / max(1, values.size - 1)
    return ranks.astype("f4")


@st.composite
def rules(draw: st.DrawFn) -> Rules:
    low = draw(st.integers(0, 8))
    high = low + draw(st.integers(0, 60))
    return Rules(draw(st.sampled_from([0.3, 0.5, 0.8])), low, high, draw(st.integers(0, 30)), draw(st.integers(0, 3)))


@given(st.tuples(*[st.integers(1, 13)] * 3), st.integers(0, 2**32), st.sampled_from([0.0, 0.7, 1.3]), rules(), BLOCKS)
def test_any_rules_give_the_labels_of_the_array_for_any_blocks(
    shape: tuple[int, int, int], seed: int, smooth: float, asked: Rules, block: tuple[int, int, int]
) -> None:
    values = chances(shape, seed, smooth)
    found = object_labels(Volume.from_array(values, SIZE), asked, block=block)
    np.testing.assert_array_equal(found.read(), objects(values, asked))


def test_a_piece_counts_whole_though_every_block_sees_a_voxel_of_it() -> None:
    p = np.zeros((3, 9, 9), "f4")
    p[0, 4, :] = p[1, :, 4] = 1  # 9 voxels in each of two sections
    p[2, 1, 1:3] = 1
    volume = Volume.from_array(p, SIZE)
    for low, high, count in ((9, 9, 1), (10, 81, 0), (0, 8, 1), (2, 81, 2)):
        asked = Rules(0.5, low, high, 0)
        assert object_labels(volume, asked, block=1).provenance["components"] == count == objects(p, asked).max()


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Volume, Array]:
    values = chances((10, 60, 70), 3, 1.5)
    place = tmp_path_factory.mktemp("chances") / "p.ome.zarr"
    ndlab.ingest(values, place, voxel_size=SIZE, progress=False)
    return ndlab.open(place).level(0), values


ASKED = Rules(0.6, 12, 400, 60, 2)


@pytest.mark.parametrize("block", [(10, 60, 70), (1, 60, 70), (3, 17, 32)])
def test_stored_on_one_worker_and_on_two_processes(
    stored: tuple[Volume, Array], tmp_path: Path, block: tuple[int, int, int], two: Client
) -> None:
    volume, values = stored
    expected = objects(values, ASKED)
    assert expected.max() > 3
    assert expected.max() != objects(values, replace(ASKED, min_area=0, max_area=4200)).max(), "areas matter here"
    for name, how in (("one", {"workers": 1}), ("two", {"client": two})):
        found = object_labels(volume, ASKED, str(tmp_path / name), block=block, progress=False, **how)
        np.testing.assert_array_equal(found.level(0).read(), expected)


@pytest.fixture(scope="module")
def two() -> Any:
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        yield client


def test_a_folder_goes_on_with_the_same_rules_and_refuses_others(stored: tuple[Volume, Array], tmp_path: Path) -> None:
    volume, values = stored
    folder = str(tmp_path)
    first = object_labels(volume, ASKED, folder, block=(4, 32, 32), progress=False)
    again = object_labels(volume, ASKED, folder, block=(4, 32, 32), progress=False)
    np.testing.assert_array_equal(again.level(0).read(), first.level(0).read())
    other = replace(ASKED, max_area=100)
    with pytest.raises(Conflict, match="overwrite=True"):
        object_labels(volume, other, folder, block=(4, 32, 32), progress=False)
    found = object_labels(volume, other, folder, block=(4, 32, 32), progress=False, overwrite=True)
    np.testing.assert_array_equal(found.level(0).read(), objects(values, other))


def places(labels: Array) -> list[tuple[int, ...]]:
    """Voxels, and the box of each object."""
    at = [np.argwhere(labels == i) for i in range(1, int(labels.max()) + 1)]
    return sorted((len(one), *one.min(axis=0), *(one.max(axis=0) + 1)) for one in at)


def found_places(ann: Any) -> list[tuple[int, ...]]:
    rows = [(one.keys["voxel_count"], one.bounds) for one in ann.where(kind="synapse")]
    return sorted((count, *(round(a / s) for end in (box.start, box.stop) for a, s in zip(end, SIZE, strict=True)))
                  for count, box in rows)  # fmt: skip


def test_a_model_whose_notes_hold_rules_finds_what_the_rules_find() -> None:
    brain = phantom((8, 160, 168), voxel_size=SIZE, seed=25, synapse_chance=0.9)
    held = Rules(threshold=0.4, min_area=40, max_area=160, min_size=60, min_sections=2)
    model = replace(Model.load(), voxel_size=SIZE, notes={"rules": asdict(held)})
    chance = probability(brain.volume("image"), model=model).read()
    expected, wider = objects(chance, held), objects(chance, replace(held, max_area=10**6))
    assert 0 < expected.max() != wider.max()
    ann = synapses(brain.volume("image"), model=model, block=(3, 50, 64), progress=False)
    assert found_places(ann) == places(expected)
    assert "min_area 2560, max_area 10240" in next(iter(ann.history())).note
    ann = synapses(brain.volume("image"), model=model, max_area=1e9, progress=False)
    assert found_places(ann) == places(wider)


def test_areas_are_in_nm(stored: tuple[Volume, Array]) -> None:
    volume, values = stored
    ann = synapses(volume, threshold=0.6, min_volume=60 * 2560, min_sections=2, min_area=12 * 64, max_area=400 * 64,
                   progress=False)  # fmt: skip
    assert found_places(ann) == places(objects(values, ASKED))
    assert synapses(volume, threshold=0.6, min_area=1e9, progress=False).count() == 0
    for low, high in ((200, 100), (-1, None)):
        with pytest.raises(BadRequest, match="no piece is so"):
            synapses(volume, min_area=low, max_area=high)


def test_what_is_kept_cannot_be_written(stored: tuple[Volume, Array], tmp_path: Path) -> None:
    from ndlab.detect.object_labels import _kept
    from ndlab.measure import components, unique

    pieces = components(stored[0], threshold=0.6, within="sections", out=str(tmp_path / "s.ome.zarr"), progress=False)
    table = unique(pieces)
    kept = _kept(pieces, table, table["size"] > 12)
    assert kept.dtype == bool
    with pytest.raises(ReadOnly, match="computed"):
        kept._stored.levels[0].array.write((0, 0, 0), np.zeros((1, 1, 1), bool))
