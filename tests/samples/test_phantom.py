"""The phantom: the same for any chunking, true to its own truth, and the errors it promises."""

from __future__ import annotations

import multiprocessing
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from ndlab.errors import BadRequest, OutOfBounds, ReadOnly, TooLarge
from ndlab.samples import Phantom, phantom
from ndlab.samples.neuropil import rods
from ndlab.samples.phantom import What
from ndlab.store.arrays import Array
from tests.samples.nearest_rod import owner

EVERYTHING: tuple[What, ...] = ("image", "labels", "membranes", "mitochondria", "vesicles", "psd")
SIZES = [(8.0, 8.0, 8.0), (40.0, 4.0, 4.0), (30.0, 12.0, 12.0), (50.0, 64.0, 7.0)]


@pytest.fixture(scope="module")
def block() -> Phantom:
    return phantom((96, 256, 256), seed=5, synapse_chance=0.8)


@pytest.fixture(scope="module")
def truth(block: Phantom) -> dict[str, np.ndarray[Any, Any]]:
    return block.read_many(EVERYTHING)


# --- chunking -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("voxel_size", SIZES)
@given(data=st.data())
def test_any_box_is_a_cut_of_the_whole(voxel_size: tuple[float, float, float], data: st.DataObject) -> None:
    whole = _whole(voxel_size)
    start, stop = [], []
    for n in whole["image"].shape:
        a = data.draw(st.integers(0, n - 1))
        start.append(a)
        stop.append(data.draw(st.integers(a + 1, min(n, a + 40))))
    what = data.draw(st.sampled_from(EVERYTHING))
    box = tuple(map(slice, start, stop))
    assert np.array_equal(_made(voxel_size).read(what, start, stop), whole[what][box])


def _made(voxel_size: tuple[float, float, float]) -> Phantom:
    return phantom((70, 80, 90), voxel_size, seed=1)


_wholes: dict[Any, dict[str, np.ndarray[Any, Any]]] = {}


def _whole(voxel_size: tuple[float, float, float]) -> dict[str, np.ndarray[Any, Any]]:
    if voxel_size not in _wholes:
        _wholes[voxel_size] = _made(voxel_size).read_many(EVERYTHING)
    return _wholes[voxel_size]


def test_the_shape_of_the_phantom_does_not_matter() -> None:
    small, large = phantom((20, 30, 40), seed=9), phantom((200, 300, 400), seed=9)
    for what in ("image", "labels"):
        assert np.array_equal(small.read(what), large.read(what, (0, 0, 0), (20, 30, 40)))


def test_one_quantity_alone_equals_all_at_once(block: Phantom, truth: dict[str, np.ndarray[Any, Any]]) -> None:
    for what in EVERYTHING:
        assert np.array_equal(block.read(what), truth[what]), what


def test_parts_larger_than_one_rendering_join_without_a_seam() -> None:
    wide = phantom((3, 8, 700), seed=2)
    whole = wide.image()
    pieces = [wide.image((0, 0, x), (3, 8, min(x + 100, 700))) for x in range(0, 700, 100)]
    assert np.array_equal(np.concatenate(pieces, axis=2), whole)


def test_far_from_the_origin_a_hundred_tera_voxels_in() -> None:
    vast = phantom((100_000, 1_000_000, 1_000_000), voxel_size=(40, 4, 4), seed=3)
    start, stop = (99_980, 999_900, 999_900), vast.shape
    image = vast.image(start, stop)
    assert image.std() > 10
    assert np.array_equal(vast.image((99_985, 999_911, 999_933), stop), image[5:, 11:, 33:])
    assert len(np.unique(vast.labels(start, stop))) > 1


