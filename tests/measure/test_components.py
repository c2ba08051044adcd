"""Components against scipy, number by number, for any cut into blocks, any order, and after any failure."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.measure import label as skimage_label

import ndlab
from ndlab import measure
from ndlab.errors import BadRequest, Conflict, ReadOnly, RunFailed, TooLarge
from ndlab.geometry import Box, Grid
from ndlab.measure import labelling
from ndlab.measure.joining import Forest, numbered
from ndlab.measure.labels_out import check_count
from ndlab.pipeline import BlockStep
from ndlab.samples import phantom, toy
from ndlab.store import kv
from ndlab.volume import Volume
from tests.measure.oracles import BLOCKS, OFFSET, SHAPES, VOXEL_SIZE, Array, label_arrays, labels_volume
from tests.servers import S3Server, serving

CONNECTIVITY = st.sampled_from([1, 2, 3])


def scipy_labels(mask: Array, connectivity: int) -> Array:
    found: Array = ndimage.label(mask, ndimage.generate_binary_structure(3, connectivity))[0]
    return found


def pieces_of_each_label(values: Array, connectivity: int) -> Array:
    """Each label's components by scipy, then all of them in the order of their first voxels."""
    every = np.zeros(values.shape, np.int64)
    for number in np.unique(values[values != 0]):
        found = scipy_labels(values == number, connectivity)
        every[found > 0] = found[found > 0] + every.max()
    ids, first = np.unique(every, return_index=True)
    order = np.argsort(first[ids > 0])
    rank = np.zeros(every.max() + 1, np.int64)
    rank[(ids[ids > 0])[order]] = np.arange(1, len(order) + 1)
    return rank[every]


@st.composite
def masks(draw: st.DrawFn) -> Array:
    shape = draw(SHAPES)
    density = draw(st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.8, 1.0]))
    return np.random.default_rng(draw(st.integers(0, 2**32))).random(shape) < density


@given(masks(), BLOCKS, CONNECTIVITY)
def test_equals_scipy_number_by_number(mask: Array, block: tuple[int, int, int], connectivity: int) -> None:
    volume = Volume.from_array(mask, VOXEL_SIZE, offset=OFFSET)
    found = measure.components(volume, connectivity=connectivity, block=block)
    truth = scipy_labels(mask, connectivity)
    np.testing.assert_array_equal(found.read(), truth)
    assert found.provenance["components"] == truth.max()
    assert (found.kind, found.voxel_size, found.offset) == ("labels", VOXEL_SIZE, OFFSET)
    assert found.dtype == np.uint32


@given(label_arrays(), BLOCKS, CONNECTIVITY)
def test_pieces_of_each_label(values: Array, block: tuple[int, int, int], connectivity: int) -> None:
    found = measure.components(labels_volume(values), connectivity=connectivity, block=block).read()
    np.testing.assert_array_equal(found, pieces_of_each_label(values, connectivity))
    if values.dtype.itemsize < 8 and values.dtype.isnative and values.min() >= 0:
        np.testing.assert_array_equal(found, skimage_label(values, connectivity=connectivity, background=0))


@given(label_arrays(), BLOCKS, CONNECTIVITY)
@settings(max_examples=25)
def test_pieces_of_each_section(values: Array, block: tuple[int, int, int], connectivity: int) -> None:
    volume, count = labels_volume(values), 0
    found = measure.components(volume, connectivity=connectivity, within="sections", block=block).read()
    above = measure.components(volume, connectivity=connectivity, within="sections", by_label=False, block=block).read()
    flat = ndimage.generate_binary_structure(3, connectivity) & np.array([False, True, False])[:, None, None]
    np.testing.assert_array_equal(above, ndimage.label(values != 0, flat)[0])
    for section, one in zip(values, found, strict=True):
        expected = pieces_of_each_label(section[None], connectivity)[0]
        np.testing.assert_array_equal(one, np.where(expected, expected + count, 0))
        count += expected.max()


