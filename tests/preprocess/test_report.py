"""The report's numbers, the plant's, and the command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ndlab import figures, preprocess
from ndlab.cli import main
from ndlab.errors import BadRequest
from ndlab.preprocess import correct, report
from ndlab.testing import plant_exposure
from ndlab.volume import open as open_volume
from tests.preprocess.stacks import stored, texture, volume


def test_the_table_says_what_numpy_says() -> None:
    before = texture((5, 64, 96))
    after = (before * 0.5).astype("u1")
    tiles = np.repeat([1, 2], 48)[None].repeat(64, 0)
    rows = {
        str(row["what"]): (row["before"], row["after"]) for row in report(volume(before), volume(after), tiles).table
    }
    means = [values.mean((1, 2), dtype=float) for values in (before, after)]
    assert rows["section means, deviation"] == pytest.approx([m.std() for m in means])
    assert rows["section means, jump"] == pytest.approx([np.abs(np.diff(m)).mean() for m in means])
    inner = np.diff(tiles, axis=1) == 0
    slopes = [
        np.concatenate([np.diff(v.astype(float), axis=1).ravel(), np.diff(v.astype(float), axis=2)[:, inner].ravel()])
        for v in (before, after)
    ]
    energy = [(s**2).sum() for s in slopes]
    assert rows["gradient energy, ratio"][1] == pytest.approx(energy[1] / energy[0])
    assert rows["gradient correlation"][1] == pytest.approx((slopes[0] @ slopes[1]) / np.sqrt(energy[0] * energy[1]))


def test_a_planted_step_is_measured() -> None:
    flat = np.full((3, 64, 96), 100.0)
    stepped = flat + np.where(np.arange(96) < 48, 0, [[[7.0]], [[-9.0]], [[2.0]]])
    tiles = np.repeat([1, 2], 48)[None].repeat(64, 0)
    rows = report(volume(stepped), volume(flat), tiles).table
    assert rows[rows["what"] == "seam step"]["before"][0] == pytest.approx(6.0)
    assert rows[rows["what"] == "seam step"]["after"][0] == 0


def test_both_have_to_be_of_one_extent() -> None:
    with pytest.raises(BadRequest, match="same voxels"):
        report(volume(texture((3, 32, 32))), volume(texture((2, 32, 32))))


def test_the_figure_has_all_panels() -> None:
    from matplotlib.figure import Figure

    stack = volume(texture((4, 64, 64)))
    figure = Figure(figsize=(7, 5))
    figures.correction(report(stack, stack, "none"), figure)
    assert [ax.get_ylabel() for ax in figure.axes if ax.images][::2] == ["xy", "xz", "yz"]
    assert "section means, deviation" in figure.axes[-1].texts[0].get_text()


def test_scores_of_the_truth_are_perfect_and_the_plant_is_its_seeds() -> None:
    truth = texture((4, 64, 80))
    one, same, other = (plant_exposure(truth, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.degraded, same.degraded)
    assert (one.degraded != other.degraded).any()
    scores = one.scores(truth)
    assert scores["psnr"] > 100
    assert scores["detail"] == pytest.approx(1)
    assert scores["seam_error"] == scores["low_rms"] == 0
    shifted = one.scores(np.minimum(truth, 245) + 10)
    assert shifted["psnr"] == pytest.approx(20 * np.log10(255 / 10), abs=0.2)
    assert shifted["psnr_mean_free"] > shifted["psnr"] + 10


def test_the_command_does_what_the_verb_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    planted = plant_exposure(texture((6, 128, 128)))
    stack = stored(planted.degraded, tmp_path / "stack")
    assert main(["correct", str(tmp_path / "stack"), str(tmp_path / "out"), "--quiet", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["chosen"]["tiles"] == 4
    np.testing.assert_array_equal(open_volume(tmp_path / "out").read(), correct(stack, progress=False).read())
    assert main(["correct", str(tmp_path / "stack"), str(tmp_path / "out"), "--quiet", "--seams", "none"]) == 2


def test_public_names_are_these() -> None:
    assert set(preprocess.__all__) >= {"correct", "fuse_seams", "match_tiles", "reorient", "report"}
    assert len(set(preprocess.__all__)) == len(preprocess.__all__)
    assert all(getattr(preprocess, name) is not None for name in preprocess.__all__)
