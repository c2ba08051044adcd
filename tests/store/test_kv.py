from __future__ import annotations

import os
import pickle
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from ndlab.errors import BadMetadata, BadRequest, Conflict, NotFound, ReadOnly
from ndlab.store import kv as module
from ndlab.store.kv import Kv, in_zip, join, local_path, look_again, normal_url, parse_json, split_hint, stamp
from tests.servers import FolderServer, S3Server, serving


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    with serving(S3Server("brain")) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        module._opened.cache_clear()
        yield server
        module._opened.cache_clear()


# --- addresses ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "address", "hint"),
    [
        ("precomputed://gs://bucket/a", "gs://bucket/a", "precomputed"),
        ("zarr://s3://bucket/a", "s3://bucket/a", "zarr"),
        ("zarr2:///data/a", "/data/a", "zarr2"),
        ("zarr3://https://host/a", "https://host/a", "zarr3"),
        ("n5:///data/a.n5", "/data/a.n5", "n5"),
        ("gs://bucket/a|neuroglancer-precomputed:", "gs://bucket/a", "precomputed"),
        ("s3://bucket/a/|zarr3:", "s3://bucket/a/", "zarr3"),
        ("/data/a", "/data/a", None),
        ("/data/zarr", "/data/zarr", None),
    ],
)
def test_format_prefixes(url: str, address: str, hint: str | None) -> None:
    assert split_hint(url) == (address, hint)


def test_addresses_have_one_spelling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/somewhere")
    assert normal_url("a/../b/") == f"{tmp_path}/b"
    assert normal_url(tmp_path / "b") == f"{tmp_path}/b"
    assert normal_url("file:///data/with%20space/") == "/data/with space"
    assert normal_url("~/a") == "/somewhere/a"
    assert normal_url("s3://bucket/a/") == "s3://bucket/a"
    with pytest.raises(BadRequest, match=r"scheme 'ftp'.*file://, http://, https://, s3://, gs://") as caught:
        normal_url("ftp://host/a")
    assert caught.value.scheme == "ftp"


def test_join_and_local_path() -> None:
    assert join("s3://b/a/", "", "/x/", "y") == "s3://b/a/x/y"
    assert join("/", "a") == "//a" or join("/", "a") == "/a"
    assert local_path("/data/a") == Path("/data/a")
    assert local_path("https://host/a") is None


# --- local --------------------------------------------------------------------------------------------------------


def test_a_missing_key_is_none_and_a_written_one_is_read(tmp_path: Path) -> None:
    kv = Kv.open(tmp_path / "store")
    assert kv.read("a/b") is None
    assert kv.read_json("a/b") is None
    assert kv.list() == kv.children() == []
    kv.write("a/b", b"1")
    kv.write("a/c/d", b"")
    kv.write_json("e", {"f": 1})
    assert kv.read_many(["a/b", "nothing", "a/c/d"]) == [b"1", None, b""]
    assert kv.read("a") is None  # a folder is no key
    assert kv.read("a/b/c") is None
    assert kv.read_json("e") == {"f": 1}
    assert kv.list() == ["a/b", "a/c/d", "e"]
    assert kv.list("a/c") == ["a/c/d"]
    assert kv.children() == ["a", "e"]
    kv.delete("a/b")
    kv.delete("a/b")
    assert kv.list() == ["a/c/d", "e"]
    kv.delete_all("a")
    assert kv.list() == ["e"]
    assert pickle.loads(pickle.dumps(kv)) == kv


def test_a_write_replaces_the_file_whole(tmp_path: Path) -> None:
    """A reader that holds the old file open goes on reading it: the new one is another file under the same name."""
    kv = Kv.open(tmp_path)
    kv.write("a", b"old" * 1000)
    with (tmp_path / "a").open("rb") as reader:
        kv.write("a", b"new")
        assert reader.read() == b"old" * 1000
    assert (tmp_path / "a").read_bytes() == b"new"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def count_up(url: str, key: str, times: int) -> None:
    for _ in range(times):
        Kv.open(url).update(key, lambda old: str(int(old or b"0") + 1).encode())