@given(label_arrays(), BLOCKS)
def test_labels_taken_together(values: Array, block: tuple[int, int, int]) -> None:
    found = measure.components(labels_volume(values), by_label=False, block=block).read()
    np.testing.assert_array_equal(found, scipy_labels(values != 0, 1))


@pytest.mark.parametrize("dtype", ["u1", "i2", "f4", "f8"])
def test_above_a_threshold(dtype: str) -> None:
    image = np.random.default_rng(3).normal(100, 20, (12, 13, 14)).astype(dtype)
    volume = Volume.from_array(image, (1, 1, 1))
    found = measure.components(volume, threshold=110, connectivity=2, block=5)
    np.testing.assert_array_equal(found.read(), scipy_labels(image > 110, 2))


@pytest.mark.parametrize("connectivity", [1, 2, 3])
def test_a_snake_through_every_block(connectivity: int) -> None:
    """One component that winds through all blocks: every union is along the worst path."""
    mask = np.zeros((3, 9, 40), bool)
    mask[1, ::2] = True
    mask[1, 1::4, -1] = mask[1, 3::4, 0] = True
    found = measure.components(Volume.from_array(mask, (1, 1, 1)), connectivity=connectivity, block=(1, 1, 2))
    assert found.provenance["components"] == 1
    np.testing.assert_array_equal(found.read(), mask)


def test_neighbours_across_an_edge_and_a_corner_of_blocks() -> None:
    """Two voxels that meet only where blocks do, in each of the 13 directions there are."""
    for step in sorted(itertools.product((-1, 0, 1), repeat=3))[14:]:
        mask = np.zeros((4, 4, 4), bool)
        a = [1 if s >= 0 else 2 for s in step]
        mask[tuple(a)] = mask[tuple(i + s for i, s in zip(a, step, strict=True))] = True
        for connectivity in (1, 2, 3):
            found = measure.components(Volume.from_array(mask, (1, 1, 1)), connectivity=connectivity, block=2)
            np.testing.assert_array_equal(found.read(), scipy_labels(mask, connectivity), err_msg=str(step))


def test_real_segmentations(shared_data: Path) -> None:
    pinky = ndlab.open(shared_data / "pinky_segmentation" / "zarr3_sharded.ome.zarr")[:128]
    found = measure.components(pinky, block=(50, 128, 100)).read()
    np.testing.assert_array_equal(found, skimage_label(pinky.read().astype(np.int64), connectivity=1, background=0))
    assert found.max() > len(np.unique(pinky.read())), "some segments are in several pieces here"
    gala = ndlab.open(shared_data / "gala_fibsem_mini" / "train-gt.lzf.h5", voxel_size=(10, 10, 10))
    mask = gala.read() != 0
    for connectivity in (1, 2, 3):
        found = measure.components(gala, by_label=False, connectivity=connectivity, block=(20, 33, 64)).read()
        np.testing.assert_array_equal(found, scipy_labels(mask, connectivity))


# --- a store ------------------------------------------------------------------------------------------------------


@pytest.fixture
def membranes() -> Volume:
    return phantom((20, 50, 70), seed=3, cell=150).volume("membranes")


def voxels(path: Path) -> dict[str, bytes]:
    """Every file of the store but ndlab's own records."""
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in sorted(path.rglob("*"))
        if file.is_file() and ".ndlab" not in file.parts
    }


