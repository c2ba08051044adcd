"""Training from labels, classes and marks; VESICLE-RF and its inputs; scores of what comes out on another phantom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from ndlab.annotations import Annotations, Synapse
from ndlab.detect import Model, average_precision, probability, train
from ndlab.errors import BadRequest, Unsupported
from ndlab.samples import phantom
from ndlab.volume import Volume

Array = np.ndarray[Any, Any]
SEEN = phantom((8, 176, 176), voxel_size=(40, 8, 8), seed=35, synapse_chance=0.9)
UNSEEN = phantom((6, 128, 128), voxel_size=(40, 8, 8), seed=47, synapse_chance=0.9)
FEW: dict[str, Any] = {"first": 3, "second": 6, "leaves": 15, "samples": 4000}


def precision(model: Model) -> float:
    return average_precision(probability(UNSEEN.volume("image"), model=model).read(), UNSEEN.psd())


def test_trees_learn_from_labels_and_the_same_every_time(tmp_path: Path) -> None:
    truth = SEEN.psd()
    classes = {"membrane": SEEN.membranes() & (truth == 0)}
    model = train(
        SEEN.volume("image"), SEEN.volume("psd"), classes=classes, out=tmp_path / "m.npz", notes={"a": 1}, **FEW
    )
    assert model.classes == ("background", "membrane", "synapse")
    assert model.notes["a"] == 1
    assert precision(model) > 0.5
    assert Model.load(tmp_path / "m.npz").digest == model.digest
    assert train(SEEN.volume("image"), truth, classes=classes, **FEW).digest == model.digest


def test_what_is_hidden_is_not_learnt() -> None:
    truth, image = SEEN.psd(), SEEN.image()
    hidden = np.zeros(truth.shape, bool)
    hidden[:, :, 88:] = True
    lies = np.where(hidden, 1, truth)
    a, b = (train(Volume.from_array(image, (40, 8, 8)), one, dont_care=hidden, **FEW) for one in (truth, lies))
    assert a.digest == b.digest


def test_marks_are_learnt_and_correcting_them_helps() -> None:
    table = SEEN.synapses()
    ann = Annotations.temporary(SEEN.volume("image"))
    ann.add([Synapse(centroid=(row["z"], row["y"], row["x"])) for row in table[::2]])
    first = train(SEEN.volume("image"), ann, radius=100, **FEW)
    before = precision(first)
    assert before > 2 * (UNSEEN.psd() > 0).mean()
    # Mark the others too, and where the detector was wrong.
    ann.add([Synapse(centroid=(row["z"], row["y"], row["x"])) for row in table[1::2]])
    chance, near = probability(SEEN.volume("image"), model=first).read(), binary_dilation(SEEN.psd() > 0, iterations=10)
    for place in np.argwhere((chance > 0.5) & ~near)[::40]:
        ann.add([Synapse(centroid=tuple((place + 0.5) * SEEN.voxel_size), status="ignored")])
    second = train(SEEN.volume("image"), ann, radius=100, **FEW)
    assert precision(second) > before


def test_vesicle_rf_learns_with_its_own_inputs() -> None:
    model = train(SEEN.volume("image"), SEEN.psd(), method="vesicle", classes={"membrane": SEEN.membranes()}, trees=8)
    assert model.kind == "vesicle"
    found = probability(UNSEEN.volume("image"), model=model)
    whole = found.read()
    assert average_precision(whole, UNSEEN.psd()) > 3 * (UNSEEN.psd() > 0).mean()
    assert np.abs(found[2:5, 30:101, 50:120].read() - whole[2:5, 30:101, 50:120]).max() == 0


def test_what_teaches_nothing_is_refused() -> None:
    image = SEEN.volume("image")
    with pytest.raises(BadRequest, match="fewest"):
        train(image, np.zeros(SEEN.shape, bool))
    with pytest.raises(BadRequest, match="same voxels"):
        train(image, np.zeros((3, 4, 5), bool))
    with pytest.raises(BadRequest, match="near membranes"):
        train(image, SEEN.psd(), method="vesicle")
    with pytest.raises(BadRequest, match="vesicle"):
        train(image, SEEN.psd(), method="magic")  # type: ignore[arg-type]


def test_a_network_says_what_it_needs_where_pytorch_is_not() -> None:
    try:
        import torch  # noqa: F401
    except ImportError:
        with pytest.raises(Unsupported, match=r"ndlab\[ml\]"):
            train(SEEN.volume("image"), SEEN.psd(), method="network")
    else:
        model = train(SEEN.volume("image"), SEEN.psd(), method="network", steps=3, batch=1, patch=64, width=4)
        assert probability(UNSEEN.volume("image"), model=model)[:2, :32, :32].read().shape == (2, 32, 32)
        goes_on(model)
        finer = train(SEEN.volume("image"), SEEN.psd(), method="network", pixel=16, steps=2, batch=1, patch=64, width=4)
        assert finer.detector.finer == 2
        goes_on(finer, pixel=16)
        with pytest.raises(BadRequest, match="finer=3"):
            train(SEEN.volume("image"), SEEN.psd(), method="network", pixel=16, finer=3)


def goes_on(first: Model, **how: Any) -> None:
    from ndlab.detect.network.torch_net import Recipe, Trainer

    rng = np.random.default_rng(0)
    finer = first.detector.finer
    grey = rng.normal(size=(7, 128 * finer, 128 * finer)).astype("f4")
    classes = rng.integers(0, 2, (7, 128, 128))
    recipe = Recipe(width=4, finer=finer)
    again = Trainer(grey, classes, np.ones(classes.shape), recipe, first.detector.arrays()).arrays()
    for name, value in first.detector.arrays().items():
        np.testing.assert_allclose(again[name], value, atol=1e-5)
    second = train(SEEN.volume("image"), SEEN.psd(), method="network", start=first, steps=2, batch=1, patch=64, **how)
    assert second.notes["went_on_from"] == first.digest
    assert second.digest != first.digest


def test_only_a_network_goes_on_and_to_the_same_classes() -> None:
    with pytest.raises(BadRequest, match="only a network goes on"):
        train(SEEN.volume("image"), SEEN.psd(), start=Model.load())
