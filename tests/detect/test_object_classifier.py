"""Pieces judged as wholes: what is asked of them, what is learnt, and the same in blocks as in an array."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
from skimage.measure import regionprops
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ndlab.detect import Model, ObjectClassifier, Overlaps, Rules, evaluate, match, objects, probability, synapses
from ndlab.errors import BadRequest
from ndlab.samples import phantom
from ndlab.volume import Volume
from tests.detect.test_object_labels import SIZE, found_places, places

Array = np.ndarray[Any, Any]
LOOSE = Rules(0.3, max_area=10**6, min_size=20)


def part(seed: int) -> tuple[Array, Array]:
    """Pieces small and certain or large and not quite: those whose sum is enough are true."""
    rng = np.random.default_rng(seed)
    chance, truth = rng.uniform(0, 0.25, (6, 240, 240)), np.zeros((6, 240, 240), int)
    for i in range(64):
        y, x = 30 * (i // 8) + 3, 30 * (i % 8) + 3
        side, odds = rng.integers(4, 27), rng.uniform(-0.8, 6)
        box = np.s_[rng.integers(0, 3) : rng.integers(3, 6), y : y + side, x : x + side]
        chance[box] = 1 / (1 + np.exp(-odds - rng.uniform(0, 0.3, chance[box].shape)))
        truth[box] = (i + 1) * (odds + 3 * np.log(side) > 10)
    return chance, truth


def told(chance: Array, truth: Array) -> tuple[Array, Array]:
    """What is known of pieces, by scikit-image, and which are right."""
    labels = objects(chance, LOOSE)
    rows = []
    for one in regionprops(labels, chance):
        seen = np.clip([one.intensity_max, one.intensity_mean], 1e-5, 1 - 1e-5)
        volume, sections = one.area * np.prod(SIZE), one.bbox[3] - one.bbox[0]
        rows.append([np.log(volume), *np.log(seen / (1 - seen)), np.log(sections)])
    return np.array(rows), match(Overlaps.of(labels, truth)).right


def test_it_is_scikit_learns_regression_on_what_scikit_image_measures() -> None:
    parts = [part(seed) for seed in (0, 1, 2)]
    found = ObjectClassifier.fit(parts, LOOSE, voxel_size=SIZE)
    x, right = (np.concatenate(one) for one in zip(*(told(*one) for one in parts), strict=True))
    oracle = make_pipeline(StandardScaler(), LogisticRegression(C=0.1)).fit(x, right)
    scores = found.scores(x)
    # The same but for where the line is drawn.
    np.testing.assert_allclose(np.ptp(scores - oracle.decision_function(x)), 0, atol=1e-6)
    chance, truth = part(3)
    labels = objects(chance, LOOSE)
    kept = found.of(labels, chance, SIZE)
    good = found.scores(told(chance, truth)[0]) > 0
    np.testing.assert_array_equal(np.unique(kept[kept > 0]), np.flatnonzero(good) + 1)
    assert (kept == labels)[kept > 0].all()


def test_it_knows_what_no_threshold_and_size_can_say() -> None:
    parts, (chance, truth) = [part(seed) for seed in range(6)], part(9)
    found = ObjectClassifier.fit(parts, LOOSE, voxel_size=SIZE)
    score = evaluate(chance, truth, rules=LOOSE, classifier=found, voxel_size=SIZE).f1
    rules = [
        evaluate(chance, truth, rules=Rules(t, 0, 10**6, n)).f1
        for t in (0.3, 0.6, 0.8, 0.9, 0.95)
        for n in (20, 200, 500)
    ]
    assert score > max(rules) + 0.03, (score, max(rules))
    assert ObjectClassifier.read(found.about()) == found
    nothing = np.zeros_like(truth, np.uint32)
    assert not found.of(nothing, chance, SIZE).any()


def test_the_line_is_drawn_where_others_would_draw_it() -> None:
    # Objects that no piece lies on are missed whatever is kept, so that it pays to keep a little more.
    parts = [part(seed) for seed in (0, 1)]
    more = [(chance, truth.copy()) for chance, truth in parts]
    for _, truth in more:
        truth[:, ::30, ::3] = 1000 + np.arange(8)[None, :, None] * 100 + np.arange(80)
    few, many = (ObjectClassifier.fit(one, LOOSE, voxel_size=SIZE) for one in (parts, more))
    assert many.offset > few.offset
    np.testing.assert_allclose(many.weights, few.weights, rtol=1e-6)


def test_blocks_find_what_an_array_has() -> None:
    brain = phantom((8, 160, 168), voxel_size=SIZE, seed=25, synapse_chance=0.9)
    held = Rules(threshold=0.3, max_area=10**6, min_size=20)
    model = replace(Model.load(), voxel_size=SIZE)
    chance = probability(brain.volume("image"), model=model).read()
    labels = objects(chance, held)
    classifier = ObjectClassifier(-21.0, (1.3, 0.2, 0.3, 0.5))
    kept = classifier.of(labels, chance, SIZE)
    expected = [labels == i for i in np.unique(kept[kept > 0])]
    assert 0 < len(expected) < labels.max()
    numbered = sum((i + 1) * one for i, one in enumerate(expected))
    noted = replace(model, notes={"rules": asdict(held), "classifier": classifier.about()})
    ann = synapses(brain.volume("image"), model=noted, block=(3, 50, 64), progress=False)
    assert found_places(ann) == places(np.asarray(numbered))
    assert "by the model's classifier" in next(iter(ann.history())).note
    # Of probabilities, the model that made them is asked, if it is given.
    volume = Volume.from_array(chance, SIZE)
    assert found_places(synapses(volume, model=noted, progress=False)) == places(np.asarray(numbered))
    # Rules that are given make other pieces.
    plain = synapses(brain.volume("image"), model=noted, threshold=0.3, progress=False)
    assert found_places(plain) == places(labels)
    assert "classifier" not in next(iter(plain.history())).note


def test_what_cannot_be_learnt_is_said() -> None:
    one = part(0)
    with pytest.raises(BadRequest, match="two parts"):
        ObjectClassifier.fit([one], LOOSE, voxel_size=SIZE)
    with pytest.raises(BadRequest, match="pieces of both kinds"):
        ObjectClassifier.fit([(one[0], one[1] * 0)] * 2, LOOSE, voxel_size=SIZE)
    with pytest.raises(BadRequest, match="voxel_size="):
        evaluate(*one, rules=LOOSE, classifier=ObjectClassifier(0.0, (1.0, 1.0, 1.0, 1.0)))
    sized = evaluate(Volume.from_array(one[0].astype("f4"), SIZE), one[1], rules=LOOSE,
                     classifier=ObjectClassifier(0.0, (1.0, 1.0, 1.0, 1.0)))  # fmt: skip
    assert sized.tp > 0