def test_threads_and_processes_agree(block: Phantom, truth: dict[str, np.ndarray[Any, Any]]) -> None:
    boxes = [((z, 0, 0), (z + 16, 256, 256)) for z in range(0, 96, 16)]
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda box: block.image(*box), boxes))
    assert np.array_equal(np.concatenate(parts), truth["image"])
    with multiprocessing.get_context("spawn").Pool(1) as processes:
        elsewhere = processes.apply(block.labels, ((10, 20, 30), (40, 60, 80)))
    assert np.array_equal(elsewhere, truth["labels"][10:40, 20:60, 30:80])


def test_another_seed_is_another_brain(block: Phantom, truth: dict[str, np.ndarray[Any, Any]]) -> None:
    other = phantom(block.shape, seed=6, synapse_chance=0.8)
    assert not set(np.unique(other.labels()).tolist()) & set(np.unique(truth["labels"]).tolist())
    assert np.array_equal(phantom(block.shape, seed=5, synapse_chance=0.8).image(), truth["image"])


# --- segmentation ---------------------------------------------------------------------------------------------


def test_labels_are_the_nearest_rods(block: Phantom, truth: dict[str, np.ndarray[Any, Any]]) -> None:
    """Every rod in a wide neighbourhood compared one by one, in plain Python."""
    rng = np.random.default_rng(0)
    disagree = 0
    for voxel in rng.integers(0, block.shape, (60, 3)).tolist():
        first, margin = owner(block, voxel)
        if truth["labels"][tuple(voxel)] != first:
            disagree += 1
            assert margin < 1e-4, "only where two rods are as near as single precision can tell"
    assert disagree <= 1


def test_ids_are_never_background_and_fit_a_double(truth: dict[str, np.ndarray[Any, Any]]) -> None:
    assert truth["labels"].min() > 0
    assert truth["labels"].max() < 2**52


def test_neurites_run_through_the_box_in_whole_pieces(truth: dict[str, np.ndarray[Any, Any]]) -> None:
    """A neurite is longer than the box, so each of its pieces leaves through a face: none floats inside."""
    labels = truth["labels"]
    edge = np.zeros(labels.shape, bool)
    edge[[0, -1]] = edge[:, [0, -1]] = edge[:, :, [0, -1]] = True
    floating = 0
    for number in np.unique(labels):
        pieces, n = ndimage.label(labels == number, np.ones((3, 3, 3)))
        floating += n - len(np.unique(pieces[edge & (labels == number)]))
    assert floating == 0


def test_kinds_follow_from_ids(block: Phantom, truth: dict[str, np.ndarray[Any, Any]]) -> None:
    ids = np.unique(truth["labels"])
    kinds = np.array(block.kinds(ids))
    assert set(kinds.tolist()) == {"axon", "dendrite"}
    size = {kind: np.isin(truth["labels"], ids[kinds == kind]).sum() / (kinds == kind).sum() for kind in set(kinds)}
    assert size["dendrite"] > size["axon"], "dendrites are the thicker ones"


# --- image ----------------------------------------------------------------------------------------------------


def test_membranes_part_the_neurites(truth: dict[str, np.ndarray[Any, Any]]) -> None:
    labels, membranes = truth["labels"], truth["membranes"]
    border = np.zeros(labels.shape, bool)
    for axis in range(3):
        differs = np.diff(labels.astype(np.int64), axis=axis) != 0
        low: list[slice] = [slice(None)] * 3
        high = list(low)
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        border[tuple(low)] |= differs
        border[tuple(high)] |= differs
    assert membranes[border].mean() > 0.95
    assert 0.05 < membranes.mean() < 0.3
    # Filling the cells that membranes enclose gives the neurites back: nearly every cell is one neurite.
    cells, n = ndimage.label(~ndimage.binary_dilation(membranes))
    sizes = ndimage.sum_labels(np.ones(cells.shape), cells, range(1, n + 1))
    pure = sum(size for i, size in enumerate(sizes, 1) if size > 500 and len(np.unique(labels[cells == i])) == 1)
    assert pure / sizes.sum() > 0.9


