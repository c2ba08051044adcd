"""`ndlab align` and `ndlab register` in a shell's words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import ndlab
from ndlab.cli import main
from ndlab.preprocess import Registration
from ndlab.store.ingest import ingest
from ndlab.volume import Volume
from ndlab.volume import open as open_volume
from tests.preprocess.brains import SIZE, planted
from tests.preprocess.making import stack


def test_a_stack_is_aligned_and_what_was_found_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sections, _ = stack(3, (96, 96), bend=0.5, shift=4, turn=1)
    np.save(tmp_path / "pile.npy", sections)
    line = ["align", str(tmp_path / "pile.npy"), str(tmp_path / "out.zarr"), "--voxel-size", "40,8,8", "--quiet"]
    assert main([*line, "--json", "--model", "affine"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["state"] for one in told["pairs"]] == ["good"] * 3
    assert told["about"]["model"] == "affine"
    out = ndlab.open(tmp_path / "out.zarr")
    assert isinstance(out, Volume)
    assert out.shape[0] == 3
    assert main(line) == 2, "another model, the same place"
    assert "pass overwrite=True" in capsys.readouterr().err
    assert main([*line, "--model", "rigid", "--overwrite"]) == 0
    assert "rigid alignment of 3 sections from 3 pairs" in capsys.readouterr().out


def test_register_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    moving, fixed, _ = planted(rms=1.0)
    for name, volume in (("moving", moving), ("fixed", fixed)):
        ingest(volume.read(), tmp_path / f"{name}.zarr", voxel_size=SIZE, progress=False)
    labels = (fixed.read() > 0.5).astype("u2")
    ingest(labels, tmp_path / "labels.zarr", voxel_size=SIZE, kind="labels", progress=False)
    moving_url, fixed_url, out, on, parts = (
        str(tmp_path / name) for name in ("moving.zarr", "fixed.zarr", "out", "on.zarr", "labels.zarr")
    )
    words = ["register", moving_url, fixed_url, out, "--voxel", "0.2um", "--apply", on, "--labels", parts, "--json"]
    assert main(words) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["folds"] == 0
    assert [region["id"] for region in facts["regions"]] == [1]
    found = Registration.load(out)
    np.testing.assert_array_equal(open_volume(on).read(), found.apply(open_volume(moving_url)).read())
    assert main(["register", fixed_url, moving_url, out]) == 2
    assert "other volumes" in capsys.readouterr().err
