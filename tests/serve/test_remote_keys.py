"""Raw keys of remote stores: a range moves no more than the range, and is the same as of the file on disk."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ndlab.serve.keys import Found, Span, from_disk
from ndlab.serve.remote_keys import RemoteKeys
from ndlab.serve.statuses import Unreachable
from tests.servers import FolderServer, S3Server, serving

VALUE = bytes(range(256)) * 400
SPANS = (None, Span(0, 9), Span(300), Span(tail=50), Span(tail=10**9), Span(10, 10**9), Span(len(VALUE)), Span(5, 5))


def counting(server: Counting | Bucket, request: BaseHTTPRequestHandler) -> None:
    """Have the bytes of an answer counted."""
    send = request.wfile.write

    def count(data: bytes) -> int:
        server.sent += len(data)
        return send(data)

    request.wfile.write = count  # type: ignore[method-assign, assignment]


class Counting(FolderServer):
    """Counts the bytes of its answers."""

    sent = 0

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        counting(self, request)
        super().answer(request)


class Bucket(S3Server):
    """Counts the bytes of its answers."""

    sent = 0

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        counting(self, request)
        super().answer(request)


class Private(Bucket):
    """Tells nobody how long a value is who does not ask for it as the engine does."""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        if request.command == "HEAD" and request.headers.get("User-Agent") == "ndlab":
            request.send_response(403)
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        super().answer(request)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "em.zarr" / "c").mkdir(parents=True)
    (tmp_path / "em.zarr" / "c" / "0").write_bytes(VALUE)
    return tmp_path


@pytest.fixture
def web(folder: Path) -> Iterator[Counting]:
    with serving(Counting(folder)) as found:
        yield found


@pytest.fixture(params=[Bucket, Private])
def bucket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    # The engine keeps what it has opened: a bucket of another test by the same name would be asked.
    with serving(request.param(f"brains-{time.monotonic_ns()}")) as found:
        monkeypatch.setenv("AWS_ENDPOINT_URL", found.url)
        found.objects["em.zarr/c/0"] = VALUE
        yield found


@pytest.fixture
def keys() -> Iterator[RemoteKeys]:
    found = RemoteKeys()
    yield found
    found.close()


def same(found: Found | None, want: Found | None) -> None:
    assert found is not None
    assert want is not None
    assert (found.start, b"".join(found.pieces)) == (want.start, b"".join(want.pieces))
    assert found.size in (None, want.size)
    assert found.start is None or found.stop == want.stop


@pytest.mark.parametrize("span", SPANS)
def test_on_a_web_server(keys: RemoteKeys, web: Counting, folder: Path, span: Span | None) -> None:
    same(keys.find(f"{web.url}/em.zarr", "c/0", span), from_disk(folder / "em.zarr", "c/0", span))
    assert keys.find(f"{web.url}/em.zarr", "c/1", span) is None


def test_of_a_web_server_only_the_range_is_moved(keys: RemoteKeys, web: Counting) -> None:
    for span in (Span(0, 9), Span(tail=50), Span(50, 99)):
        web.sent = 0
        assert keys.find(f"{web.url}/em.zarr", "c/0", span) is not None
        assert web.sent < 4000


def test_a_web_server_without_ranges(keys: RemoteKeys, web: Counting, folder: Path) -> None:
    web.ranges = False
    for span in SPANS[:4]:
        same(keys.find(f"{web.url}/em.zarr", "c/0", span), from_disk(folder / "em.zarr", "c/0", span))


def test_a_web_server_that_fails_is_no_missing_key(keys: RemoteKeys, web: Counting) -> None:
    web.status = 503
    with pytest.raises(Unreachable, match="the store's server answers 503"):
        keys.find(f"{web.url}/em.zarr", "c/0", None)
    with pytest.raises(Unreachable, match="does not answer"):
        keys.find("http://127.0.0.1:9/em.zarr", "c/0", Span(1))


@pytest.mark.parametrize("span", SPANS)
def test_in_a_bucket(keys: RemoteKeys, bucket: Bucket, folder: Path, span: Span | None) -> None:
    for _ in range(2):
        same(keys.find(f"s3://{bucket.bucket}/em.zarr", "c/0", span), from_disk(folder / "em.zarr", "c/0", span))
    assert keys.find(f"s3://{bucket.bucket}/em.zarr", "c/1", span) is None


def test_of_a_bucket_only_the_range_is_moved(keys: RemoteKeys, bucket: Bucket) -> None:
    url = f"s3://{bucket.bucket}/em.zarr"
    if isinstance(bucket, Private):
        keys.find(url, "c/0", Span(tail=50))  # which tells how long it is
    for span in (Span(0, 9), Span(tail=50), Span(50, 99)):
        bucket.sent = 0
        assert keys.find(url, "c/0", span) is not None
        assert bucket.sent < 4000, f"{len(VALUE)} bytes is the value"


def test_a_value_in_a_bucket_that_changed_is_told_by_its_tag(keys: RemoteKeys, bucket: Bucket) -> None:
    url = f"s3://{bucket.bucket}/em.zarr"
    first = keys.find(url, "c/0", Span(tail=20))
    tags = [first.etag if first else ""]
    for value in (b"shorter" * 10, b"and longer again" * 9000):
        bucket.objects["em.zarr/c/0"] = value
        found = keys.find(url, "c/0", Span(tail=20))
        assert found is not None
        assert b"".join(found.pieces) == value[-20:]
        tags.append(found.etag)
    assert len(set(tags)) == 3


def test_in_a_zip_file(keys: RemoteKeys, folder: Path) -> None:
    with zipfile.ZipFile(folder / "em.zip", "w") as made:
        made.writestr("em.zarr/c/0", VALUE)
        made.writestr("packed", VALUE, zipfile.ZIP_DEFLATED)
    for span in SPANS:
        want = from_disk(folder / "em.zarr", "c/0", span)
        same(keys.find(f"{folder}/em.zip/em.zarr", "c/0", span), want)
        same(keys.find(f"{folder}/em.zip", "packed", span), from_disk(folder / "em.zarr", "c/0", span))
    assert keys.find(f"{folder}/em.zip", "none", Span(1)) is None


spans = st.one_of(
    st.none(), st.integers(1, 400).map(lambda n: Span(tail=n)), st.integers(0, 400).map(Span),
    st.tuples(st.integers(0, 400), st.integers(0, 400)).map(lambda two: Span(min(two), max(two))),
)  # fmt: skip


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=300), spans), min_size=1, max_size=4))
def test_any_range_of_a_value_that_changes(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[bytes, Span | None]]
) -> None:
    root, keys = tmp_path_factory.mktemp("any"), RemoteKeys()
    for value, span in steps:
        (root / "k").write_bytes(value)
        (root / "a.zip").unlink(missing_ok=True)
        with zipfile.ZipFile(root / "a.zip", "w") as made:
            made.writestr("k", value)
        same(keys.find(f"{root}/a.zip", "k", span), from_disk(root, "k", span))
