"""`ndlab align` in a shell's words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import ndlab
from ndlab.cli import main
from ndlab.volume import Volume
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
