"""Exposure found and taken out: planted damage undone, clean stacks left alone, real ones evened."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ndlab import preprocess
from ndlab.errors import BadRequest
from ndlab.preprocess import correct, exposure
from ndlab.testing import plant_exposure
from tests.preprocess.stacks import Array, larva, stored, texture, volume


@pytest.fixture(scope="module")
def truth() -> Array:
    return texture((12, 256, 256))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_planted_exposure_is_undone(truth: Array, seed: int) -> None:
    planted = plant_exposure(truth, seed)
    before, after = (
        planted.scores(planted.degraded),
        planted.scores(correct(volume(planted.degraded), progress=False).read()),
    )
    assert after["psnr_mean_free"] > before["psnr_mean_free"] + 10
    assert after["seam_error"] < before["seam_error"] / 4
    assert after["detail"] > 0.998
    assert after["jump"] < 0.5


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_planted_exposure_of_a_real_stack_is_undone(shared_data: Path, seed: int) -> None:
    planted = plant_exposure(larva(shared_data), seed)
    stack = volume(planted.degraded)
    after = correct(stack, progress=False)
    found = planted.scores(after.read())
    assert found["psnr"] >= 33
    assert found["detail"] >= 0.998
    assert found["seam_error"] < 2, "tissue alone steps by 2 grey levels there, which nobody can tell from exposure"
    rows = preprocess.report(stack, after, planted.tiles).table
    step = rows["what"] == "seam step"
    assert rows["before"][step] > 8
    assert rows["after"][step] <= 1


def test_a_clean_real_stack_comes_back(shared_data: Path) -> None:
    truth = larva(shared_data)
    planted = plant_exposure(truth)
    for seams in (None, planted.tiles):
        found = planted.scores(correct(volume(truth), seams=seams, progress=False).read())
        assert found["psnr"] >= 39
        assert found["detail"] >= 0.999


def test_a_clean_stack_comes_back(truth: Array) -> None:
    planted = plant_exposure(truth)
    for seams in (None, planted.tiles):
        assert planted.scores(correct(volume(truth), seams=seams, progress=False).read())["psnr"] > 39


def test_exposure_of_isbi_sections_is_evened_and_detail_stays(shared_data: Path) -> None:
    from PIL import Image

    files = sorted((shared_data / "isbi2012_vnc" / "image").iterdir())
    stack = volume(np.stack([np.array(Image.open(file)) for file in files]))
    rows = preprocess.report(stack, correct(stack, progress=False), "none").table
    values = {str(row["what"]): (row["before"], row["after"]) for row in rows}
    before, after = values["section means, deviation"]
    assert before > 9
    assert after < before / 10
    assert values["gradient correlation"][1] >= 0.99


@settings(max_examples=8)
@given(st.integers(1, 9), st.integers(8, 80), st.integers(8, 80))
def test_no_block_shows(z: int, y: int, x: int) -> None:
    from ndlab.measure.blocks import How
    from ndlab.preprocess.chromatic import _developed
    from ndlab.preprocess.written import write

    planted = plant_exposure(texture((7, 64, 70), 3))
    stack = volume(planted.degraded)
    whole = correct(stack, seams=planted.tiles, fuse=False, progress=False).read()
    found = exposure(stack, seams=planted.tiles, progress=False)
    blocks = write("correct", _developed, stack, {"exposure": found}, None, How(progress=False), block=(z, y, x)).read()
    np.testing.assert_array_equal(blocks, whole)


def test_the_survey_does_not_depend_on_how_it_is_cut(truth: Array, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = plant_exposure(truth[:5])
    stack = volume(planted.degraded)
    whole = exposure(stack, seams=planted.tiles, progress=False)
    monkeypatch.setattr("ndlab.preprocess.survey._ROWS", 40 * 256)
    cut = exposure(stack, seams=planted.tiles, progress=False)
    np.testing.assert_array_equal(cut.gain, whole.gain)
    np.testing.assert_array_equal(cut.offset, whole.offset)
    np.testing.assert_array_equal(cut.low, whole.low)
    assert cut.chosen == whole.chosen


def test_in_memory_and_in_a_store_are_the_same_and_say_what_was_chosen(truth: Array, tmp_path: Path) -> None:
    planted = plant_exposure(truth[:6])
    stack = stored(planted.degraded, tmp_path / "stack")
    found = correct(stack, out=str(tmp_path / "out"), progress=False)
    np.testing.assert_array_equal(found.read(), correct(volume(planted.degraded), progress=False).read())
    assert found.voxel_size == stack.voxel_size
    assert len(found.levels) > 1
    made = found.provenance["made"]
    assert made["inputs"]["0"]["uri"] == stack.url
    chosen = made["params"]["exposure"]["chosen"]
    assert chosen["tiles"] == 4
    assert -0.25 < chosen["vignetting"] < -0.1


def test_what_remains_along_a_seam_is_fused_if_it_shows(truth: Array) -> None:
    """A shade that changes along the seam is neither gain nor offset of a tile."""
    damaged = truth.astype(float)
    damaged[:, :, 128:] += 25 * np.cos(np.linspace(0, 3 * np.pi, 256))[:, None] * np.exp(-np.arange(128) / 60)
    planted = plant_exposure(truth)
    stack = volume(np.clip(damaged, 0, 255).astype(np.uint8))
    tiles = np.repeat([1, 2], 128)[None].repeat(256, 0)
    found = {fuse: correct(stack, seams=tiles, fuse=fuse, progress=False).read() for fuse in (None, True, False)}
    np.testing.assert_array_equal(found[None], found[True])
    off = {fuse: (values.astype(float) - planted.truth)[:, :, 126:130].mean(0) for fuse, values in found.items()}
    step = {fuse: np.abs(np.diff(rows.reshape(8, 32, 4).mean(1))[:, 1]).mean() for fuse, rows in off.items()}
    assert step[True] < step[False] / 3


def test_blank_sections_stay_and_do_not_disturb(truth: Array) -> None:
    planted = plant_exposure(truth)
    holed = planted.degraded.copy()
    holed[4] = 0
    found = correct(volume(holed), seams=planted.tiles, progress=False).read()
    assert not found[4].any()
    rest = np.arange(12) != 4
    off = found[rest].astype(float) - truth[rest]
    assert (off - off.mean()).std() < 8


@pytest.mark.parametrize("shape", [(1, 64, 64), (2, 40, 50), (3, 33, 9), (6, 5, 7), (1, 1, 1)])
def test_small_stacks_come_back_in_one_piece(shape: tuple[int, int, int]) -> None:
    values = texture((max(shape[0], 2), 64, 64))[: shape[0], : shape[1], : shape[2]]
    found = correct(volume(values), progress=False)
    assert found.shape == shape
    assert np.abs(found.read().astype(float) - values).mean() < 12


def test_one_section_of_tiles_has_its_seams_closed(truth: Array) -> None:
    planted = plant_exposure(truth[:1], 5)
    stack = volume(planted.degraded)
    rows = preprocess.report(stack, correct(stack, seams=planted.tiles, progress=False), planted.tiles).table
    step = rows["what"] == "seam step"
    assert rows["after"][step] < rows["before"][step] / 5


def test_types_keep_their_range(truth: Array) -> None:
    planted = plant_exposure(truth[:5, :128, :128])
    as_u1 = correct(volume(planted.degraded), seams="none", progress=False).read()
    for dtype, factor in (("u2", 256.0), ("f4", 1 / 255)):
        values = (planted.degraded * factor).astype(dtype)
        found = correct(volume(values), seams="none", progress=False).read()
        assert found.dtype == dtype
        assert np.abs(found / factor - as_u1).mean() < 1.5


def test_what_cannot_be_corrected_is_said() -> None:
    from ndlab.volume import Volume

    with pytest.raises(BadRequest, match="labels were to be corrected"):
        correct(Volume.from_array(np.ones((2, 32, 32), "u4"), (1, 1, 1), kind="labels"))
    stack = volume(texture((4, 32, 32)))
    with pytest.raises(BadRequest, match='"none"'):
        correct(stack, seams="nothing")  # type: ignore[arg-type]
    with pytest.raises(BadRequest, match=r"a section has \(32, 32\) pixels"):
        correct(stack, seams=np.ones((3, 3), int))
    other = np.ones((4, 32, 32), int)
    other[2, 16:] = 2
    with pytest.raises(BadRequest, match="fuse_seams"):
        correct(stack, seams=Volume.from_array(other, (50, 4, 4), kind="labels"))
