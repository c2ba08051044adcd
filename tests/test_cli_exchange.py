"""Annotations of others in, and to Neuroglancer out, in a shell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ndlab.annotations import Annotations
from ndlab.cli import main
from tests.annotations.layers import Layer


def test_a_flat_table_in_and_a_layer_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "cave.csv"
    table.write_text(
        "id,pre_pt_position,post_pt_position,pre_pt_root_id,size\n5,[1 2 3],[3 2 3],77,9\n6,[4 4 4],[1 1 1],0,8\n"
    )
    home = str(tmp_path / "home")
    command = ["annotations", "import", str(table), home, "--kind", "synapse", "--unit", "40,4,4"]
    assert main([*command, "--create", "--rows", "3"]) != 0
    assert "2 are there" in capsys.readouterr().err
    assert main([*command, "--rows", "2"]) == 0
    ann = Annotations.open(home)
    assert (ann.get(5).centroid, ann.get(5).keys["size"]) == ((120.0, 8.0, 8.0), 9)
    capsys.readouterr()
    layer = ["annotations", "export", home, f"precomputed://{tmp_path}/layer", "kind=synapse"]
    assert main([*layer, "--geometry", "line", "--properties", "size:uint32", "confidence", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["objects"] == 2
    found = Layer(tmp_path / "layer")
    assert found.info["annotation_type"] == "LINE"
    assert {one["id"]: one["type"] for one in found.info["properties"]} == {"size": "uint32", "confidence": "float32"}
    assert found.by_id()[5][0][:6] == (4, 8, 120, 12, 8, 120)
