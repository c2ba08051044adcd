"""Whatever is asked: an answer in time, never a 500, never a word of what lies outside the served folder."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tornado import httpclient

from ndlab.analyze.services import graph_services
from ndlab.errors import NdlabError
from ndlab.serve.app import make_site, serving
from ndlab.serve.founding import names_of
from ndlab.serve.keys import check_key, from_disk, parse_range
from ndlab.serve.limits import Access, Limits, Rate
from ndlab.serve.modern import Cutout
from ndlab.serve.openapi import ROUTES, document
from ndlab.serve.precomputed import parse
from tests.serve.sites import TOKEN, Client, make_folder

SECRETS = (b"nobody may read this", b"Traceback", b"site-packages", b"/tests/")
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW")
WORDS = (
    "", ".", "..", "...", "%2e%2e", "%2F", "%00", "%ff", "%", "%zz", "em", "seg", "em.zarr", "image", "annotation", "0",
    "1", "-1", "99", "1e9", "9999999999999999999999", "xy", "xz", "yz", "raw", "npz", "hdf5", "tiff", "blosc", "jpeg",
    "zip", "id", "ids", "xyanno", "mcfc", "maxproj", "diff", "info", "projinfo", "stats", "hist", "mean", "all",
    "percentile", "resource", "dataset", "project", "channel", "token", "setPropagate", "getPropagate", "zarr.json",
    "c", "0,5", "5,0", "10,12", "0,999999999", "-5,5", ",", "a,b", "window", "filter", "neariso", "0_0_0.png",
    "X0_Y0_Z0.png", "0-64_0-64_10-20", "0--1_0-1_0-1", "t=0", "t=99", "self", "0.5", "nan", "inf", ".ndlab",
    "state.json", "query", "type", "limit", "reserve", "merge", "global", "objects", "voxels", "cutout", "boundingbox",
    "cuboids", "json", "nodata", "exceptions", "csv", "swc", "nii", "getField", "setField", "topkeys", "overwrite",
    "except", "update", "dataonly", "reduce", "1,2", "annotations", "objects.sqlite", "confidence", "gt",
    "graphs", "graphs.zip", "ring.graphml", "ndgraph", "invariants", "gml", "gpickle",
    "secret.txt", "link", "up", "\\", "~", "|", "{}", "*", "ü", "\u2028", "𝒵", "<script>", "'", '"',
    "a" * 300,
)  # fmt: skip
ROOTS = sorted({route.path.partition("{")[0] for route in ROUTES})

paths = st.builds(
    lambda root, words, tail: root + "/".join(words) + tail,
    st.sampled_from([*ROOTS, "/", "//", ""]),
    st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=8)), max_size=9),
    st.sampled_from(["", "/", "//", "?", "/?a=b"]),
)
queries = st.dictionaries(
    st.sampled_from(["match", "lossy", "names", "overwrite", "box", "level", "t", "format", "win", "vol", "k",
                     "s", "q", "axis", "lod", "from", "to", "step", "c", "v", "token", "x"]),
    st.one_of(st.sampled_from([*WORDS, "0:4,0:4,0:4", "0,0,0", "em/image", "em,seg", "ring*", "gml", "size", "jpeg75",
                               "raw", "png", "0,255"]),
              st.text(max_size=12)),
    max_size=6,
)  # fmt: skip
header_text = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40).map(str.strip)
headers = st.dictionaries(
    st.sampled_from(["Range", "If-None-Match", "If-Range", "Accept", "Accept-Encoding", "Content-Type", "Origin",
                     "Host", "Cookie", "X-Forwarded-For", "Referer", "Sec-Fetch-Site", "Content-Encoding", "Expect"]),
    st.one_of(header_text, st.sampled_from(["bytes=0-", "bytes=-1", "bytes=99999999999999-", "gzip", "*/*", "null"])),
    max_size=4,
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("fuzz"))


@pytest.fixture(scope="module")
def ask(folder: Path) -> Iterator[Client]:
    access = Access(token=TOKEN, public=("em",), rate=Rate(1e6), cors=("*",))
    limits = Limits(nbytes=8 << 20, body=1 << 16)
    with serving(make_site(str(folder), access, limits=limits, services=graph_services())) as server:
        yield Client(server, TOKEN)


def encoded(path: str, query: dict[str, str]) -> str:
    # Percent signs stay, so that wrong escapes and escaped slashes arrive as they are.
    target = quote(path, safe="/%?=&,._-~:+*'()!$;@|{}\\\"<>^`[]#", errors="surrogatepass").replace(" ", "%20")
    target = target.replace("#", "%23") if target.startswith("/") else "/" + target.replace("#", "%23")
    if query:
        target += ("&" if "?" in target else "?") + "&".join(
            f"{k}={quote(v, errors='replace')}" for k, v in query.items()
        )
    return target


def send(client: Client, method: str, target: str, sent: dict[str, str], body: bytes) -> tuple[int, bytes]:
    """Send exactly this, as no careful client would."""
    with closing(http.client.HTTPConnection("127.0.0.1", client.server.port, timeout=20)) as connection:
        connection._validate_path = lambda url: None  # type: ignore[attr-defined]
        connection.putrequest(method, target, skip_host="Host" in sent, skip_accept_encoding=True)
        for name, value in sent.items():
            connection.putheader(name, value)
        if body or method in ("POST", "PUT"):
            connection.putheader("Content-Length", str(len(body)))
        try:
            connection.endheaders(body or None)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except ConnectionError:
            # A Host that is no name is answered before the body is read, and the close may overtake the answer.
            assert body, "the server broke off a request that it had read"
            return 400, b""


def check(status: int, said: bytes, folder: Path) -> None:
    assert status < 500 or status in (501, 502), said[:300]
    assert not any(secret in said for secret in SECRETS)
    assert str(folder.parent).encode() not in said


@given(st.sampled_from(METHODS), paths, queries, headers, st.binary(max_size=200), st.booleans())
@example("GET", "/v1/zarr/em/../../secret.txt", {}, {}, b"", True)
@example("GET", "/v1/zarr/em/%2e%2e/%2e%2e/secret.txt", {}, {}, b"", False)
@example("GET", "/v1/zarr/em/up/secret.txt", {}, {}, b"", False)
@example("POST", "/sd/em/image/npz/0/0,1/0,1/10,11/", {}, {}, b"\x80\x04.", True)
@example("GET", "/ocp/ca/em/image/xy/0/0,999999/0,999999/10/", {}, {}, b"", True)
@example("GET", "/v1/volumes/em/image/cutout", {"box": "0:4,0:4,0:4", "format": "png"}, {}, b"", False)
def test_any_request_is_answered(
    ask: Client, folder: Path, method: str, path: str, query: dict[str, str], sent: dict[str, str], body: bytes,
    known: bool,
) -> None:  # fmt: skip
    target = encoded(path, query)
    extra = {"Authorization": f"Bearer {TOKEN}"} if known else {}
    if "Expect" in sent:
        sent = {**sent, "Expect": "100-continue"}
    status, said = send(ask, method, target, sent | extra, body)
    check(status, said, folder)
    if method not in ("HEAD", "OPTIONS") and 400 <= status < 600 and said.startswith(b"{"):
        assert {"status", "asked", "exists", "remedy"} <= set(json.loads(said))


@given(st.sampled_from(METHODS), paths, queries)
def test_without_a_token_nothing_of_what_is_not_public_is_told(
    ask: Client, folder: Path, method: str, path: str, query: dict[str, str]
) -> None:
    query.pop("token", None)
    status, said = send(ask, method, encoded(path, query), {}, b"")
    check(status, said, folder)
    assert b"7205759940" not in said, "an id of seg"
    if "seg" in path and "em" not in path and method in ("GET", "HEAD"):
        assert status in (400, 403, 404, 405, 414), status
    if method in ("POST", "PUT", "DELETE", "PATCH"):
        assert status in (400, 403, 405)


@given(st.binary(max_size=400))
@example(b"GET /v1/volumes HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n")
@example(b"GET /v1/volumes HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n")
@example(b"POST /sd/em/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
@example(b"GET http://other.example/v1/volumes HTTP/1.1\r\nHost: other.example\r\n\r\n")
@example(b"\x00\xff" * 100)
def test_bytes_that_are_no_http_end_the_connection_or_are_answered(ask: Client, folder: Path, sent: bytes) -> None:
    async def run() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", ask.server.port)
        writer.write(sent)
        writer.write_eof()
        try:
            said = await asyncio.wait_for(reader.read(), 10)
        except ConnectionError:
            said = b""
        writer.close()
        return said

    said = asyncio.run(run())
    assert not said or said.startswith(b"HTTP/1.")
    if said:
        check(int(said.split(b" ")[1]), said, folder)


OPERATIONS = [
    (method, path, operation) for path, methods in document()["paths"].items() for method, operation in methods.items()
]


@st.composite
def as_documented(draw: st.DrawFn) -> tuple[str, str, dict[str, Any]]:
    """Draw a request of the kind that the OpenAPI document promises to answer: each value of its type and pattern."""
    method, path, operation = draw(st.sampled_from(OPERATIONS))
    query = {}
    for one in operation["parameters"]:
        value = draw(values_of(one))
        if one["in"] == "path":
            path = path.replace(f"{{{one['name']}}}", quote(value, safe="/,"))
        elif one["in"] == "query" and (one["required"] or draw(st.booleans())):
            query[one["name"]] = value
    return method.upper(), encoded(path, query), operation


def values_of(parameter: dict[str, Any]) -> st.SearchStrategy[str]:
    schema, names = parameter["schema"], {"name": ("em", "seg", "none"), "channel": ("image", "annotation", "none")}
    if schema["type"] == "integer":
        return st.one_of(st.integers(0, 30), st.integers(0, 10**12)).map(str)
    if "pattern" in schema:
        return st.from_regex(schema["pattern"], fullmatch=True).filter(str.isascii)
    if parameter["name"] in names:
        return st.sampled_from(names[parameter["name"]])
    if parameter["name"] == "path":
        return st.sampled_from(ENDINGS)
    return st.sampled_from(("em", "em/image", "0,0,0;1,0,0", "0,8,0,8", "raw", "jpeg75", "0,255", "1", "64"))


ENDINGS = ("zarr.json", "0/zarr.json", "0/c/0/0/0", "info", "0/0-64_0-64_10-20", "em/image/xy/0/0,20/0,20/12/",
           "em/image/npz/0/0,9/0,9/10,12/", "seg/annotation/ids/0/0,9/0,9/1,3/", "em/image/mean/", "em/info/",
           "seg/annotation/1/", "seg/annotation/1/voxels/0/", "seg/annotation/query/type/2/",
           "seg/annotation/swc/", "seg/annotation/topkeys/3/", "seg/annotation/getField/1/status/", "em/image/1/",
           "0.5/s/em/image/s/seg/annotation/xy/0/0,9/0,9/12/", "dataset/em/",
           "em/image/9,9,12/width/3/tile/5/", "em/image/xy/0/0_0_0.png")  # fmt: skip


@given(as_documented())
def test_what_the_document_promises_is_answered_as_it_says(
    ask: Client, folder: Path, asked: tuple[str, str, dict[str, Any]]
) -> None:
    method, target, operation = asked
    status, said = send(ask, method, target, {"Authorization": f"Bearer {TOKEN}"}, b"")
    check(status, said, folder)
    assert status < 300 or str(status) in operation["responses"], (status, said[:200])


def test_it_still_answers_after_all_that(ask: Client) -> None:
    assert ask("/v1/volumes").status == 200


# --- the parts, with many more examples -----------------------------------------------------------------------------


@given(st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=6)), max_size=6).map("/".join))
def test_a_key_stays_in_its_store(folder: Path, key: str) -> None:
    root = folder / "em.zarr"
    try:
        found = from_disk(root, check_key(key), None)
    except NdlabError:
        return
    if found is not None:
        assert (root / key).resolve().is_relative_to(root.resolve())
        assert b"nobody may read this" not in b"".join(found.pieces)


@given(st.one_of(st.text(max_size=30), st.from_regex(r"bytes=\d{0,25}-\d{0,25}", fullmatch=True)), st.integers(0, 1000))
def test_a_range_lies_in_its_value_or_beyond_it(header: str, size: int) -> None:
    span = parse_range(header)
    where = None if span is None else span.within(size)
    assert where is None or 0 <= where[0] < where[1] <= size


@given(paths)
def test_parsers_raise_mistakes_and_nothing_else(path: str) -> None:
    for read in (names_of, parse):
        with suppress(NdlabError):
            read(path)


@given(queries)
def test_a_query_is_read_or_refused(query: dict[str, str]) -> None:
    with suppress(NdlabError):
        assert len(Cutout.parse(query).box) == 3


def test_the_client_of_these_tests_sees_answers(ask: Client) -> None:
    said = httpclient.HTTPClient().fetch(f"{ask.server.url}/v1/volumes?token={TOKEN}")
    assert json.loads(said.body)["volumes"]