def test_a_store_with_levels_that_any_reader_opens(tmp_path: Path, membranes: Volume) -> None:
    import zarr

    out = tmp_path / "cells.zarr"
    found = measure.components(membranes, out=str(out), block=(16, 32, 32), workers=2)
    truth = scipy_labels(membranes.read(), 1)
    np.testing.assert_array_equal(found.read(), truth)
    group: Any = zarr.open_group(out, mode="r")
    np.testing.assert_array_equal(group["0"][:], truth)
    assert group["0"].shards == (16, 32, 32)
    assert found.kind == "labels"
    assert found.provenance["components"] == truth.max()
    assert found.provenance["connectivity"] == 1
    assert not found.level(1).stale
    assert found.voxel_size == membranes.voxel_size
    assert not (out / ".ndlab" / "components").exists(), "what passes left each other is gone"
    receipt = json.loads((out / ".ndlab" / "runs" / "components-receipt.json").read_text())
    assert receipt["complete"]
    assert [run["done"] for run in receipt["runs"][:3]] == [len(Grid((20, 50, 70), (16, 32, 32)))] * 3
    assert "python" in receipt["environment"]


def test_the_box_decides_where_the_result_lies(tmp_path: Path) -> None:
    brain = toy()
    box = Box((2, 3, 5), (8, 20, 28))
    found = measure.components(brain.volume("labels"), box=box, out=str(tmp_path / "c"), block=6)
    assert found.offset == (200, 150, 250)
    np.testing.assert_array_equal(found.read(), pieces_of_each_label(brain.labels[box.slices], 1))
    memory = measure.components(brain.volume("labels"), box=box)
    assert memory.offset == found.offset
    np.testing.assert_array_equal(memory.read(), found.read())


@pytest.mark.parametrize("broken", ["label_block", "join_block", "write_block"])
def test_a_failed_run_goes_on_to_the_same_bytes(
    tmp_path: Path, membranes: Volume, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure.components(membranes, out=str(tmp_path / "whole"), block=(10, 20, 20))
    out = tmp_path / "broken"
    works, full = getattr(labelling, broken), True
    done: list[Box] = []

    def sometimes(block: Box, **params: Any) -> None:
        if full and block.start == (10, 20, 40):
            raise OSError("the disk is full")
        works(block, **params)
        done.append(block)

    monkeypatch.setattr(labelling, broken, sometimes)
    with pytest.raises(RunFailed, match="the disk is full"):
        measure.components(membranes, out=str(out), block=(10, 20, 20), workers=2)
    assert done
    full = False
    measure.components(membranes, out=str(out), block=(10, 20, 20), workers=2)
    assert len(done) == len(set(done)) == len(Grid((20, 50, 70), (10, 20, 20))), "each block is done once"
    assert voxels(out) == voxels(tmp_path / "whole")


def test_a_run_that_is_killed_goes_on(tmp_path: Path, membranes: Volume) -> None:
    """The process ends in the middle of each pass, as `kill -9` would end it."""
    import subprocess
    import sys

    measure.components(membranes, out=str(tmp_path / "whole"), block=10)
    out = tmp_path / "killed"
    for method, prefix, moment in (("write", "starts/", 50), ("write", "pairs/", 30), ("read", "numbers/", 66)):
        code = f"""if True:
            import itertools, os
            from ndlab import measure
            from ndlab.samples import phantom
            from ndlab.store.kv import Kv
            works, calls = Kv.{method}, itertools.count(1)
            def dying(kv, key, *args):
                if key.startswith({prefix!r}) and next(calls) == {moment}:
                    os._exit(9)
                return works(kv, key, *args)
            Kv.{method} = dying
            volume = phantom((20, 50, 70), seed=3, cell=150).volume("membranes")
            measure.components(volume, out={str(out)!r}, block=10)
        """
        done = subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[2])
        assert done.returncode == 9
    measure.components(membranes, out=str(out), block=10)
    assert voxels(out) == voxels(tmp_path / "whole")


def test_a_finished_result_is_opened_again(tmp_path: Path, membranes: Volume) -> None:
    out = str(tmp_path / "c")
    measure.components(membranes, out=out, block=20)
    seen: list[Any] = []
    again = measure.components(membranes, out=out, block=20, progress=seen.append)
    assert not seen
    np.testing.assert_array_equal(again.read(), scipy_labels(membranes.read(), 1))


