"""Matching, evening out, flat fields, N4: against their own references."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from ndlab import preprocess
from ndlab.errors import BadRequest, Unsupported
from tests.preprocess.stacks import stored, texture, volume


def test_quantiles_are_numpys_whatever_the_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = texture((5, 40, 50))
    expected = np.quantile(values.reshape(5, -1), np.linspace(0, 1, 257), axis=1).T
    np.testing.assert_allclose(preprocess.section_quantiles(stored(values, tmp_path / "s"), progress=False), expected)
    monkeypatch.setattr("ndlab.preprocess.contrast.whole_sections", lambda view: (2, *view.shape[1:]))
    np.testing.assert_allclose(preprocess.section_quantiles(volume(values), workers=2, progress=False), expected)


def test_moments_take_gain_and_offset_back() -> None:
    truth = texture((6, 80, 80)).astype("f4")
    truth[:] = truth[:1]
    gain, offset = np.linspace(0.8, 1.2, 6), np.linspace(-20, 20, 6)
    damaged = truth * gain[:, None, None] + offset[:, None, None]
    found = preprocess.match_sections(volume(damaged), progress=False).read()
    np.testing.assert_allclose(found, found[:1].repeat(6, 0), atol=1e-3)


def test_histograms_are_matched_as_scikit_image_does() -> None:
    from skimage.exposure import match_histograms

    values = texture((5, 96, 96))
    values[:] = values[2]
    odd = values.copy()
    odd[0] = np.clip(values[0] * 0.7 + 30, 0, 255)
    found = preprocess.match_sections(volume(odd), method="histogram", progress=False).read()
    expected = match_histograms(odd[0], values[2])
    assert np.abs(found[0].astype(float) - expected).mean() < 1.5


def test_clahe_is_scikit_images(tmp_path: Path) -> None:
    from skimage.exposure import equalize_adapthist

    values = texture((3, 64, 72))
    low, high = (float(np.median(f(values, axis=(1, 2)))) for f in (np.min, np.max))
    found = preprocess.clahe(stored(values, tmp_path / "s"), out=str(tmp_path / "out"), progress=False).read()
    for section, original in zip(found, values, strict=True):
        unit = np.clip((original.astype(float) - low) / (high - low), 0, 1)
        np.testing.assert_array_equal(section, np.rint(equalize_adapthist(unit) * 255).astype("u1"))
    with pytest.raises(BadRequest, match="window="):
        preprocess.clahe(volume(values), window=(5, 5))


def test_a_flat_field_of_many_pictures_is_found_and_divided_out() -> None:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-1:1:96j, -1:1:128j]
    light = (1 - 0.25 * (x**2 + y**2) / 2 + 0.08 * x).astype("f4")
    scene = np.stack([texture((1, 96, 128), seed)[0] for seed in range(40)])
    pictures = scene * light * rng.uniform(0.8, 1.2, 40)[:, None, None]
    field = preprocess.estimate_flat_field(volume(pictures))
    off = np.abs(field / field.mean() - light / light.mean())
    assert off.mean() < 0.02
    assert off.max() < 0.1, "in a corner, where few pictures have few grains"
    found = preprocess.flat_field(volume(pictures), field, progress=False).read()
    np.testing.assert_allclose(found, pictures / field)
    with pytest.raises(BadRequest, match="one positive number"):
        preprocess.flat_field(volume(pictures), -field)


def test_n4_takes_a_bias_field_out(tmp_path: Path) -> None:
    pytest.importorskip("SimpleITK")
    z, y, x = np.mgrid[-1:1:16j, -1:1:48j, -1:1:48j]
    inside = z**2 + y**2 + x**2 < 0.8
    truth = np.where(inside, np.where(texture((16, 48, 48)) > 130, 120.0, 80.0), 2.0)
    bias = np.exp(0.35 * x - 0.25 * y**2 + 0.1 * z)
    found = preprocess.n4(
        stored((truth * bias).astype("f4"), tmp_path / "s"), out=str(tmp_path / "o"), progress=False
    ).read()
    spread = [np.std(np.log(values[inside] / truth[inside])) for values in (truth * bias, found)]
    assert spread[1] < spread[0] / 3


def test_n4_without_its_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    with pytest.raises(Unsupported, match=r"ndlab\[itk\]"):
        preprocess.n4(volume(texture((2, 16, 16))))
