"""Probabilities: the same for any pieces, lazy or stored, and good on a phantom that no model has seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ndlab
from ndlab import detect, explore
from ndlab.detect import Model, Rules, average_precision, evaluate, probability, synapses, voxels
from ndlab.detect.working import Contrast, enlarged, reduced
from ndlab.errors import BadRequest, ReadOnly
from ndlab.samples import phantom
from ndlab.volume import Volume
from tests.detect.test_models import random_network

Array = np.ndarray[Any, Any]
BRAIN = phantom((8, 160, 168), voxel_size=(40, 8, 8), seed=25, synapse_chance=0.9)


@pytest.fixture(scope="module")
def image() -> Array:
    return BRAIN.image()


def model_of(kind: str) -> Model:
    if kind == "phantom":
        return Model.load()
    net = random_network(finer=2 if kind == "finer network" else 1)
    return Model(net, ("background", "other", "synapse"), (40, 8, 8), 16.0)


@pytest.fixture(scope="module", params=["phantom", "network", "finer network"])
def whole(request: pytest.FixtureRequest, image: Array) -> tuple[Volume, Array]:
    # The network works on pixels of two voxels here.
    lazy = probability(Volume.from_array(image, (40, 8, 8)), model=model_of(request.param))
    return lazy, lazy.read()


@given(data=st.data())
@settings(max_examples=12)
def test_any_box_is_what_the_whole_has_there(whole: tuple[Volume, Array], data: st.DataObject) -> None:
    lazy, expected = whole
    box = tuple(
        slice(*sorted(data.draw(st.lists(st.integers(0, n), min_size=2, max_size=2, unique=True)))) for n in lazy.shape
    )
    assert np.abs(lazy.view(box).read() - expected[box]).max() <= 1e-5


def test_a_stored_probability_is_the_lazy_one_whatever_the_blocks(
    whole: tuple[Volume, Array], tmp_path: Path, image: Array
) -> None:
    lazy, expected = whole
    model = lazy._stored.levels[0].array.model  # type: ignore[attr-defined]
    source = Volume.from_array(image, (40, 8, 8))
    for i, block in enumerate([(8, 160, 168), (4, 96, 64)]):
        stored = probability(
            source, model=model, out=tmp_path / f"{i}.ome.zarr", block=block, progress=False, workers=2
        )
        assert np.abs(stored.level(0).read() - expected).max() <= 1e-5
        made = stored.provenance["made"]["params"]["made"]
        assert made["digest"] == model.digest
        assert made["contrast"] == lazy.provenance["probability"]["contrast"]


def test_a_view_is_a_volume_of_its_own(image: Array) -> None:
    source = Volume.from_array(image, (40, 8, 8))
    part = probability(source[2:7, 40:130, 60:150], model=Model.load())
    alone = probability(Volume.from_array(image[2:7, 40:130, 60:150], (40, 8, 8)), model=Model.load())
    assert part.offset == (80.0, 320.0, 480.0)
    np.testing.assert_allclose(part.read(), alone.read(), atol=1e-5)


def test_classes_add_up_and_have_names() -> None:
    found = voxels(BRAIN.volume("image"))
    model = Model.load()
    assert [one.name for one in found.channels] == list(model.classes)
    values = found.isel(c=slice(0, len(model.classes)))[2:4, 50:100, 50:100].read()
    np.testing.assert_allclose(values.sum(axis=0), 1, atol=1e-4)
    one = probability(BRAIN.volume("image"), target="membrane")[2:4, 50:100, 50:100].read()
    np.testing.assert_array_equal(one, values[model.classes.index("membrane")])
    truth = BRAIN.membranes()[2:4, 50:100, 50:100]
    assert average_precision(one, truth) > 2 * truth.mean()


def test_synapses_of_an_unseen_phantom_are_found_with_their_places(tmp_path: Path) -> None:
    image = BRAIN.volume("image")
    chance = probability(image)
    found = evaluate(chance.read(), BRAIN.psd(), rules=Rules(0.5, 0, 10_000, 200), ignore_below=100)
    assert found.f1 > 0.75
    assert found.voxel_ap is not None
    assert found.voxel_ap > 0.6
    ann = synapses(image, out=tmp_path / "synapses", progress=False)
    again = synapses(chance, progress=False, work=tmp_path / "work", block=(4, 96, 64), workers=2)
    rows, more = (list(one.where(kind="synapse")) for one in (ann, again))
    assert len(rows) == len(more) > 3
    for one, same in zip(rows, more, strict=True):
        np.testing.assert_allclose(one.position or (), same.position or ())
        assert (one.bounds, one.keys["voxel_count"]) == (same.bounds, same.keys["voxel_count"])
        assert one.confidence == pytest.approx(same.confidence, abs=1e-5)
    last = next(iter(ann.history()))
    assert "phantom-trained, not validated on EM" in last.note
    assert Model.load().digest in last.note


def test_synapses_lie_where_the_labels_of_the_phantom_do() -> None:
    truth = BRAIN.psd()
    chance = Volume.from_array((truth > 0).astype("f4"), (40, 8, 8), offset=(400, 80, 8))
    ann = synapses(chance, min_volume=0, progress=False)
    from scipy.ndimage import label

    labels, count = label(
        truth, np.array([[[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.ones((3, 3)), [[0, 1, 0], [1, 1, 1], [0, 1, 0]]])
    )
    assert ann.count() == count
    size = np.array([40, 8, 8])
    expected = {
        tuple(np.round((np.argwhere(labels == i) + 0.5).mean(axis=0) * size + (400, 80, 8), 3))
        for i in range(1, count + 1)
    }
    assert {tuple(np.round(one.position or (), 3)) for one in ann.where(kind="synapse")} == expected


def test_contrast_is_found_and_does_not_matter() -> None:
    image = BRAIN.image()
    darker = Volume.from_array((image // 2 + 20).astype("u2"), (40, 8, 8))
    plain = probability(Volume.from_array(image, (40, 8, 8)))
    box = np.s_[3:6, 40:120, 40:120]
    assert np.corrcoef(plain.view(box).read().ravel(), probability(darker).view(box).read().ravel())[0, 1] > 0.95
    assert Contrast.of(darker).mean == pytest.approx(Contrast.of(plain_volume(image)).mean / 2 + 20, rel=0.02)


def plain_volume(image: Array) -> Volume:
    return Volume.from_array(image, (40, 8, 8))


@given(st.integers(1, 4), st.integers(3, 20), st.integers(3, 20))
@settings(max_examples=20)
def test_pixels_are_means_and_voxels_lie_between_their_middles(factor: int, ny: int, nx: int) -> None:
    values = np.random.default_rng(ny * nx).random((2, ny * factor, nx * factor)).astype("f4")
    coarse = reduced(values, factor)
    np.testing.assert_allclose(coarse, values.reshape(2, ny, factor, nx, factor).mean((2, 4)), rtol=1e-5)
    ramp = np.broadcast_to(np.arange(nx, dtype="f4"), (1, ny, nx)).copy()
    fine = enlarged(ramp, factor, (0, 0), (ny * factor, nx * factor), (0, 0))
    expected = np.clip((np.arange(nx * factor) + 0.5) / factor - 0.5, 0, nx - 1)
    np.testing.assert_allclose(fine[0, 0], expected, atol=1e-5)


def test_what_cannot_be_done_is_said() -> None:
    coarse = Volume.from_array(np.zeros((4, 20, 20), "u1"), (40, 40, 40))
    with pytest.raises(BadRequest, match="too small to see"):
        probability(coarse)
    with pytest.raises(BadRequest, match="several of c"):
        probability(Volume.from_array(np.zeros((2, 4, 20, 20), "u1"), (40, 8, 8)))
    with pytest.raises(BadRequest, match="threshold"):
        synapses(BRAIN.volume("image"), threshold=1.5)
    with pytest.raises(ReadOnly):
        probability(BRAIN.volume("image")).write(ndlab.Box((0, 0, 0), (1, 1, 1)), 1)


@pytest.mark.parametrize("verb", [probability, voxels, synapses, detect.membranes, detect.graph])
def test_a_verb_is_a_form_and_its_code_repeats_it(verb: Any) -> None:
    form = explore.cell(verb, BRAIN.volume("image"), workers=1, progress=False)
    assert form.code.endswith(f"result = detect.{verb.__name__}(volume, workers=1, progress=False)")


def test_a_form_of_probability_gives_what_the_call_gives() -> None:
    brain = phantom((4, 64, 64), voxel_size=(40, 8, 8), seed=3).volume("image")
    form = explore.cell(probability, brain, progress=False)
    form.start()
    assert np.array_equal(form.wait().read(), probability(brain).read())
    assert form.receipt is not None
    assert form.receipt.state == "done"