def test_other_settings_or_changed_voxels_are_refused_until_told(tmp_path: Path, membranes: Volume) -> None:
    out = str(tmp_path / "c")
    source = ndlab.ingest(membranes.read().astype("u1"), tmp_path / "source.zarr", (8, 8, 8), progress=False)
    measure.components(source, out=out)
    with pytest.raises(Conflict, match="these differ: connectivity"):
        measure.components(source, out=out, connectivity=3)
    source.write(Box((0, 0, 0), (20, 20, 20)), 0)
    with pytest.raises(Conflict, match="the voxels of the source"):
        measure.components(source, out=out)
    found = measure.components(source, out=out, connectivity=3, overwrite=True)
    np.testing.assert_array_equal(found.read(), scipy_labels(source.read(), 3))


def test_two_at_once_are_refused(tmp_path: Path, membranes: Volume) -> None:
    out = str(tmp_path / "c")

    def another(progress: Any) -> None:
        with pytest.raises(Conflict, match="held by another Run"):
            measure.components(membranes, out=out, block=20)

    found = measure.components(membranes, out=out, block=20, progress=another)
    np.testing.assert_array_equal(found.read(), scipy_labels(membranes.read(), 1))


def test_other_runs_that_write_there_are_refused_and_refuse_it(tmp_path: Path, membranes: Volume) -> None:
    out = str(tmp_path / "c")
    refused: list[bool] = []

    def invert(into: Volume, progress: Any = None) -> None:
        source = Volume.from_array(np.ones(into.shape, into.dtype), into.voxel_size)
        BlockStep("invert", np.invert, inputs=source, output=into).plan(progress=progress, client=False).run()

    def during(progress: Any) -> None:
        if progress.step == "components: write" and not refused:
            with pytest.raises(Conflict, match=r"components .* is writing"):
                invert(ndlab.open(out))
            refused.append(True)

    found = measure.components(membranes, out=out, block=20, progress=during)
    assert refused
    np.testing.assert_array_equal(found.read(), scipy_labels(membranes.read(), 1))

    def meanwhile(progress: Any) -> None:
        with pytest.raises(Conflict, match=r"'invert' .* is writing"):
            measure.components(membranes, out=out, block=20, connectivity=2, overwrite=True)
        refused.append(True)

    invert(found, meanwhile)
    assert len(refused) > 1
    assert (ndlab.open(out).read() == np.invert(np.uint32(1))).all(), "nothing was removed"


def test_what_is_in_the_way_stays(tmp_path: Path, membranes: Volume) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("\\end{document}")
    for overwrite in (False, True):
        with pytest.raises(Conflict, match="something is at"):
            measure.components(membranes, out=str(tmp_path / "mine"), overwrite=overwrite)
    store = ndlab.ingest(np.ones((4, 4, 4), "u1"), tmp_path / "store.zarr", (1, 1, 1), progress=False)
    before = voxels(tmp_path / "store.zarr")
    with pytest.raises(Conflict, match="overwrite=True"):
        measure.components(membranes, out=store.url)
    with pytest.raises(BadRequest, match="one would be inside the other"):
        measure.components(store, out=store.url + "/components", overwrite=True)
    assert voxels(tmp_path / "store.zarr") == before
    with pytest.raises(ReadOnly):
        measure.components(membranes, out="https://example.org/components")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "store.zarr"]


