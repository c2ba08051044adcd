"""Whole channels as NIfTI (R56), against nibabel."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import tifffile

from ndlab.ingesting import ingest
from ndlab.serve.app import make_site, serving
from ndlab.serve.limits import Access, Limits
from tests.serve.ramon_client import OFFSET, SHAPE, Objects, served
from tests.serve.sites import Client

Array = np.ndarray[Any, Any]
# 4 by 4 by 40 nm in mm, turned and moved in a scanner's space.
AFFINE = np.array([[0, 4e-6, 0, 1.5], [-4e-6, 0, 0, 2.5], [0, 0, 4e-5, -3.5], [0, 0, 0, 1]])


def nii(values: Array, affine: Array = AFFINE, packed: bool = True) -> bytes:
    """Write (z, y, x) or (t, z, y, x) voxels."""
    image = nibabel.Nifti1Image(values.T, affine, dtype=values.dtype)
    image.header.set_xyzt_units("mm", "sec")
    image.header["descrip"] = b"by hand"
    raw: bytes = image.to_bytes()
    return gzip.compress(raw, 1) if packed else raw


def read(body: bytes) -> Any:
    return nibabel.Nifti1Image.from_stream(io.BytesIO(gzip.decompress(body)))


def tiff(values: Array) -> bytes:
    out = io.BytesIO()
    tifffile.imwrite(out, values, photometric="minisblack")
    return out.getvalue()


def labels(seed: int = 0, most: int = 5) -> Array:
    return np.random.default_rng(seed).integers(0, most, SHAPE).astype("i4")


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with served(tmp_path_factory.mktemp("nifti")) as ask:
        yield ask


def test_r56_a_channel_is_made_of_a_file_and_comes_back_with_its_header(ask: Client) -> None:
    values = labels()
    said = ask("/sd/p/made/nii/create/annotations/", "POST", nii(values))
    assert (said.status, said.body) == (200, b"1,2,3,4")
    nd = Objects(ask, "p", "made")
    assert nd.query() == [1, 2, 3, 4]
    assert len(nd.get(3, "voxels/0/")[3]["VOXELS"]) == (values == 3).sum()
    found = read(nd.good("nii/"))
    np.testing.assert_array_equal(np.asarray(found.dataobj), values.T)
    np.testing.assert_allclose(found.affine, AFFINE, rtol=1e-6)
    assert bytes(found.header["descrip"]).startswith(b"by hand")
    assert found.header.get_xyzt_units()[0] == "mm"
    # What is painted afterwards is in the next file.
    nd.post({9: {"ANNOTATION_TYPE": 4, "RESOLUTION": 0, "VOXELS": [[OFFSET[2], OFFSET[1], OFFSET[0]]]}})
    assert np.asarray(read(nd.good("nii/")).dataobj)[0, 0, 0] == 9


@pytest.mark.parametrize("packed", [True, False])
def test_r56_a_file_is_written_over_a_channel_that_is_there(ask: Client, packed: bool) -> None:
    nd = Objects(ask)
    values, before = labels(1 + packed), nd.volume().copy()
    assert nd("nii/annotations/", "PUT", nii(values, packed=packed)).status == 200
    want = np.where(values > 0, values, before)
    np.testing.assert_array_equal(nd.volume(), want)
    assert set(nd.query()) >= {1, 2, 3, 4}
    new = 5 + packed
    assert nd.good("nii/annotations/", "POST", nii(np.where(labels(9) == 1, new, 0).astype("i4"))) == str(new).encode()
    found = read(nd.good("nii/"))
    np.testing.assert_array_equal(np.asarray(found.dataobj).T, nd.volume())
    # Without a header of its own: voxel sizes in mm, and the centre of the first voxel.
    np.testing.assert_allclose(np.diag(found.affine)[:3], [4e-6, 4e-6, 4e-5], rtol=1e-6)
    first = [(o + 0.5) * s * 1e-6 for o, s in zip(OFFSET[::-1], (4, 4, 40), strict=True)]
    np.testing.assert_allclose(found.affine[:3, 3], first, rtol=1e-6)


def test_an_image_with_times_comes_and_goes(tmp_path: Path) -> None:
    values = np.random.default_rng(3).integers(1, 1000, (3, 8, 9, 10)).astype("u2")
    space = {"imagesize": [10, 9, 8], "voxelres": [4, 4, 40], "timerange": [0, 2]}
    with serving(make_site(str(tmp_path), Access(open=True))) as server:
        ask = Client(server, None)
        for path, body in (("dataset/d/", space), ("dataset/d/project/q/", {})):
            assert ask(f"/resource/{path}", "POST", json.dumps(body).encode()).status == 201
        assert ask("/sd/q/em/nii/create/", "POST", nii(values)).status == 200
        said = ask("/sd/q/em/nii/")
        np.testing.assert_array_equal(np.asarray(read(said.body).dataobj), values.T)
        assert ask("/sd/q/info/").json["channels"]["em"]["datatype"] == "uint16"
        assert ask("/sd/q/em/nii/annotations/", "POST", nii(values)).status == 400


def test_what_is_no_whole_channel_is_refused(ask: Client, tmp_path: Path) -> None:
    nd = Objects(ask)
    before = nd.volume().copy()
    good = nii(labels())
    bad: list[tuple[str, bytes, int]] = [
        ("nii/", b"", 400), ("nii/", b"nonsense" * 100, 400), ("nii/", good[: len(good) // 2], 400),
        ("nii/", nii(labels()[1:]), 400), ("nii/", nii(-labels()), 400), ("nii/", nii(labels() + 0.5), 400),
        ("nii/", gzip.compress(b"\0" * 1000), 400),
        ("nii/", tiff(labels()), 400), ("nii/create/", good, 400), ("nii/more/", good, 400),
    ]  # fmt: skip
    for path, body, status in bad:
        said = nd(path, "POST", body)
        assert said.status == status, (path, body[:20], said.body)
        assert b"/tmp" not in said.body
        assert b"posted" not in said.body
    assert nd("nii/create/").status == nd("nii/annotations/").status == 400
    assert nd("nii/", "DELETE").status == 405
    for wrong in (labels()[:, 1:], -labels(), labels() + 0.5):
        assert ask("/sd/p/wrong/nii/create/annotations/", "POST", nii(wrong)).status == 400
    assert "wrong" not in ask("/sd/p/info/").json["channels"]
    np.testing.assert_array_equal(nd.volume(), before)
    assert Objects(Client(ask.server, None))("nii/", "POST", good).status == 403


def test_a_file_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    ingest(np.zeros((8, 64, 64), "u1"), tmp_path / "em.zarr", voxel_size=(40, 4, 4))
    limits = Limits(nbytes=10_000)
    with serving(make_site(str(tmp_path), Access(open=True), writable=True, limits=limits)) as server:
        ask = Client(server, None)
        assert ask("/sd/em/image/nii/").status == 413
        # Few bytes that are many voxels.
        assert ask("/sd/em/image/nii/", "POST", nii(np.zeros((8, 64, 64), "u1"))).status == 413
