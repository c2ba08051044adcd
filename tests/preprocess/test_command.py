"""`ndlab register`, on stores."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ndlab.cli import main
from ndlab.preprocess import Registration
from ndlab.store.ingest import ingest
from ndlab.volume import open as open_volume
from tests.preprocess.brains import SIZE, planted


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