def test_threads_count_without_losing_one(tmp_path: Path) -> None:
    threads = [threading.Thread(target=count_up, args=(str(tmp_path), "n", 25)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Kv.open(tmp_path).read("n") == b"200"


def test_processes_count_without_losing_one(tmp_path: Path) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        done = [pool.submit(count_up, str(tmp_path), "n", 50) for _ in range(2)]
        count_up(str(tmp_path), "n", 50)
        for one in done:
            one.result()
    assert Kv.open(tmp_path).read("n") == b"150"


def test_update_that_changes_its_mind_writes_nothing(tmp_path: Path) -> None:
    kv = Kv.open(tmp_path)
    assert kv.update("a", lambda old: None) is None
    assert kv.list() == []
    kv.write("a", b"x")
    assert kv.update("a", lambda old: None) == b"x"


def test_update_gives_up_when_others_always_win(tmp_path: Path) -> None:
    kv = Kv.open(tmp_path)

    def lose(old: bytes | None) -> bytes:
        kv.write("a", (old or b"") + b"x")
        return b"mine"

    with pytest.raises(Conflict, match=r"/a was changed by others 3 times in a row"):
        kv.update("a", lose, attempts=3)
    assert kv.read("a") == b"xxx"


def test_json_that_is_none(tmp_path: Path) -> None:
    kv = Kv.open(tmp_path)
    kv.write("a", b"<html>")
    with pytest.raises(BadMetadata, match=r"/a is not JSON.*damaged or the address is a web page"):
        kv.read_json("a")
    with pytest.raises(BadMetadata, match=r"b holds a JSON list\. an object was expected"):
        parse_json(b"[1]", "b")


def test_a_stamp_changes_with_the_file(tmp_path: Path) -> None:
    kv = Kv.open(tmp_path)
    assert stamp(kv.url, "a") is None
    kv.write("a", b"1")
    first = stamp(kv.url, "a")
    kv.write("a", b"1")  # the same bytes: still another file
    assert first != stamp(kv.url, "a") is not None
    assert stamp("s3://b/a", "zarr.json") == stamp("s3://b/a", "zarr.json")
    before = stamp("s3://b/a", "zarr.json")
    look_again("s3://b/a")
    assert stamp("s3://b/a", "zarr.json") != before


# --- zip ----------------------------------------------------------------------------------------------------------


def test_zip_files_are_folders(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("info", "{}")
        file.writestr("0/c/0", "chunk")
    kv = Kv.open(tmp_path / "a.zip")
    assert kv.read_many(["info", "0/c/0", "nothing"]) == [b"{}", b"chunk", None]
    assert Kv.open(tmp_path / "a.zip/0").read("c/0") == b"chunk"
    assert kv.list() == ["0/c/0", "info"]
    assert kv.children() == ["0", "info"]
    assert in_zip(kv.url)
    with pytest.raises(ReadOnly, match=r"a\.zip cannot be written.*read-only.*copy it with ndlab.ingest"):
        kv.write("x", b"")
    with pytest.raises(ReadOnly):
        kv.delete("info")
    with pytest.raises(ReadOnly):
        kv.update("info", lambda old: b"new")


def test_a_folder_with_zip_in_its_name_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.zip").mkdir()
    kv = Kv.open(tmp_path / "a.zip")
    assert not in_zip(kv.url)
    kv.write("x", b"1")
    assert (tmp_path / "a.zip" / "x").read_bytes() == b"1"


# --- http ---------------------------------------------------------------------------------------------------------


def test_http_reads_and_asks_for_all_at_once(tmp_path: Path) -> None:
    for i in range(8):
        (tmp_path / f"k{i}").write_bytes(bytes([i]))
    with serving(FolderServer(tmp_path, delay=0.1)) as server:
        kv = Kv.open(server.url)
        assert kv.read_many([*(f"k{i}" for i in range(8)), "nothing"]) == [*(bytes([i]) for i in range(8)), None]
        assert server.most_in_flight >= 3
        assert kv.list() == []  # http cannot list
        with pytest.raises(ReadOnly, match="cannot be written"):
            kv.write("x", b"")


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_means_that_there_is_no_such_key(tmp_path: Path, status: int) -> None:
    """Public buckets without list permission say 403 for keys that do not exist."""
    with serving(FolderServer(tmp_path)) as server:
        server.status = status
        assert Kv.open(server.url).read("info") is None


def test_a_server_in_trouble_is_not_an_empty_one(tmp_path: Path) -> None:
    with serving(FolderServer(tmp_path)) as server:
        server.status = 500
        with pytest.raises(NotFound, match=r"does not answer.*check the address and the network"):
            Kv.open(server.url).read("info")


def test_a_server_that_is_gone(tmp_path: Path) -> None:
    with serving(FolderServer(tmp_path)) as server:
        url = server.url
    with pytest.raises(NotFound, match=r"does not answer.*check the address and the network"):
        Kv.open(url).read("info")


def test_zip_over_http(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("0/zarr.json", "{}")
    with serving(FolderServer(tmp_path)) as server:
        kv = Kv.open(f"{server.url}/a.zip")
        assert kv.read_many(["0/zarr.json", "nothing"]) == [b"{}", None]
        assert any(asked[2] for asked in server.asked), "the zip file is read in parts"


# --- s3 -----------------------------------------------------------------------------------------------------------


def test_s3_keys(s3: S3Server) -> None:
    kv = Kv.open("s3://brain/vol/")
    assert kv.read("info") is None
    kv.write("0/c/0", b"chunk")
    kv.write("info", b"{}")
    assert s3.objects == {"vol/0/c/0": b"chunk", "vol/info": b"{}"}
    assert kv.read_many(["0/c/0", "info"]) == [b"chunk", b"{}"]
    assert kv.list() == ["0/c/0", "info"]
    assert kv.children() == ["0", "info"]
    kv.delete("info")
    kv.delete_all("0")
    assert s3.objects == {}


def test_s3_counts_without_losing_one(s3: S3Server) -> None:
    threads = [threading.Thread(target=count_up, args=("s3://brain/vol", "n", 5)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert s3.objects["vol/n"] == b"20"


def test_s3_without_credentials_reads_as_anyone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert module.kvstore_spec("s3://open/a")["aws_credentials"] == {"type": "anonymous"}
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    assert module.kvstore_spec("s3://open/a")["aws_credentials"] == {"type": "environment"}
    monkeypatch.setenv("AWS_PROFILE", "lab")
    assert "aws_credentials" not in module.kvstore_spec("s3://open/a")


def test_what_a_killed_writer_left_is_not_behind_the_next_value(tmp_path: Path) -> None:
    for key in ("a", "b"):
        (tmp_path / f"{key}.__lock").write_bytes(b"x" * 1000)
    kv = Kv(str(tmp_path))
    kv.write("a", b"1")
    kv.update("b", lambda old: b"2")
    assert (kv.read("a"), kv.read("b")) == (b"1", b"2")
