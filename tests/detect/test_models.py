"""Models as plain arrays: the same answers as what they were made from, and files that cannot lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import correlate
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

from ndlab.detect import Growth, Model, probability
from ndlab.detect.forest import Forest
from ndlab.detect.model import PHANTOM
from ndlab.detect.network.network import _BLOCKS, Network
from ndlab.detect.trees import grow
from ndlab.detect.working import reduced
from ndlab.errors import BadMetadata, BadRequest, NotFound
from ndlab.volume import Volume

Array = np.ndarray[Any, Any]


@pytest.fixture(scope="module")
def table() -> tuple[Array, Array]:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(1500, 6)).astype("f4")
    x[:, 3] = np.round(x[:, 3])  # values that thresholds fall between, and on
    return x, (x[:, 0] * x[:, 1] > 0.2).astype(int) + (x[:, 3] > 1)


@pytest.mark.parametrize("count", [2, 3])
def test_boosted_trees_give_scikit_learns_probabilities(table: tuple[Array, Array], count: int) -> None:
    x, y = table
    y = np.minimum(y, count - 1)
    grown = HistGradientBoostingClassifier(max_iter=15, random_state=0).fit(x, y)
    found = Forest.of(grown).probabilities(np.ascontiguousarray(x.T))
    np.testing.assert_allclose(found.T, grown.predict_proba(x), atol=1e-6)


def test_a_random_forest_gives_scikit_learns_probabilities(table: tuple[Array, Array]) -> None:
    x, y = table
    grown = RandomForestClassifier(30, max_features=3, random_state=0).fit(x, y > 0)
    found = Forest.of(grown).probabilities(np.ascontiguousarray(x.T))
    np.testing.assert_allclose(found[1], grown.predict_proba(x)[:, 1], atol=1e-6)
    some = np.array([5, 77, 1499])
    np.testing.assert_array_equal(Forest.of(grown).probabilities(np.ascontiguousarray(x.T), some), found[:, some])


def random_network(sections: int = 3, width: int = 4, classes: int = 3, seed: int = 0, finer: int = 1) -> Network:
    rng = np.random.default_rng(seed)
    w = [width, 2 * width, 4 * width, 4 * width]
    ends = {"down0": (sections * finer**2, w[0]), "down1": (w[0], w[1]), "down2": (w[1], w[2]), "down3": (w[2], w[3]),
            "up2": (w[3] + w[2], w[2]), "up1": (w[2] + w[1], w[1]), "up0": (w[1] + w[0], w[0])}  # fmt: skip
    weights: dict[str, Array] = {}
    for name, (a, b) in ends.items():
        for i in range(_BLOCKS[name]):
            weights[f"{name}/{i}/weight"] = (rng.normal(size=(b, a, 3, 3)) / np.sqrt(4.5 * a)).astype("f4")
            weights[f"{name}/{i}/bias"] = rng.normal(size=b).astype("f4") * 0.1
            a = b
    weights["head/weight"] = rng.normal(size=(classes, width)).astype("f4")
    weights["head/bias"] = rng.normal(size=classes).astype("f4")
    return Network(weights, finer)


def plain(net: Network, x: Array) -> Array:
    """Do what a network does, in double precision, by scipy."""

    def block(name: str, x: Array) -> Array:
        for i in range(_BLOCKS[name]):
            w, b = (net.weights[f"{name}/{i}/{what}"].astype(float) for what in ("weight", "bias"))
            x = np.stack([sum(correlate(c, k, mode="constant") for c, k in zip(x, one, strict=True)) for one in w])
            x = np.maximum(x + b[:, None, None], 0)
        return x

    kept = [block("down0", x)]
    for i in (1, 2, 3):
        n, ny, nx = kept[-1].shape
        kept.append(block(f"down{i}", kept[-1].reshape(n, ny // 2, 2, nx // 2, 2).max((2, 4))))
    x = kept.pop()
    for i in (2, 1, 0):
        x = block(f"up{i}", np.concatenate([x.repeat(2, 1).repeat(2, 2), kept.pop()]))
    scores = np.tensordot(net.weights["head/weight"].astype(float), x, 1) + net.weights["head/bias"][:, None, None]
    scores = np.exp(scores - scores.max(axis=0))
    chance: Array = scores / scores.sum(axis=0)
    return chance


def test_a_network_does_what_its_convolutions_say() -> None:
    net = random_network()
    image = np.random.default_rng(1).normal(size=(4, 32, 40)).astype("f4")
    found = net.predict(image)
    for z, near in ((0, [0, 0, 1]), (2, [1, 2, 3]), (3, [2, 3, 3])):
        np.testing.assert_allclose(found[:, z], plain(net, image[near].astype(float)), atol=2e-6)


def test_a_network_sees_finer_than_it_tells() -> None:
    net = random_network(finer=2)
    image = np.random.default_rng(1).normal(size=(4, 64, 79)).astype("f4")
    # Pixels of a larger one, row by row, section after section; the last column has half of its pixels, twice.
    whole = np.concatenate([image, image[..., -1:]], axis=2)
    channels = np.stack([whole[:, i::2, j::2] for i in (0, 1) for j in (0, 1)], 1)
    found = net.predict(image)
    assert found.shape == (3, 4, 32, 40)
    near = channels[[1, 2, 3]].reshape(-1, 32, 40)
    np.testing.assert_allclose(found[:, 2], plain(net, near.astype(float)), atol=2e-6)


def test_models_come_back_from_files_as_they_were(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    image = rng.normal(size=(3, 40, 40)).astype("f4")
    classes = (image > 1).astype("u1")
    trees = grow(image, classes, np.ones_like(image), Growth(first=2, second=3, leaves=7))
    for detector in (trees, random_network(), random_network(finer=2)):
        model = Model(detector, ("background", "other", "synapse")[-len(detector.predict(image)) :], (40, 8, 8), 8.0,
                      {"a": [1, "b"]})  # fmt: skip
        again = Model.load(model.save(tmp_path / "model.npz"))
        assert again.digest == model.digest
        assert (again.classes, again.voxel_size, again.pixel, again.notes) == (
            model.classes, model.voxel_size, model.pixel, model.notes)  # fmt: skip
        np.testing.assert_array_equal(again.detector.predict(image), detector.predict(image))


def test_files_that_are_no_model_or_were_changed_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"detect\.train"):
        Model.load(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(BadMetadata, match="no model"):
        Model.load(tmp_path / "text.npz")
    with np.load(PHANTOM) as held:
        arrays = dict(held)
    arrays["first/value"] = arrays["first/value"] * 2
    np.savez(tmp_path / "changed.npz", **arrays)
    with pytest.raises(BadMetadata, match="other arrays"):
        Model.load(tmp_path / "changed.npz")
    # A pickle is never read, whatever is in it.
    np.savez(tmp_path / "pickle.npz", head=np.array([{"format": 1}], dtype=object))
    with pytest.raises(BadMetadata):
        Model.load(tmp_path / "pickle.npz")


def test_the_model_that_is_shipped_is_small_and_says_what_it_has_seen() -> None:
    assert PHANTOM.stat().st_size < 300_000
    model = Model.load()
    assert model.notes["warning"] == "phantom-trained, not validated on EM"
    assert "phantom-trained" in repr(model)
    with pytest.raises(BadRequest, match="tells apart"):
        model.number("dog")


def two_models(image: Any, finer: int = 1) -> list[Model]:
    trees = grow(image, (image > 1).astype("u1"), np.ones_like(image), Growth(first=2, second=3, leaves=7))
    return [
        Model(one, ("background", "synapse"), (40, 8, 8), 8.0)
        for one in (trees, random_network(classes=2, finer=finer))
    ]


def test_models_together_are_their_geometric_mean_in_any_box(tmp_path: Path) -> None:
    image = np.random.default_rng(2).normal(size=(6, 48, 56)).astype("f4")
    parts = two_models(image)
    both = Model.load(Model.together(*parts).save(tmp_path / "both.npz"))
    a, b = (one.detector.predict(image).astype(float) for one in parts)
    odds = np.sqrt(a[1] * b[1]) / np.sqrt(np.maximum(a[0] * b[0], 1e-12))
    np.testing.assert_allclose(both.detector.predict(image)[1], odds / (1 + odds), atol=1e-3)
    volume = Volume.from_array((image * 40 + 128).clip(0, 255).astype("u1"), (40, 8, 8))
    chance = probability(volume, model=both)
    np.testing.assert_allclose(chance[1:4, 9:31, 17:50].read(), chance.read()[1:4, 9:31, 17:50], atol=1e-6)
    with pytest.raises(BadRequest, match="same classes"):
        Model.together(parts[0], Model.load())


def test_one_that_sees_finer_joins_one_that_does_not() -> None:
    fine = np.random.default_rng(5).normal(size=(4, 96, 99)).astype("f4")
    coarse = reduced(fine, 2)
    parts = two_models(coarse, 2)
    a, b = (one.detector.predict(seen)[1] for one, seen in zip(parts, (coarse, fine), strict=True))
    a, b = (one.clip(1e-5, 1 - 1e-5) for one in (a, b))
    odds = np.sqrt(a * b) / np.sqrt((1 - a) * (1 - b))
    both = Model.together(*parts)
    np.testing.assert_allclose(both.detector.predict(fine)[1], odds / (1 + odds), atol=1e-3)
    volume = Volume.from_array((fine * 40 + 128).clip(0, 255).astype("u1"), (40, 4, 4))
    for model in (both, Model.together(*parts, turns=8)):
        chance = probability(volume, model=model)
        np.testing.assert_allclose(chance[1:4, 19:62, 33:99].read(), chance.read()[1:4, 19:62, 33:99], atol=1e-5)
    with pytest.raises(BadRequest, match="sees pixels of 4 nm"):
        probability(Volume.from_array(np.zeros((4, 50, 50), "u1"), (40, 8, 8)), model=both)


def test_a_model_that_looks_from_eight_sides_gives_the_same_for_a_turned_volume_and_for_any_box(tmp_path: Path) -> None:
    image = np.random.default_rng(3).normal(size=(5, 40, 48)).astype("f4")
    parts = two_models(image)
    both = Model.together(*parts, turns=8, between=0.2)
    found = both.detector.predict(image)[1]
    turned = both.detector.predict(np.ascontiguousarray(np.rot90(image, 1, (1, 2))))[1]
    np.testing.assert_allclose(turned, np.rot90(found, 1, (1, 2)), atol=1e-5)
    once = Model.together(*parts).detector
    assert (
        np.abs(once.predict(np.ascontiguousarray(image[..., ::-1]))[1][..., ::-1] - once.predict(image)[1]).max() > 0.01
    )
    # Sides that are no multiple of the steps that its parts go in.
    volume = Volume.from_array((image[:, :37, :45] * 40 + 128).clip(0, 255).astype("u1"), (40, 8, 8))
    chance = probability(volume, model=Model.load(both.save(tmp_path / "both.npz")))
    np.testing.assert_allclose(chance[1:4, 9:31, 17:40].read(), chance.read()[1:4, 9:31, 17:40], atol=1e-6)


def test_neighbouring_sections_have_their_weight() -> None:
    image = np.random.default_rng(4).normal(size=(4, 32, 32)).astype("f4")
    network = two_models(image)[1]
    odds = [
        np.log(p[1] / p[0])
        for p in (network.detector.predict(image), Model.together(network, between=0.2).detector.predict(image))
    ]
    np.testing.assert_allclose(odds[1][1], 0.6 * odds[0][1] + 0.2 * (odds[0][0] + odds[0][2]), atol=1e-3)
    np.testing.assert_allclose(odds[1][0], 0.8 * odds[0][0] + 0.2 * odds[0][1], atol=1e-3)
    wrong: dict[str, Any]
    for wrong in ({"turns": 3}, {"between": 0.5}):
        with pytest.raises(BadRequest, match="turns"):
            Model.together(network, **wrong)
