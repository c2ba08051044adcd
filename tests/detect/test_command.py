"""`ndlab detect` from train to score, in a shell's words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import ndlab
from ndlab.annotations import Annotations
from ndlab.cli import main
from ndlab.samples import phantom

SEEN = phantom((8, 160, 160), voxel_size=(40, 8, 8), seed=41, synapse_chance=0.8)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("detect")
    for name, what in (("em", "image"), ("truth", "psd"), ("membranes", "membranes")):
        values = SEEN.read(what)  # type: ignore[arg-type]
        kind = "labels" if what == "psd" else "image"
        made = values.astype("u1") if values.dtype == bool else values
        ndlab.ingest(made, folder / f"{name}.zarr", voxel_size=SEEN.voxel_size, kind=kind)
    return folder


def test_train_find_and_score(stores: Path, capsys: pytest.CaptureFixture[str]) -> None:
    em, truth, model, found = (str(stores / one) for one in ("em.zarr", "truth.zarr", "m.npz", "synapses"))
    assert main(["detect", "train", em, truth, model, "--class", f"membrane={stores}/membranes.zarr", "--json"]) == 0
    trained = json.loads(capsys.readouterr().out)
    assert trained["classes"] == ["background", "membrane", "synapse"]
    arguments = [em, found, "--model", model, "--work", str(stores / "work"), "--quiet", "--json"]
    assert main(["detect", "synapses", *arguments]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["model"] == trained["digest"]
    assert said["synapses"] == Annotations.open(found).count() > 0
    scores = ["detect", "evaluate", str(stores / "work" / "probability.ome.zarr"), truth, "--ignore-below", "60"]
    assert main([*scores, "--min-size", "60", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["f1"] > 0.8  # it has seen this very volume
    assert facts["f1_interval"][0] <= facts["f1"] <= facts["f1_interval"][1]
    chance, none = str(stores / "work" / "probability.ome.zarr"), str(stores / "none")
    assert main(["detect", "synapses", chance, none, "--min-area", "1", "--max-area", "64", "--quiet", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["synapses"] == 0  # nothing is a single voxel in all of its sections
    assert main(["detect", "evaluate", truth, truth]) == 0
    assert "F1 1.000" in capsys.readouterr().out


def test_without_a_model_it_says_what_it_used(stores: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detect", "synapses", str(stores / "em.zarr"), str(stores / "plain"), "--quiet"]) == 0
    assert "phantom-trained, not validated on EM" in capsys.readouterr().out


def test_a_class_without_a_volume_is_refused(stores: Path, capsys: pytest.CaptureFixture[str]) -> None:
    em, truth = str(stores / "em.zarr"), str(stores / "truth.zarr")
    assert main(["detect", "train", em, truth, str(stores / "x.npz"), "--class", "membrane"]) == 2
    assert "NAME=VOLUME" in capsys.readouterr().err
