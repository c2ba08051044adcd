"""HDF5 that is posted: nothing of the server is read through it, and a small one does not grow without bound."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ndlab.errors import BadRequest, NdlabError, TooLarge
from ndlab.serve.posted import Budget, members, opened, values
from ndlab.serve.writes import decode

SECRET = b"nobody may read this"


def made(fill: Any) -> bytes:
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        fill(file)
    return out.getvalue()


def read(body: bytes, name: str = "CUTOUT", limit: int = 1 << 20) -> Any:
    with opened(body) as file:
        return values(file, name, Budget(limit))


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret.txt"
    path.write_bytes(SECRET)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["CUTOUT"] = np.frombuffer(SECRET, "u1")
    return path


def outside(secret: Path) -> dict[str, Any]:
    other, here = str(secret.parent / "other.h5"), str(secret)
    layout = h5py.VirtualLayout((len(SECRET),), "u1")
    layout[:] = h5py.VirtualSource(other, "CUTOUT", (len(SECRET),))
    return {
        "raw file": lambda f: f.create_dataset("CUTOUT", (4, 5, 1), "u1", external=[(here, 0, len(SECRET))]),
        "external link": lambda f: f.__setitem__("CUTOUT", h5py.ExternalLink(other, "CUTOUT")),
        "virtual": lambda f: f.create_virtual_dataset("CUTOUT", layout),
        "soft link": lambda f: f.__setitem__("CUTOUT", h5py.SoftLink("/elsewhere")),
        "group link": lambda f: f.__setitem__("em", h5py.ExternalLink(other, "/")),
    }


@pytest.mark.parametrize("way", ["raw file", "external link", "virtual", "soft link", "group link"])
def test_a_posted_file_reads_nothing_of_the_server(secret: Path, way: str) -> None:
    body = made(outside(secret)[way])
    with pytest.raises(BadRequest, match=r"somewhere else|other files"):
        decode("hdf5", body, ["em"], 1 << 20)
    if way != "group link":
        with pytest.raises(BadRequest, match=r"somewhere else|other files"):
            read(body)


def test_numbers_and_text_are_read_and_nothing_else() -> None:
    body = made(lambda f: (f.__setitem__("a", [1, 2]), f.__setitem__("b", "text"), f.__setitem__("c", f["a"].ref)))
    assert read(body, "a").tolist() == [1, 2]
    assert read(body, "b").item() == b"text"
    assert read(body, "missing") is None
    with pytest.raises(BadRequest, match="numbers or text"):
        read(body, "c")
    with pytest.raises(BadRequest, match="no data set"):
        read(made(lambda f: f.create_group("a")), "a")
    assert read(made(lambda f: f.__setitem__("a", h5py.Empty("u4"))), "a").size == 0


def test_a_small_body_does_not_inflate_beyond_the_limit() -> None:
    body = made(lambda f: f.create_dataset("CUTOUT", (4096, 4096), "u1", compression="gzip", chunks=(4096, 4096)))
    assert len(body) < 100_000
    with pytest.raises(TooLarge, match=str(1 << 20)):
        read(body)


@given(st.binary(max_size=300), st.integers(0, 3000))
def test_bytes_that_are_no_file_or_a_broken_one_are_refused(noise: bytes, at: int) -> None:
    body = made(lambda f: f.create_group("1").__setitem__("CUTOUT", np.arange(50)))
    broken = body[:at] + noise + body[at + len(noise) :]
    for one in (noise, broken):
        try:
            with opened(one) as file:
                for _, group in members(file):
                    if isinstance(group, h5py.Group):
                        values(group, "CUTOUT", Budget(1 << 20))
        except NdlabError:
            continue