def test_over_s3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, membranes: Volume) -> None:
    with serving(S3Server("brain")) as server:
        for name, value in (
            ("no_proxy", "127.0.0.1"),
            ("NO_PROXY", "127.0.0.1"),
            ("AWS_ENDPOINT_URL", server.url),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("XDG_STATE_HOME", str(tmp_path)),
        ):
            monkeypatch.setenv(name, value)
        kv._opened.cache_clear()
        found = measure.components(membranes, out="s3://brain/cells.zarr", block=(16, 32, 32), workers=2)
        np.testing.assert_array_equal(found.read(), scipy_labels(membranes.read(), 1))
        assert not [key for key in kv.Kv("s3://brain/cells.zarr").list(".ndlab/") if "components/" in key]
        again = measure.components(
            membranes, out="s3://brain/cells.zarr", block=(16, 32, 32), connectivity=3, overwrite=True
        )
        np.testing.assert_array_equal(again.read(), scipy_labels(membranes.read(), 3))
        kv._opened.cache_clear()


def test_on_a_cluster(tmp_path: Path) -> None:
    from distributed import Client, LocalCluster

    block = phantom((24, 48, 48), seed=5, cell=150)
    with LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=":0") as cluster, Client(cluster):
        found = measure.components(block.volume("membranes"), out=str(tmp_path / "c"), block=20, connectivity=2)
        here = measure.components(block.volume("membranes"), block=20, connectivity=2)
    truth = scipy_labels(block.membranes(), 2)
    np.testing.assert_array_equal(found.read(), truth)
    np.testing.assert_array_equal(here.read(), truth)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"connectivity": 6}, "6, 18 or 26 neighbours"),
        ({"by_label": True, "threshold": 3}, "leave one of them out"),
        ({"by_label": True}, "ids are whole numbers"),
        ({"box": Box((0, 0, 0), (0, 2, 2))}, "choose a larger box"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, options: Any, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        measure.components(Volume.from_array(np.ones((2, 2, 2)), (1, 1, 1)), out=str(tmp_path / "c"), **options)
    assert not list(tmp_path.iterdir()), "nothing was written"


def test_a_result_that_does_not_fit_into_memory_is_refused() -> None:
    vast = phantom((10_000, 100_000, 100_000), voxel_size=(40, 4, 4)).volume("membranes")
    with pytest.raises(TooLarge, match="pass out="):
        measure.components(vast)


def test_more_components_than_32_bits_count_are_refused_in_memory() -> None:
    check_count(2**32 - 1)
    with pytest.raises(TooLarge, match=r"4294967296 components[\s\S]*pass out="):
        check_count(2**32)


# --- joining ------------------------------------------------------------------------------------------------------


@given(st.integers(2, 60), st.data())
@settings(max_examples=30)
def test_a_forest_does_not_mind_the_order_of_pairs(n: int, data: st.DataObject) -> None:
    pairs = data.draw(st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), min_size=1, max_size=80))
    names = np.unique(np.random.default_rng(n).integers(0, 2**63, 3 * n).astype(np.uint64))[:n] * np.uint64(2)
    graph = np.zeros((n, n), bool)
    for a, b in pairs:
        graph[a, b] = True
    from scipy.sparse.csgraph import connected_components

    _, group = connected_components(graph, directed=False)
    random.Random(n).shuffle(pairs)
    forest = Forest()
    for a, b in pairs:
        forest.add(np.array([[names[b], names[a]]]))
        if data.draw(st.booleans()):
            forest.settle()
    forest.settle()
    touched = sorted({i for pair in pairs for i in pair})
    assert forest.nodes.tolist() == names[touched].tolist()
    assert forest.roots.tolist() == [names[group == group[i]].min() for i in touched]


def test_numbers_pass_layers_by() -> None:
    """A component of the first layer that comes back in the third; others that begin between."""
    forest = Forest()
    forest.add(np.array([[2, 11], [11, 25], [13, 21]], np.uint64))
    forest.settle()
    layers = [(0, [[0, 2], [1]]), (10, [[11], [13, 15]]), (20, [[21], [25, 26]])]
    found = list(numbered(iter([(a, [np.array(b, np.uint64) for b in blocks]) for a, blocks in layers]), forest))
    assert [[block.tolist() for block in layer] for layer in found] == [[[1, 3], [2]], [[3], [4, 5]], [[4], [3, 6]]]