def test_what_is_dark_in_the_microscope_is_dark_here(truth: dict[str, np.ndarray[Any, Any]]) -> None:
    image = truth["image"].astype(float)
    organs = truth["membranes"] | truth["mitochondria"] | truth["vesicles"] | (truth["psd"] > 0)
    plasm = image[~organs].mean()
    assert 140 < plasm < 190
    assert image[truth["membranes"]].mean() < plasm - 40
    assert image[truth["psd"] > 0].mean() < image[truth["membranes"]].mean() - 15
    assert image[truth["mitochondria"]].mean() < plasm - 30
    assert 5 < image[~organs].std() < 40
    assert np.isin(image, (0, 255)).mean() < 0.001, "nothing is clipped"


def test_vesicles_are_in_the_axon_near_their_synapse(block: Phantom, truth: dict[str, np.ndarray[Any, Any]]) -> None:
    owners = np.unique(truth["labels"][truth["vesicles"]])
    assert len(owners)
    assert set(block.kinds(owners)) == {"axon"}


# --- synapses and graph -----------------------------------------------------------------------------------------


def test_the_table_counts_the_densities(block: Phantom, truth: dict[str, np.ndarray[Any, Any]]) -> None:
    table, psd, labels = block.synapses(), truth["psd"], truth["labels"]
    assert len(table) >= 5
    for row in table:
        where = np.nonzero(psd == row["id"])
        assert len(where[0]) == row["size"] > 0
        assert np.unique(labels[where]).tolist() == [row["post_id"]]
        centre = [(axis.mean() + 0.5) * v for axis, v in zip(where, block.voxel_size, strict=True)]
        assert np.allclose(centre, [row["z"], row["y"], row["x"]])
        near = ndimage.binary_dilation(psd == row["id"], iterations=5)
        assert row["pre_id"] in np.unique(labels[near])
    # A density that is in no table belongs to a synapse anchored outside, so it touches a face.
    for stray in set(np.unique(psd).tolist()) - {0} - set(table["id"].tolist()):
        (where,) = ndimage.find_objects((psd == stray).astype(int))
        assert any(s.start == 0 or s.stop == n for s, n in zip(where, psd.shape, strict=True))


def test_axons_synapse_on_dendrites(block: Phantom) -> None:
    table = block.synapses()
    assert set(block.kinds(table["pre_id"])) == {"axon"}
    assert set(block.kinds(table["post_id"])) == {"dendrite"}
    assert len(np.unique(table["id"])) == len(table)


def test_boxes_share_the_synapses_out(block: Phantom) -> None:
    whole = block.synapses()
    parts = []
    for z in (0, 41):
        for y in (0, 100, 101):
            stop = {0: 41, 41: 96}[z], {0: 100, 100: 101, 101: 256}[y], 256
            parts.append(block.synapses((z, y, 0), stop))
    joined = np.sort(np.concatenate(parts), order="id")
    assert np.array_equal(joined, whole)
    assert whole["id"].tolist() == sorted(whole["id"].tolist())


def test_density_is_that_of_neuropil() -> None:
    large = phantom((256, 512, 512), seed=0)
    density = len(large.synapses()) / (256 * 512 * 512 * 0.008**3)
    assert 0.8 < density < 3, "about one or two per cubic micrometre"


def test_no_chance_no_synapses() -> None:
    bare = phantom((64, 64, 64), synapse_chance=0)
    assert bare.synapses().shape == bare.graph().shape == (0,)
    assert not bare.psd().any()


def test_graph_sums_the_table(block: Phantom) -> None:
    table, edges = block.synapses(), block.graph()
    counted: dict[tuple[int, int], list[int]] = {}
    for row in table:
        entry = counted.setdefault((int(row["pre_id"]), int(row["post_id"])), [0, 0])
        entry[0] += 1
        entry[1] += int(row["size"])
    assert {(a, b): [n, size] for a, b, n, size in edges.tolist()} == counted


