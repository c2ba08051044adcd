"""Backup and restore: the same bytes under the same keys, or nothing and a reason."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tracemalloc
import uuid
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

import ndlab
from ndlab import metadata
from ndlab.errors import BadMetadata, BadRequest, Conflict, NotFound, Problems, Unsupported
from ndlab.geometry import Box, Calibration
from ndlab.metadata import Multiscale
from ndlab.store.backup import SUMS, Backup, backup, restore, verify
from ndlab.store.create import create
from tests.servers import FolderServer, S3Server, serving


def keys(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def left_over(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if ".part" in p.name)


@pytest.fixture
def values() -> npt.NDArray[np.uint16]:
    return np.random.default_rng(1).integers(0, 2000, (8, 40, 40), "u2")


@pytest.fixture
def em(tmp_path: Path, values: npt.NDArray[np.uint16]) -> Path:
    """A two-level OME-Zarr store, written through ndlab: it has a state with a version and a stale level."""
    fine = Calibration((40, 4, 4), (0, 8, 0))
    scales = (metadata.Scale("s0", fine), metadata.Scale("s1", fine.coarser((1, 2, 2))))
    create(str(tmp_path / "em"), Multiscale(("z", "y", "x"), scales), [(8, 40, 40), (8, 20, 20)], "u2",
           chunks=[(8, 16, 16)] * 2, shards=[(8, 32, 32)] * 2)  # fmt: skip
    volume = ndlab.open(tmp_path / "em")
    volume.write(Box((0, 0, 0), (8, 40, 40)), values)
    return tmp_path / "em"


@pytest.mark.parametrize("name", ["em.zip", "folder/em"])
def test_export_delete_import_compare(em: Path, tmp_path: Path, values: npt.NDArray[np.uint16], name: str) -> None:
    before, seen = keys(em), ndlab.open(em).info()
    made = backup(em, tmp_path / name)
    assert len(made) == len(before)
    assert made.nbytes == sum(map(len, before.values()))
    assert verify(tmp_path / name) == {}
    shutil.rmtree(em)
    assert restore(tmp_path / name, em).sums == made.sums
    assert keys(em) == before
    volume = ndlab.open(em)
    np.testing.assert_array_equal(volume.read(), values)
    assert volume.info() == seen
    assert volume.version == 1
    assert volume.level(1).stale
    assert left_over(tmp_path) == []


def test_a_backup_file_opens_in_place(em: Path, tmp_path: Path, values: npt.NDArray[np.uint16]) -> None:
    backup(em, tmp_path / "em.zip")
    np.testing.assert_array_equal(ndlab.open(tmp_path / "em.zip").read(), values)
    by_zarr = zarr.open_array(zarr.storage.ZipStore(tmp_path / "em.zip", mode="r"), path="s0", mode="r")
    np.testing.assert_array_equal(by_zarr[:], values)


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="sha256sum is the oracle")
def test_sha256sum_agrees_with_the_manifest(em: Path, tmp_path: Path) -> None:
    (em / "odd\\name\nof a key").write_bytes(b"1")
    backup(em, tmp_path / "copy")
    done = subprocess.run(["sha256sum", "--strict", "--quiet", "-c", SUMS], cwd=tmp_path / "copy", check=False)
    assert done.returncode == 0
    restore(tmp_path / "copy", tmp_path / "again")
    assert keys(tmp_path / "again") == keys(em)


def test_a_project_of_several_stores_is_one_backup(em: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(em, project / "image")
    (project / "notes").mkdir()
    (project / "notes" / "day one.txt").write_text("µm")
    (project / "empty").write_bytes(b"")
    (project / "linked").symlink_to(em)
    (project / "loop").symlink_to(project)
    backup(project, tmp_path / "p.zip")
    restore(tmp_path / "p.zip", tmp_path / "q")
    assert keys(tmp_path / "q/image") == keys(em)
    assert keys(tmp_path / "q/linked") == keys(em)
    assert (tmp_path / "q/notes/day one.txt").read_text() == "µm"
    assert (tmp_path / "q/empty").read_bytes() == b""


def test_a_backup_of_a_restored_or_unpacked_backup_is_the_same(em: Path, tmp_path: Path) -> None:
    first = backup(em, tmp_path / "a.zip")
    assert backup(tmp_path / "a.zip", tmp_path / "b.zip").sums == first.sums
    with zipfile.ZipFile(tmp_path / "a.zip") as file:
        file.extractall(tmp_path / "unpacked")
    assert verify(tmp_path / "unpacked") == {}
    assert backup(tmp_path / "unpacked", tmp_path / "c.zip").sums == first.sums


def test_progress_counts_keys(em: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    made = backup(em, tmp_path / "a.zip", progress=lambda *now: seen.append(now))
    assert seen == [(i + 1, len(made)) for i in range(len(made))]
    seen.clear()
    restore(tmp_path / "a.zip", tmp_path / "b", progress=lambda *now: seen.append(now))
    assert seen[-1] == (len(made), len(made))


def test_memory_does_not_grow_with_a_key(tmp_path: Path) -> None:
    (tmp_path / "big").mkdir()
    with open(tmp_path / "big" / "key", "wb") as file:
        file.truncate(64 << 20)
    tracemalloc.start()
    backup(tmp_path / "big", tmp_path / "a.zip")
    restore(tmp_path / "a.zip", tmp_path / "b")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 24 << 20
    assert (tmp_path / "b" / "key").stat().st_size == 64 << 20


# ------------------------------------------------------------------------------------------------ damage


def flip(path: Path, at: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[at] ^= 0xFF
    path.write_bytes(bytes(raw))


def offset_in_zip(path: Path, key: str) -> int:
    with zipfile.ZipFile(path) as file:
        member = file.getinfo(key)
        return member.header_offset + 30 + len(key.encode()) + member.file_size // 2


def test_damage_in_a_zip_is_named_and_nothing_is_written(em: Path, tmp_path: Path) -> None:
    backup(em, tmp_path / "a.zip")
    damaged = ["s0/c/0/0/0", "s0/c/0/1/1"]
    for key in damaged:
        flip(tmp_path / "a.zip", offset_in_zip(tmp_path / "a.zip", key))
    assert verify(tmp_path / "a.zip") == dict.fromkeys(damaged, "differs from its checksum")
    with pytest.raises(Problems, match=r"2 problem\(s\), nothing was written") as caught:
        restore(tmp_path / "a.zip", tmp_path / "b")
    assert sorted(caught.value.keys) == damaged
    assert not (tmp_path / "b").exists()
    assert left_over(tmp_path) == []


def test_a_missing_and_a_changed_key_of_a_folder_are_named(em: Path, tmp_path: Path) -> None:
    backup(em, tmp_path / "copy")
    (tmp_path / "copy/s0/c/0/0/1").unlink()
    flip(tmp_path / "copy/zarr.json", 3)
    assert verify(tmp_path / "copy") == {"s0/c/0/0/1": "is missing", "zarr.json": "differs from its checksum"}
    with pytest.raises(Problems, match="s0/c/0/0/1 is missing"):
        restore(tmp_path / "copy", tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_long_damage_is_counted_not_listed(tmp_path: Path) -> None:
    (tmp_path / "many").mkdir()
    for i in range(30):
        (tmp_path / "many" / f"{i:02}").write_bytes(b"1")
    backup(tmp_path / "many", tmp_path / "copy")
    for i in range(30):
        (tmp_path / "copy" / f"{i:02}").unlink()
    with pytest.raises(Problems, match="and 10 more") as caught:
        restore(tmp_path / "copy", tmp_path / "b")
    assert len(caught.value.keys) == 30


@pytest.mark.parametrize("keep", [0.2, 0.9])
def test_a_zip_cut_short_is_refused(em: Path, tmp_path: Path, keep: float) -> None:
    backup(em, tmp_path / "a.zip")
    raw = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(raw[: int(len(raw) * keep)])
    with pytest.raises(BadMetadata, match="is no whole zip file"):
        restore(tmp_path / "a.zip", tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_a_damaged_manifest_is_refused(em: Path, tmp_path: Path) -> None:
    backup(em, tmp_path / "copy")
    sums = tmp_path / "copy" / SUMS
    whole = sums.read_text()
    for text, reason in (
        (whole.replace("# ndlab backup 1", "# something"), "does not begin as one"),
        ("\n".join(whole.split("\n")[:-3]), "it lists"),
        (whole + "not a line\n", "a line of it reads"),
        ("# ndlab backup 1\n", "keys"),
    ):
        sums.write_text(text)
        with pytest.raises(BadMetadata, match=reason):
            verify(tmp_path / "copy")


def test_a_backup_that_was_not_completed_is_none(em: Path, tmp_path: Path) -> None:
    backup(em, tmp_path / "copy")
    (tmp_path / "copy" / SUMS).unlink()
    with pytest.raises(NotFound, match="was cut short"):
        restore(tmp_path / "copy", tmp_path / "b")


@given(st.dictionaries(st.text(min_size=1), st.binary(max_size=4).map(lambda b: hashlib.sha256(b).hexdigest())))
def test_any_manifest_reads_back(sums: dict[str, str]) -> None:
    sums = {k: v for k, v in sums.items() if k.isprintable() or set(k) <= set("\\\n\rabc")}
    made = Backup("/a", "/b", "now", 5, sums)
    assert Backup.parse(made.document(), "/a") == made


# ------------------------------------------------------------------------------------------------ refusals


def test_places_that_are_taken_or_wrong_are_refused(em: Path, tmp_path: Path) -> None:
    backup(em, tmp_path / "a.zip")
    for dest in ("a.zip", "em2"):
        (tmp_path / "em2").mkdir(exist_ok=True)
        (tmp_path / "em2" / "thing").write_text("mine")
        with pytest.raises(Conflict, match="does not overwrite"):
            backup(em, tmp_path / dest)
        with pytest.raises(Conflict, match="does not overwrite"):
            restore(tmp_path / "a.zip", tmp_path / dest)
    assert keys(tmp_path / "em2") == {"thing": b"mine"}
    with pytest.raises(BadRequest, match="inside what it is a backup of"):
        backup(em, em / "backup")
    with pytest.raises(BadRequest, match="zip files are written locally"):
        backup(em, "s3://bucket/em.zip")
    with pytest.raises(BadRequest, match="http and zip addresses are read-only"):
        restore(tmp_path / "a.zip", "https://127.0.0.1/x")
    with pytest.raises(BadRequest, match="http and zip addresses are read-only"):
        restore(tmp_path / "a.zip", tmp_path / "a.zip" / "inner")
    assert keys(em) == keys(em)


def test_an_empty_folder_is_free(em: Path, tmp_path: Path) -> None:
    backup(em, tmp_path / "a.zip")
    (tmp_path / "b").mkdir()
    restore(tmp_path / "a.zip", tmp_path / "b")
    assert keys(tmp_path / "b") == keys(em)


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(3))
    with pytest.raises(Unsupported, match="is a single file"):
        backup(tmp_path / "a.npy", tmp_path / "a.zip")
    with pytest.raises(NotFound, match="no such folder"):
        backup(tmp_path / "absent", tmp_path / "a.zip")
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFound, match="no key is there"):
        backup(tmp_path / "empty", tmp_path / "a.zip")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(NotFound, match="points nowhere"):
        backup(tmp_path / "broken", tmp_path / "a.zip")
    with pytest.raises(NotFound, match="no backup at"):
        restore(tmp_path / "a.npy", tmp_path / "b")
    with pytest.raises(NotFound, match="no such file or folder"):
        restore(tmp_path / "absent.zip", tmp_path / "b")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.npy", "broken", "empty"]


def test_a_write_meanwhile_leaves_no_backup(em: Path, tmp_path: Path) -> None:
    def write(done: int, total: int) -> None:
        if done == total:
            ndlab.open(em).write(Box((0, 0, 0), (8, 16, 16)), 7)

    with pytest.raises(Conflict, match="was written while it was backed up") as caught:
        backup(em, tmp_path / "a.zip", progress=write)
    assert ".ndlab/state.json" in caught.value.keys
    assert not (tmp_path / "a.zip").exists()

    def new_key(done: int, total: int) -> None:
        (em / f"new{done}").write_bytes(b"")

    with pytest.raises(Conflict, match="changed: new1"):
        backup(em, tmp_path / "copy", progress=new_key)
    assert not (tmp_path / "copy").exists()

    def gone(done: int, total: int) -> None:
        (em / "zarr.json").unlink(missing_ok=True)

    with pytest.raises(Conflict, match=r"zarr.json went away while it was copied"):
        backup(em, tmp_path / "copy", progress=gone)
    assert left_over(tmp_path) == []


def test_an_interrupted_copy_leaves_nothing(em: Path, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    for dest in ("a.zip", "copy"):
        with pytest.raises(KeyboardInterrupt):
            backup(em, tmp_path / dest, progress=interrupt)
    backup(em, tmp_path / "a.zip")
    with pytest.raises(KeyboardInterrupt):
        restore(tmp_path / "a.zip", tmp_path / "b", progress=interrupt)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zip", "em"]


def test_a_killed_backup_does_not_stand_under_its_name(em: Path, tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "from ndlab.store.backup import backup\n"
        "backup(sys.argv[1], sys.argv[2], progress=lambda done, n: done == 2 and os.kill(os.getpid(), signal.SIGKILL))"
    )
    done = subprocess.run([sys.executable, "-c", code, em, tmp_path / "a.zip"], check=False, timeout=60)
    assert done.returncode == -9
    assert not (tmp_path / "a.zip").exists()
    backup(em, tmp_path / "a.zip")
    assert verify(tmp_path / "a.zip") == {}


# ------------------------------------------------------------------------------------------------ remote


class SmallBucket(S3Server):
    """A bucket that refuses every object past `room`."""

    room = 1 << 30

    def _put(self, request: BaseHTTPRequestHandler, key: str, body: bytes) -> None:
        if len(self.objects) < self.room:
            return super()._put(request, key, body)
        request.send_response(403)
        request.send_header("Content-Length", "0")
        return request.end_headers()


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[SmallBucket]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    # What opens a bucket keeps its endpoint, so each test has a bucket of its own name.
    running = SmallBucket(f"b{uuid.uuid4().hex[:12]}")
    with serving(running):
        monkeypatch.setenv("AWS_ENDPOINT_URL", running.url)
        yield running


def test_a_store_in_a_bucket_is_backed_up_and_restored(
    em: Path, tmp_path: Path, bucket: SmallBucket, values: npt.NDArray[np.uint16]
) -> None:
    name = bucket.bucket
    backup(em, tmp_path / "a.zip")
    restore(tmp_path / "a.zip", f"s3://{name}/lab/em")
    assert {key.removeprefix("lab/em/"): value for key, value in bucket.objects.items()} == keys(em)
    np.testing.assert_array_equal(ndlab.open(f"s3://{name}/lab/em").read(), values)
    made = backup(f"s3://{name}/lab/em", f"s3://{name}/lab/copy")
    assert list(bucket.objects)[-1] == f"lab/copy/{SUMS}"
    assert verify(f"s3://{name}/lab/copy") == {}
    assert restore(f"s3://{name}/lab/copy", tmp_path / "back").sums == made.sums
    assert keys(tmp_path / "back") == keys(em)
    with pytest.raises(Conflict, match="does not overwrite"):
        backup(em, f"s3://{name}/lab/copy")


def test_a_damaged_backup_never_reaches_a_bucket(em: Path, tmp_path: Path, bucket: SmallBucket) -> None:
    backup(em, tmp_path / "a.zip")
    flip(tmp_path / "a.zip", offset_in_zip(tmp_path / "a.zip", "s0/c/0/0/0"))
    with pytest.raises(Problems, match="differs from its checksum"):
        restore(tmp_path / "a.zip", f"s3://{bucket.bucket}/em")
    assert bucket.objects == {}


def test_a_bucket_that_refuses_is_left_as_it_was(em: Path, bucket: SmallBucket) -> None:
    bucket.room = 3
    with pytest.raises((OSError, Conflict)):
        backup(em, f"s3://{bucket.bucket}/em")
    assert bucket.objects == {}


def test_http_keys_cannot_be_listed(em: Path, tmp_path: Path) -> None:
    with serving(FolderServer(tmp_path)) as server, pytest.raises(Unsupported, match="http servers do not list"):
        backup(f"{server.url}/em", tmp_path / "a.zip")
    assert not (tmp_path / "a.zip").exists()
