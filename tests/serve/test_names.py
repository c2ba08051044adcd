"""Tokens and channels of a folder, what they say of themselves, and resources over HTTP (R20, R24, R25, R26)."""

from __future__ import annotations

import io
import itertools
import json
import threading
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import zarr
from jsonschema import validate

from ndlab.errors import BadRequest, Conflict, NdlabError, NotFound, ReadOnly
from ndlab.ingesting import ingest
from ndlab.serve import facts
from ndlab.serve.names import Folder
from ndlab.serve.register import CHANNEL_TYPES, Entries, Register
from ndlab.serve.resources import public, resource
from ndlab.serve.space import ladder
from ndlab.serve.writes import write

SPACE = {"imagesize": [70, 66, 20], "voxelres": [4.0, 4.0, 40.0], "offset": [6, 2, 4]}
VECTOR = {"type": "object", "patternProperties": {r"^\d+$": {"type": "array", "minItems": 3, "maxItems": 3}}}
INFO = {
    "type": "object",
    "required": ["channels", "dataset", "metadata", "project"],
    "properties": {
        "channels": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": [
                    "channel_type", "datatype", "exceptions", "propagate", "readonly", "resolution", "windowrange",
                ],
                "properties": {
                    "channel_type": {"enum": ["image", "annotation", "timeseries", "probmap"]},
                    "propagate": {"enum": [0, 1, 2]},
                    "windowrange": {"type": "array", "minItems": 2, "maxItems": 2},
                },
            },
        },
        "dataset": {
            "type": "object",
            "required": [
                "cube_dimension", "imagesize", "neariso_scaledown", "offset", "resolutions", "scaling", "scalinglevels",
                "timerange", "voxelres", "description",
            ],
            "properties": dict.fromkeys(("cube_dimension", "imagesize", "offset", "voxelres"), VECTOR),
        },
        "project": {"type": "object", "required": ["name", "version", "description"]},
    },
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    values = np.random.default_rng(0).integers(0, 255, (9, 70, 130), "u1")
    ingest(values, tmp_path / "kasthuri11.zarr", voxel_size=(30, 3, 3), offset=(30, 0, 0))
    two = np.stack([values, 255 - values]).astype("u2")
    ingest(two, tmp_path / "at.ome.zarr", voxel_size=(70, 100, 100), channels=["psd", "synapsin"])
    ingest((values // 50).astype("u4"), tmp_path / "ac4.zarr", voxel_size=(30, 3, 3), kind="labels")
    (tmp_path / "notes.txt").write_text("no store")
    return tmp_path


def test_tokens_are_the_stores_and_channels_what_they_name(folder: Path) -> None:
    names = Folder(str(folder))
    assert names.tokens() == ("ac4", "at", "kasthuri11")
    assert names.channels("kasthuri11") == ("image",)
    assert names.channels("at") == ("psd", "synapsin")
    assert names.channel("ac4", "annotation").kind == "annotation"
    synapsin = names.channel("at", "synapsin").volume
    assert synapsin.axes == ("z", "y", "x")
    assert int(synapsin.read().max()) == 255
    assert names.default_channel("at").name == "psd"


def test_a_folder_that_is_a_store_is_one_token(folder: Path) -> None:
    assert Folder(str(folder / "kasthuri11.zarr")).tokens() == ("kasthuri11",)


def test_a_name_that_two_stores_share_is_refused_with_both(folder: Path) -> None:
    ingest(np.zeros((4, 4, 4), "u1"), folder / "ac4.ome.zarr", voxel_size=(1, 1, 1))
    with pytest.raises(Conflict, match=r"ac4\.ome\.zarr or ac4\.zarr.*rename"):
        Folder(str(folder)).channels("ac4")


def test_what_is_not_there_is_named_with_what_is(folder: Path) -> None:
    names = Folder(str(folder))
    with pytest.raises(NotFound, match="ac4, at, kasthuri11"):
        names.channels("nothing")
    with pytest.raises(NotFound, match="psd, synapsin"):
        names.channel("at", "dapi")
    with pytest.raises(NotFound, match=r"without \.zarr"):
        Folder(str(folder), public=["kasthuri11.zarr"])


def test_an_answer_follows_a_store_that_was_replaced(folder: Path) -> None:
    names = Folder(str(folder))
    before = names.channel("kasthuri11", "image").volume.shape
    ingest(np.zeros((5, 6, 7), "u1"), folder / "kasthuri11.zarr", voxel_size=(30, 3, 3), overwrite=True)
    assert before == (9, 70, 130)
    assert names.channel("kasthuri11", "image").volume.shape == (5, 6, 7)


def test_r25_info_has_every_field_and_sizes_are_ends(folder: Path) -> None:
    names = Folder(str(folder))
    for token in names.tokens():
        found = json.loads(json.dumps(facts.info(names, token)))
        validate(found, INFO)
    found = facts.info(names, "kasthuri11")["dataset"]
    assert found["offset"]["0"] == [0, 0, 1]
    assert found["imagesize"]["0"] == [130, 70, 10]  # nine sections, the first of which is 1
    assert found["voxelres"]["0"] == [3.0, 3.0, 30.0]
    assert found["imagesize"]["1"][0] == ((130 - 1) >> 1) + 1


def test_r25_projinfo_is_the_same_as_hdf5(folder: Path) -> None:
    names = Folder(str(folder))
    with h5py.File(io.BytesIO(facts.project_hdf5(names, "kasthuri11"))) as file:
        assert json.loads(file["DATASET/IMAGESIZE"][()]) == facts.info(names, "kasthuri11")["dataset"]["imagesize"]
        assert file["CHANNELS/IMAGE/DATATYPE"][()] == b"uint8"
        assert file["DATASET/TIMERANGE"][:].tolist() == [0, 0]


def test_a_store_without_a_voxel_size_says_what_it_is_all_the_same(tmp_path: Path) -> None:
    zarr.create_array(str(tmp_path / "plain.zarr"), shape=(4, 5, 6), dtype="u1")
    found = facts.info(Folder(str(tmp_path)), "plain")["dataset"]
    assert found["imagesize"]["0"] == [6, 5, 4]
    assert found["voxelres"]["0"] == [1, 1, 1]


def test_labels_over_an_image_are_written_at_its_levels(tmp_path: Path) -> None:
    image = ingest(np.zeros((4, 256, 256), "u1"), tmp_path / "em.zarr", voxel_size=(40, 4, 4))
    ids = np.zeros((4, 128, 128), "u4")
    ingest(ids, tmp_path / "em.zarr" / "labels" / "cells", voxel_size=(40, 8, 8), kind="labels")
    about = {"ome": {"version": "0.5", "labels": ["cells"]}}
    zarr.open_group(str(tmp_path / "em.zarr" / "labels"), mode="a").attrs.update(about)
    assert image.level(1).shape == (4, 128, 128)
    cells = Folder(str(tmp_path), writable=True).channel("em", "cells")
    write([cells], 1, (0, 0, 0), None, np.full((1, 2, 2), 7, "u4"))
    assert int(cells.volume.read().sum()) == 28
    with pytest.raises(BadRequest, match="it stores no such level"):
        write([cells], 0, (0, 0, 0), None, np.full((1, 2, 2), 7, "u4"))


def test_viking_xml_is_xml_with_scale_and_grid(folder: Path) -> None:
    root = ET.fromstring(facts.viking_xml(Folder(str(folder)), "kasthuri11", "http://x/ocp"))
    assert root.attrib["num_sections"] == "9"
    assert root.find("Scale/Z").attrib["UnitsPerPixel"] == "30"  # type: ignore[union-attr]
    assert root.find("OCPVolume").attrib["GridDimX"] == "1"  # type: ignore[union-attr]


def test_r26_public_names_are_listed_and_the_others_are_not(folder: Path) -> None:
    names = Folder(str(folder), public=["at"])
    made(names)
    assert public(names, "tokens") == ["at"]
    assert public(names, "datasets") == ["at"]
    names.register.add_token("p", {"token_name": "open", "public": 1})
    assert public(names, "tokens") == ["at", "open"]
    assert resource(names, "GET", ("public", "token")) == (200, ["at", "open"])
    assert names.public("at")
    assert not names.public("kasthuri11")


def made(names: Folder) -> None:
    assert resource(names, "POST", ("dataset", "toy"), SPACE)[0] == 201
    assert resource(names, "POST", ("dataset", "toy", "project", "p"), {})[0] == 201


def status(names: Folder, method: str, path: str, body: dict[str, Any] | None = None) -> int:
    """Return the status that HTTP would answer."""
    try:
        return resource(names, method, path.split("/"), body)[0]
    except NotFound:
        return 404
    except ReadOnly:
        return 403
    except BadRequest:
        return 400


CHANNEL = {"channel_type": "image", "datatype": "uint8"}


def test_r24_create_read_delete_with_the_documented_statuses(folder: Path) -> None:
    names = Folder(str(folder))
    below = "dataset/toy/project/p"
    table: list[tuple[int, str, str, dict[str, Any] | None]] = [
        (404, "GET", "dataset/toy", None),
        (404, "POST", below, {}),
        (400, "POST", "dataset/toy", {"imagesize": [1, 1]}),
        (400, "POST", "dataset/to-y", SPACE),
        (400, "POST", "dataset/toy", {**SPACE, "voxelres": [0, 1, 1]}),
        (400, "POST", "dataset/toy", {**SPACE, "offset": [70, 0, 0]}),
        (201, "POST", "dataset/toy", SPACE),
        (400, "POST", "dataset/toy", SPACE),
        (400, "POST", "dataset/at", SPACE),
        (200, "GET", "dataset/toy", None),
        (200, "GET", "dataset/at", None),
        (403, "DELETE", "dataset/at", None),
        (201, "POST", below, {}),
        (400, "POST", below, {}),
        (400, "POST", "dataset/toy/project/at", {}),
        (200, "GET", f"{below}/token/p", None),
        (201, "POST", f"{below}/token/other", {"public": 1}),
        (400, "POST", f"{below}/token/other", {}),
        (400, "POST", f"{below}/channel/em", {"channel_type": "image", "datatype": "int8"}),
        (400, "POST", f"{below}/channel/e.m", CHANNEL),
        (400, "POST", f"{below}/channel/mcfc", CHANNEL),
        (201, "POST", f"{below}/channel/em", CHANNEL),
        (400, "POST", f"{below}/channel/em", CHANNEL),
        (201, "POST", f"{below}/channel/kept", {**CHANNEL, "readonly": 1}),
        (200, "GET", f"{below}/channel/em", None),
        (404, "GET", f"{below}/channel/nothing", None),
        (404, "GET", "dataset/at/project/p", None),
        (400, "DELETE", below, None),
        (400, "DELETE", "dataset/toy", None),
        (403, "DELETE", f"{below}/channel/kept", None),
        (204, "DELETE", f"{below}/channel/em", None),
        (404, "DELETE", f"{below}/channel/em", None),
        (204, "DELETE", f"{below}/token/other", None),
        (404, "GET", f"{below}/token/other", None),
        (400, "PUT", "dataset/toy", SPACE),
        (404, "GET", "nonsense", None),
    ]
    found = [(status(names, method, path, body), method, path, body) for _, method, path, body in table]
    assert found == table
    names.register.set_channel("p", "kept", readonly=0)
    assert status(names, "DELETE", f"{below}/channel/kept") == 204
    assert status(names, "DELETE", below) == 204
    assert status(names, "DELETE", "dataset/toy") == 204
    assert names.tokens() == ("ac4", "at", "kasthuri11")


def test_r24_a_made_channel_is_an_empty_volume_of_its_data_set(folder: Path) -> None:
    names = Folder(str(folder))
    made(names)
    assert resource(names, "POST", ["dataset", "toy", "project", "p", "channel", "em"], CHANNEL)[0] == 201
    volume = names.channel("p", "em").volume
    assert volume.shape == (16, 64, 64)
    assert volume.voxel_size == (40, 4, 4)
    assert ladder(volume)[0].offset == (4, 2, 6)
    assert not volume.read().any()
    assert facts.info(names, "p")["dataset"]["imagesize"]["0"] == [70, 66, 20]
    assert Folder(str(folder)).channels("p") == ("em",)  # another server over the same folder
    resource(names, "DELETE", ["dataset", "toy", "project", "p", "channel", "em"])
    assert not list((folder / "p").rglob("zarr.json"))


def test_r20_pairs_of_type_and_dtype_are_the_founding_ones(tmp_path: Path) -> None:
    names = Folder(str(tmp_path))
    made(names)
    dtypes = ["uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float32", "float64"]
    allowed = set()
    for number, (kind, dtype) in enumerate(itertools.product(["image", "timeseries", "annotation"], dtypes)):
        path = f"dataset/toy/project/p/channel/c{number}"
        if status(names, "POST", path, {"channel_type": kind, "datatype": dtype}) == 201:
            allowed.add((kind, dtype))
    assert allowed == {
        *(("image", d) for d in ("uint8", "uint16", "uint32", "uint64", "float32")),
        *(("timeseries", d) for d in ("uint8", "uint16", "float32")),
        ("annotation", "uint32"), ("annotation", "uint64"),
    }  # fmt: skip
    assert set(CHANNEL_TYPES) == {"image", "timeseries", "annotation", "probmap"}


def test_two_servers_that_register_at_once_lose_nothing(tmp_path: Path) -> None:
    def add(number: int) -> None:
        Register(str(tmp_path)).add_dataset({"dataset_name": f"d{number}", **SPACE})

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries = Register(str(tmp_path)).entries()
    assert sorted(entries.datasets) == [f"d{number}" for number in range(8)]
    assert Entries.from_bytes(entries.to_bytes()) == entries


@pytest.mark.parametrize("name", ["a$b", "a/b", "..", "", "a" * 300, "a-b", "a b", 'a"b', "é"])
def test_names_that_a_path_cannot_hold_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(NdlabError, match="letters, digits and underscores"):
        Register(str(tmp_path)).add_dataset({"dataset_name": name, **SPACE})
    assert not list(tmp_path.iterdir())