# --- as an array ------------------------------------------------------------------------------------------------


def test_behind_the_interface_of_an_array(block: Phantom, truth: dict[str, np.ndarray[Any, Any]]) -> None:
    array = block.as_array("labels", chunks=(32, 64, 512))
    assert isinstance(array, Array)
    assert (array.shape, array.chunks, array.shards) == (block.shape, (32, 64, 256), None)
    assert array.dtype == np.uint64
    again = pickle.loads(pickle.dumps(array))
    assert again == array
    assert len(pickle.dumps(array)) < 1000
    out = np.zeros((20, 21, 22), np.uint64)
    assert again.read((1, 2, 3), (21, 23, 25), out) is out
    assert np.array_equal(out, truth["labels"][1:21, 2:23, 3:25])
    with pytest.raises(ReadOnly, match="ingest it into a store first"):
        array.write((0, 0, 0), out)


@pytest.mark.parametrize("what", EVERYTHING)
def test_reads_into_part_of_a_larger_array(block: Phantom, truth: dict[str, np.ndarray[Any, Any]], what: Any) -> None:
    frame = np.zeros((10, 30, 60), truth[what].dtype)
    block.read(what, (5, 6, 7), (10, 16, 27), frame[::2, ::3, 5:25])
    assert np.array_equal(frame[::2, ::3, 5:25], truth[what][5:10, 6:16, 7:27])
    assert not frame[1::2].any()


def test_as_a_volume(block: Phantom, truth: dict[str, np.ndarray[Any, Any]]) -> None:
    vol = block.volume("image")
    assert vol.voxel_size == (8, 8, 8)
    assert np.array_equal(vol[3:9, 5:20, 7:40].read(), truth["image"][3:9, 5:20, 7:40])
    assert np.array_equal(vol.nm[24:72, 40:160, 56:320].read(), truth["image"][3:9, 5:20, 7:40])


def test_compiles_where_nothing_can_be_kept_on_disk() -> None:
    """A function without a file has no place for a cache, like a package in a folder that cannot be written."""
    made: dict[str, Any] = {}
    exec(compile("def twice(x):\n    return 2 * x\n", "nowhere", "exec"), made)
    assert rods.jit(made["twice"])(21) == 42


# --- mistakes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: phantom((8, 8, 8), seed=-1), "from 0 to 2"),
        (lambda: phantom((8, 8, 8), synapse_chance=1.5), "probability, 0 to 1"),
        (lambda: phantom((8, 8, 8), voxel_size=(700, 8, 8)), "cell=2100 or more"),
        (lambda: phantom((8, 8, 8), voxel_size=(0, 8, 8)), "three positive numbers"),
        (lambda: phantom((8, 8)), "three whole numbers"),
        (lambda: phantom((10**7, 8, 8)), "ids last for 19.2 mm"),
        (lambda: phantom((8, 8, 8)).read("axons"), "it has image, labels"),  # type: ignore[arg-type]
        (lambda: phantom((8, 8, 8)).as_array("axons"), "it has image, labels"),  # type: ignore[arg-type]
        (lambda: phantom((8, 8, 8)).kinds([12345]), "no neurite with that id"),
        (lambda: phantom((8, 8, 8)).read("image", out=np.zeros((8, 8, 8), "u2")), "holds .8, 8, 8. uint8"),
    ],
)
def test_bad_requests(make: Any, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        make()


def test_a_box_that_leaves_the_phantom() -> None:
    with pytest.raises(OutOfBounds, match=r"spans \(0, 0, 0\) to \(8, 8, 8\)"):
        phantom((8, 8, 8)).image((0, 0, 0), (9, 8, 8))


def test_the_whole_of_something_vast() -> None:
    with pytest.raises(TooLarge, match="use as_array"):
        phantom((100_000, 1_000_000, 1_000_000), voxel_size=(40, 4, 4)).image()
