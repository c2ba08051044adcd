"""A mirror of a store behind HTTP: bounded, whole after a restart or a damage, one fetch at a time for a key."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from ndlab.errors import BadRequest
from ndlab.serve.app import make_site, serving
from ndlab.serve.keys import Found, Span
from ndlab.serve.limits import Access
from ndlab.serve.mirror import Mirror
from ndlab.serve.shelf import Shelf
from ndlab.serve.statuses import Unreachable
from ndlab.volume import open as open_volume
from tests.serve.sites import EM, Client, make_folder
from tests.servers import FolderServer
from tests.servers import serving as serving_files


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1e9

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def origin(tmp_path: Path) -> Iterator[FolderServer]:
    folder = tmp_path / "origin"
    folder.mkdir()
    (folder / "a").write_bytes(bytes(range(256)) * 4)
    (folder / "zarr.json").write_bytes(b"{}")
    with serving_files(FolderServer(folder)) as server:
        yield server


@pytest.fixture
def mirror(origin: FolderServer, tmp_path: Path) -> Iterator[Mirror]:
    found = Mirror(origin.url, tmp_path / "kept", 1 << 20)
    yield found
    found.close()


def body(found: Found | None) -> bytes:
    assert found is not None
    return b"".join(found.pieces)


def test_a_value_is_fetched_once_and_so_is_a_range(origin: FolderServer, mirror: Mirror) -> None:
    whole = bytes(range(256)) * 4
    for _ in range(3):
        assert body(mirror("a", Span(10, 19))) == whole[10:20]
    assert [asked for _, _, asked in origin.asked] == ["bytes=10-19"]
    for _ in range(3):
        found = mirror("a", Span(tail=8))
        assert found is not None
        assert (found.start, found.stop, found.size) == (1016, 1024, 1024)
        assert body(found) == whole[-8:]
    assert len(origin.asked) == 2
    assert body(mirror("a", Span(12, 14))) == whole[12:15], "what a kept range covers needs no origin"
    assert len(origin.asked) == 2
    for _ in range(2):
        assert body(mirror("a", None)) == whole
    assert len(origin.asked) == 3
    assert body(mirror("a", Span(500))) == whole[500:]
    assert len(origin.asked) == 3
    assert (mirror.hits, mirror.misses) == (7, 3)


def test_what_does_not_exist_is_remembered_and_a_range_beyond_the_end_is_told(
    origin: FolderServer, mirror: Mirror
) -> None:
    assert mirror("0/c/0", None) is None
    assert mirror("0/c/0", None) is None
    assert len(origin.asked) == 1
    found = mirror("a", Span(5000))
    assert found is not None
    assert (found.start, found.size) == (None, 1024)


def test_it_survives_a_restart_and_an_origin_that_is_gone(origin: FolderServer, tmp_path: Path) -> None:
    clock = Clock()
    first = Mirror(origin.url, tmp_path / "kept", 1 << 20, clock)
    whole = body(first("a", None))
    first.close()
    origin.status = 503
    again = Mirror(origin.url, tmp_path / "kept", 1 << 20, clock)
    before = len(origin.asked)
    assert body(again("a", None)) == whole
    assert len(origin.asked) == before
    clock.now += 10 * 86_400
    assert body(again("a", None)) == whole, "kept voxels are served while the origin fails"
    assert len(origin.asked) > before
    with pytest.raises(Unreachable, match="the origin answers 503, and it is not kept here"):
        again("b", None)
    again.close()


def test_an_origin_that_is_not_there_is_no_missing_chunk(tmp_path: Path) -> None:
    mirror = Mirror("http://127.0.0.1:9/em.zarr", tmp_path / "kept", 1 << 20)
    with pytest.raises(Unreachable, match="does not answer"):
        mirror("0/c/0", None)
    mirror.close()
    with pytest.raises(BadRequest, match="http:// or https:// is mirrored"):
        Mirror(str(tmp_path), tmp_path / "kept", 1 << 20)


def test_a_changed_store_is_seen_once_its_time_has_come(origin: FolderServer, tmp_path: Path) -> None:
    clock = Clock()
    mirror = Mirror(origin.url, tmp_path / "kept", 1 << 20, clock)
    assert body(mirror("zarr.json", None)) == b"{}"
    (origin.root / "zarr.json").write_bytes(b'{"new": 1}')
    assert body(mirror("zarr.json", None)) == b"{}"
    clock.now += 61
    assert body(mirror("zarr.json", None)) == b'{"new": 1}'
    assert mirror.shelf.nbytes == len(b'{"new": 1}')
    mirror.close()


def test_many_readers_of_a_key_are_one_fetch(tmp_path: Path) -> None:
    folder = tmp_path / "origin"
    folder.mkdir()
    values = {f"k{i}": bytes([i]) * 1000 for i in range(5)}
    for name, value in values.items():
        (folder / name).write_bytes(value)
    with serving_files(FolderServer(folder, delay=0.2)) as origin:
        mirror = Mirror(origin.url, tmp_path / "kept", 1 << 20)
        start = threading.Barrier(20)

        def read(number: int) -> bool:
            start.wait()
            name = f"k{number % 5}"
            return body(mirror(name, None)) == values[name]

        with ThreadPoolExecutor(20) as pool:
            assert all(pool.map(read, range(20)))
        assert sorted(path for _, path, _ in origin.asked) == [f"/k{i}" for i in range(5)]
        mirror.close()


@pytest.mark.parametrize("harm", ["flip", "cut", "gone", "grown"])
def test_a_damaged_piece_is_fetched_anew(origin: FolderServer, mirror: Mirror, harm: str) -> None:
    whole = body(mirror("a", None))
    (piece,) = mirror.shelf.folder.glob("[0-9a-f][0-9a-f]/*")
    kept = bytearray(piece.read_bytes())
    kept[100] ^= 1
    if harm == "gone":
        piece.unlink()
    else:
        piece.write_bytes({"flip": bytes(kept), "cut": whole[:-1], "grown": whole + b"x"}[harm])
    assert body(mirror("a", None)) == whole
    assert len(origin.asked) == 2
    assert mirror.shelf.damaged == 1
    assert body(mirror("a", None)) == whole
    assert len(origin.asked) == 2


def test_a_shelf_is_bounded_and_gives_up_what_was_used_longest_ago(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, 100_000)
    for number in range(300):
        shelf.put(f"k{number}", 0, bytes([number % 256]) * 1000)
        shelf.take("k0", 0, 1000)
        files = sum(path.stat().st_size for path in tmp_path.glob("[0-9a-f][0-9a-f]/*"))
        assert files == shelf.nbytes <= 95_000
    assert shelf.evicted >= 200
    assert shelf.take("k0", 0, 1000) == bytes(1000), "what is used stays"
    assert shelf.take("k1", 0, 1000) is None
    assert shelf.take("k299", 10, 20) == bytes([299 % 256]) * 10
    shelf.put("huge", 0, bytes(99_000))
    assert shelf.take("huge", 0, 99_000) is None
    assert shelf.take("k299", 10, 20) is not None
    shelf.close()


def test_a_shelf_tidies_what_a_crash_left(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, 100_000)
    for name in "abc":
        shelf.put(name, 0, name.encode() * 500)
    shelf.close()
    pieces = sorted(tmp_path.glob("[0-9a-f][0-9a-f]/*"))
    pieces[0].write_bytes(b"half")
    (pieces[1].parent / "99.part").write_bytes(b"never finished")
    again = Shelf(tmp_path, 100_000)
    assert again.nbytes == 1000
    assert [again.take(name, 0, 500) is not None for name in "abc"].count(True) == 2
    assert not list(tmp_path.glob("*/*.part"))
    again.close()


def test_a_store_is_served_through_its_mirror_and_reads_from_disk_when_warm(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    with serving_files(FolderServer(folder, delay=0.01)) as origin:
        site = make_site("", Access(open=True), mirror=Mirror(f"{origin.url}/em.zarr", tmp_path / "kept", 10 << 20))
        with serving(site) as server:
            ask = Client(server, None)
            for _ in range(2):
                said = ask("/v1/volumes/em/image/cutout?box=:,:,:&format=raw")
                assert (np.frombuffer(said.body, "u1").reshape(EM.shape) == EM).all()
            cold = len(origin.asked)
            remote = open_volume(f"{server.url}/v1/zarr/em")
            assert (remote.read() == EM).all()
            assert ask("/v1/view/info?vol=em").json["levels"][0]["shape"] == list(EM.shape)
            paths = [path for _, path, _ in origin.asked]
            chunks = [(path, asked) for _, path, asked in origin.asked if "/c/" in path]
            assert chunks
            assert len(set(chunks)) == len(chunks), "no chunk is asked for twice"
            assert not [path for path in paths[cold:] if "/c/" in path]
            assert ask("/v1/zarr/em/0/c/9/9/9").status == 404
            origin.status = 503
            assert ask("/v1/zarr/em/0/c/8/8/8").status == 502, "an origin that fails is no missing chunk"
