"""The OpenAPI document against the server that serves it, by schemathesis: what is promised is what is answered.

It asks every operation with values that the document allows and with values that it does not, with methods that it does
not name, without the token; and holds each answer to the document: status, type, headers, schema, and how long it took.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ndlab.analyze.services import graph_services
from ndlab.serve.app import make_site, serving
from ndlab.serve.limits import Access, Limits
from tests.serve.sites import TOKEN, Client, make_folder

pytestmark = pytest.mark.timeout(180)

SLOWEST = 10  # seconds, for one answer
# Below these a path has a grammar of its own, which no pattern says: a path that is none of it is 400.
FOUNDING = r"^/(sd|ca|ocp|nd|ndgraph|ramon|overlay|catmaid|synaptogram|stats|resource)/"
# What objects and graph files are made of, and what two ids or two ends of a box have to be to each other, a schema
# says in part.
OBJECTS = r"^/v1/(annotations/.*/(objects|merge)|graphs/)"
PLANES = ("em/image/xy/0/0,20/0,20/12/", "seg/annotation/xz/0/0,20/3/0,9/", "em/image/npz/0/0,9/0,9/10,12/",
          "seg/annotation/ids/0/0,9/0,9/1,3/", "em/info/", "em/image/xy/99/0,20/0,20/12/")  # fmt: skip
PATHS: Mapping[str, Sequence[str]] = {
    "/v1/zarr/": ("zarr.json", "0/zarr.json", "0/c/0/0/0", "none", "../secret.txt"),
    "/v1/precomputed/": ("info", "image/info", "0/0-64_0-64_10-20", "0/0-999_0-64_10-20", "none"),
    "/ramon/": ("seg/annotation/1/", "seg/annotation/topkeys/5/", "em/image/1/", "seg/annotation/none/"),
    "/overlay/": ("0.5/self/em/image/self/seg/annotation/xy/0/0,9/0,9/12/", "2/self/em/image/xy/0/0,9/0,9/1/"),
    "/catmaid/": ("em/image/xy/12/0_0_0.png", "em/image/xy/12/9_9_9.png", "viking/em/image/0/X0_Y0_Z12.png"),
    "/synaptogram/": ("em/image/xy/0/0,9/0,9/12,14/", "em/image/9,9,12/width/3/tile/9/", "em/image/xy/0/0,9/0,9/0,14/"),
    "/stats/": ("em/image/mean/", "em/image/hist/", "em/image/percentile/50/", "em/image/none/"),
    "/resource/": ("dataset/em/", "dataset/", "dataset/made/", "public/token/", "none/"),
    "/ndgraph/": ("seg/annotation/", "seg/annotation/gml/0,9/0,9/10,12/", "seg/annotation/yaml/", "em/image/"),
    **{f"/{root}/": PLANES for root in ("sd", "ca", "nd")},
    "/ocp/": [f"ca/{one}" for one in PLANES],
}
VALUES: Mapping[str, Sequence[str]] = {
    "name": ("em", "seg", "ring.graphml", "none"), "names": ("size", "degree,order", "size,none"),
    "channel": ("image", "annotation"), "vol": ("em", "em/image", "seg/annotation"),
    "where": ('{"confidence__gt": 0.5}', '{"name": "axon"}'), "sort": ("id", "-confidence"), "ids": ("1", "1,2"),
    "Range": ("bytes=0-9", "bytes=-5", "bytes=3-", "bytes=99999999-", "lines=1-2"),
    "k": ("0,0,0;1,0,0", "12,1,1", "-1,0,0", "99,9,9"),
}  # fmt: skip


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = make_folder(tmp_path_factory.mktemp("api"))
    limits = Limits(nbytes=8 << 20, body=1 << 16)
    site = make_site(str(folder), Access(token=TOKEN), limits=limits, writable=True, services=graph_services())
    with serving(site) as server:
        yield Client(server, TOKEN)


def told(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document with values that this server has, so that most requests get past the names."""
    found: dict[str, Any] = json.loads(json.dumps(document))
    for path, operations in found["paths"].items():
        for operation in operations.values():
            for one in operation["parameters"]:
                root = next((root for root in PATHS if path.startswith(root)), "")
                values = PATHS[root] if one["name"] == "path" else VALUES.get(one["name"])
                one["required"] |= one["name"] == "Range"
                if values:
                    one["schema"] = {"type": "string", "enum": list(values)}
                elif one["schema"]["type"] == "integer" and one["name"] != "s":
                    one["schema"] |= {"minimum": 0, "maximum": 20 if one["name"] in ("from", "to", "step") else 2}
                elif one["name"] == "box" and path.startswith("/v1/view"):
                    one["schema"] = {"type": "string", "enum": ["0,8,0,8", "0,150,0,170", "100,400,0,9"]}
    return found


def run(ask: Client, folder: Path, schema: Mapping[str, Any], *more: str) -> str:
    """Run schemathesis on a document as people run it, and return its report; fail with what it found."""
    (folder / "openapi.json").write_text(json.dumps(schema))
    (folder / "schemathesis.toml").write_text(
        "".join(
            f"[[operations]]\ninclude-path-regex = '{one}'\nchecks.positive_data_acceptance.enabled = false\n"
            for one in (FOUNDING, OBJECTS)
        )
    )
    command = [
        sys.executable, "-m", "schemathesis.cli", "--config-file", str(folder / "schemathesis.toml"), "run",
        str(folder / "openapi.json"), "--url", ask.server.url, "--header", f"Authorization: Bearer {TOKEN}",
        "--max-examples", "8", "--request-timeout", str(SLOWEST),
        "--generation-deterministic", "--suppress-health-check", "all", "--warnings", "off", "--continue-on-failure",
        *more,
    ]  # fmt: skip
    environment = dict(os.environ) | {"NO_PROXY": "127.0.0.1", "COLUMNS": "120"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    return done.stdout


def operations(report: str) -> tuple[int, int]:
    """Return how many operations the document has, and how many were tested."""
    lines = [line.split() for line in report.splitlines() if "Selected:" in line or "Tested:" in line]
    return int(lines[0][1].partition("/")[0]), int(lines[1][1])


def test_the_document_as_it_is_served(ask: Client, tmp_path: Path) -> None:
    document = ask("/v1/openapi.json").json
    count = sum(len(methods) for methods in document["paths"].values())
    assert operations(run(ask, tmp_path, document, "--phases", "coverage")) == (count, count)


def test_the_document_with_what_this_server_has(ask: Client, tmp_path: Path) -> None:
    # What two values have to be to each other (lo below hi, a step from the first to the last) no schema says.
    how = ("--phases", "fuzzing", "--mode", "positive", "--exclude-checks", "positive_data_acceptance")
    report = run(ask, tmp_path, told(ask("/v1/openapi.json").json), *how)
    assert operations(report)[0] == operations(report)[1]


def test_it_finds_what_a_document_promises_in_vain(ask: Client, tmp_path: Path) -> None:
    document = told(ask("/v1/openapi.json").json)
    document["components"]["schemas"]["Volumes"]["required"].append("count")
    document["paths"] = {"/v1/volumes": document["paths"]["/v1/volumes"]}
    with pytest.raises(AssertionError, match=r"(?s)Response violates schema.*count"):
        run(ask, tmp_path, document, "--phases", "coverage")


def test_nothing_of_the_document_asks_for_a_token_where_none_is_needed(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for access, optional in ((Access(token=TOKEN), False), (Access(open=True), True)):
        with serving(make_site(str(tmp_path / "data"), access)) as server:
            document = Client(server, None if access.open else TOKEN)("/v1/openapi.json").json
            assert ({} in document["security"]) is optional
