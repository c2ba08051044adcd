"""The server by itself: who may ask, the JSON API, the viewer's routes, the founding paths, and what mistakes say."""

from __future__ import annotations

import http.client
import io
import json
import re
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from PIL import Image

from ndlab.analyze.services import graph_services
from ndlab.errors import BadRequest, Conflict, NotFound
from ndlab.ingesting import ingest
from ndlab.render import label_colors
from ndlab.serve.app import access_for, make_site, serving
from ndlab.serve.limits import Access, Limits, Rate
from ndlab.serve.openapi import ROUTES, document
from tests.serve.jupyter_server import ask as ask_url
from tests.serve.jupyter_server import free_port
from tests.serve.sites import EM, SEG, TOKEN, Client, make_folder, serve


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("app"))


@pytest.fixture(scope="module")
def ask(folder: Path) -> Iterator[Client]:
    limits = Limits(nbytes=EM.nbytes, pixels=30_000, body=1 << 20)
    with serve(folder, Access(token=TOKEN), TOKEN, limits, services=graph_services()) as client:
        yield client


# One address for each row of the table, that answers with the token.
EXAMPLES = {
    "/": "/",
    "/v1/": "/v1/",
    "/v1/openapi.json": "/v1/openapi.json",
    "/v1/volumes": "/v1/volumes",
    "/v1/volumes/{name}": "/v1/volumes/em",
    "/v1/volumes/{name}/{channel}": "/v1/volumes/em/image",
    "/v1/volumes/{name}/{channel}/cutout": "/v1/volumes/em/image/cutout?box=1,0:4,0:4",
    "/v1/view/hello": "/v1/view/hello",
    "/v1/view/info": "/v1/view/info?vol=em",
    "/v1/view/tiles": "/v1/view/tiles?vol=em/image&s=64&k=0,0,0",
    "/v1/view/play": "/v1/view/play?vol=em&from=0&to=2&box=0,8,0,8",
    "/v1/zarr/{name}/{path+}": "/v1/zarr/em/zarr.json",
    "/v1/precomputed/{name}/{path+}": "/v1/precomputed/em/info",
    "/v1/annotations": "/v1/annotations",
    "/v1/annotations/{name}/{channel}": "/v1/annotations/seg/annotation",
    "/v1/annotations/{name}/{channel}/objects": "/v1/annotations/seg/annotation/objects?kind=segment",
    "/v1/annotations/{name}/{channel}/objects/{id}": "/v1/annotations/seg/annotation/objects/1",
    "/v1/annotations/{name}/{channel}/keys": "/v1/annotations/seg/annotation/keys",
    "/v1/annotations/{name}/{channel}/history": "/v1/annotations/seg/annotation/history?limit=5",
    "/v1/graphs": "/v1/graphs",
    "/v1/graphs.zip": "/v1/graphs.zip?format=gml",
    "/v1/graphs/{name}": "/v1/graphs/ring.graphml",
    "/v1/graphs/{name}/invariants": "/v1/graphs/ring.graphml/invariants?names=size,triangles",
    "/ndgraph/{path+}": "/ndgraph/seg/annotation/gml/",
    "/sd/{path+}": "/sd/em/info/",
    "/ca/{path+}": "/ca/em/image/raw/0/0,5/0,5/10,11/",
    "/ocp/{path+}": "/ocp/ca/em/image/xy/0/0,50/0,50/12/",
    "/nd/{path+}": "/nd/sd/em/image/xy/0/0,50/0,50/12/",
    "/ramon/{path+}": "/ramon/seg/annotation/1/",
    "/overlay/{path+}": "/overlay/0.5/self/em/image/self/seg/annotation/xy/0/0,9/0,9/12/",
    "/catmaid/{path+}": "/catmaid/em/image/xy/12/0_0_0.png",
    "/synaptogram/{path+}": "/synaptogram/em/image/xy/0/0,9/0,9/12,14/",
    "/stats/{path+}": "/stats/em/image/mean/",
    "/resource/{path+}": "/resource/dataset/em/",
    "/public_tokens/": "/public_tokens/",
    "/public_datasets/": "/public_datasets/",
}


# What no object of these stores has; `test_annotated` asks for it.
UNPAINTED = {"/v1/annotations/{name}/{channel}/objects/{id}/{form}"}


def test_there_is_an_example_of_every_route() -> None:
    assert set(EXAMPLES) == {route.path for route in ROUTES if "get" in route.methods} - UNPAINTED


@pytest.mark.parametrize("path", EXAMPLES.values())
def test_every_route_answers_with_the_token_and_403_without(ask: Client, path: str) -> None:
    said = ask(path)
    assert said.status == 200, said.body
    assert ask(path, "HEAD").status == 200
    anybody = Client(ask.server, None)
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        refused = anybody(path, method)
        assert refused.status == 403, method
        assert not said.body or said.body not in refused.body
    wrong = Client(ask.server, "not-the-token")(path)
    assert (wrong.status, wrong.json["asked"]) == (403, "a request with a wrong token")
    joined = "&" if "?" in path else "?"
    assert anybody(f"{path}{joined}token={TOKEN}").status == 200


@pytest.mark.parametrize("path", ["/nowhere", "/v2/", "/v1/zarr/none/zarr.json", "/sd/none/info/", "/v1", "//", "/%00",
                                  "/v1/view/other", "/static/x.js", "/favicon.ico", "/login"])  # fmt: skip
def test_what_does_not_exist_is_403_too_without_the_token(ask: Client, path: str) -> None:
    assert Client(ask.server, None)(path).status == 403
    assert ask(path).status in (200, 400, 404)


# --- who may ask ----------------------------------------------------------------------------------------------------


def test_a_server_beyond_the_loopback_makes_a_token() -> None:
    assert access_for("127.0.0.1", None).open
    assert access_for("::1", None).open
    for host in ("0.0.0.0", "::", "192.168.1.5", "brains.example"):
        made = access_for(host, None)
        assert not made.open
        assert len(made.token or "") >= 24
        assert made.token != access_for(host, None).token
    assert not access_for("127.0.0.1", "a-token-of-mine").open
    with pytest.raises(BadRequest, match="8 or more"):
        access_for("127.0.0.1", "short")
    with pytest.raises(BadRequest, match="above 0"):
        access_for("127.0.0.1", None, rate=0)


def test_an_open_loopback_answers_no_page_of_another_site(folder: Path) -> None:
    with serve(folder, Access(open=True, cors=("https://friend.example",))) as ask:
        port = ask.server.port
        assert ask("/v1/volumes").status == 200
        for host in ("localhost", f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}"):
            assert ask("/v1/volumes", Host=host).status == 200
        for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", "localhost.evil.example"):
            said = ask("/v1/volumes", Host=host)
            assert (said.status, said.json["exists"]) == (403, "without a token only localhost is answered")
        for origin in ("https://evil.example", "null", "http://localhost:1", f"http://127.0.0.1.evil.example:{port}"):
            assert ask("/v1/volumes", Origin=origin).status == 403, origin
        assert ask("/v1/volumes", Origin=f"http://127.0.0.1:{port}").status == 200
        friend = ask("/v1/volumes", Origin="https://friend.example")
        assert friend.headers["Access-Control-Allow-Origin"] == "https://friend.example"
        assert ask("/v1/volumes", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors").status == 403
        assert ask("/v1/volumes", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate").status == 200
        assert ask("/sd/em/image/npz/0/0,1/0,1/0,1/", "POST", b"x", Sec_Fetch_Site="cross-site",
                   Sec_Fetch_Mode="navigate").status == 403  # fmt: skip


READS_EM = [path for path in EXAMPLES.values() if "/em" in path or "vol=em" in path]


def test_what_is_public_is_read_by_anybody_and_nothing_else(folder: Path) -> None:
    with serve(folder, Access(token=TOKEN, public=("em",), rate=Rate(1000))) as ask:
        for path in READS_EM:
            if "seg" in path or path.startswith("/resource/dataset"):
                assert ask(path).status == 403, path
            else:
                assert ask(path).status == 200, path
        assert ask("/v1/volumes").json == {"volumes": [{"name": "em", "channels": ["image"]}]}
        assert Client(ask.server, TOKEN)("/v1/volumes").json["volumes"][1]["name"] == "seg"
        for path in ("/v1/zarr/seg/zarr.json", "/v1/volumes/seg", "/v1/volumes/none", "/v1/view/info?vol=seg",
                     "/v1/view/play?vol=em,seg&from=0&to=1&box=0,1,0,1", "/v1/view/tiles?k=0,0,0", "/sd/seg/info/",
                     "/v1/precomputed/seg/info", "/catmaid/seg/annotation/xy/1/0_0_0.png",
                     "/stats/seg/annotation/mean/",
                     "/overlay/1/s/seg/annotation/s/em/image/xy/0/0,9/0,9/12/", "/sd/em/image/setPropagate/1/",
                     "/nd/sd/em/image/setPropagate/1/", "/nowhere"):  # fmt: skip
            assert ask(path).status == 403, path
        for method in ("POST", "PUT", "DELETE"):
            assert ask("/sd/em/image/npz/0/0,1/0,1/10,11/", method, b"x").status == 403
    with pytest.raises(NotFound, match="there are em, seg"), serve(folder, Access(token=TOKEN, public=("nothing",))):
        pass


def test_who_asks_too_often_is_told_when_to_ask_again(folder: Path) -> None:
    with serve(folder, Access(token=TOKEN, public=("em",), rate=Rate(2))) as ask:
        said = [ask("/v1/volumes/em") for _ in range(8)]
        assert [one.status for one in said[:4]] == [200] * 4
        late = said[-1]
        assert (late.status, late.headers["Retry-After"]) == (429, "1")
        assert late.json["exists"] == "2 a second are"
        assert all(Client(ask.server, TOKEN)("/v1/volumes/em").status == 200 for _ in range(20))
        time.sleep(1.1)
        assert ask("/v1/volumes/em").status == 200


# --- how much -------------------------------------------------------------------------------------------------------


def test_limits_are_told(ask: Client) -> None:
    over = ask("/v1/volumes/seg/annotation/cutout?box=:,:,:")
    assert (over.status, over.json["exists"]) == (413, f"{EM.nbytes} are answered at once")
    wide = ask("/v1/volumes/seg/annotation/cutout?box=:,0,:&format=png&t=0")
    assert wide.status in (200, 404)
    assert ask("/v1/volumes/em/image/cutout?box=:,:,:&format=png").status == 413
    assert ask("/sd/seg/annotation/npz/0/0,170/0,150/0,20/").status == 413
    long = ask("/v1/volumes?x=" + "y" * 9000)
    assert (long.status, long.json["exists"]) == (414, "8192 are taken")
    big = ask("/v1/volumes", "GET", b"x" * 70_000)
    assert (big.status, big.json["exists"]) == (413, "65536 are taken here")


def test_a_body_beyond_the_limit_is_refused_before_it_is_sent(ask: Client) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", ask.server.port, timeout=10)
    try:
        connection.putrequest("POST", "/sd/em/image/npz/0/0,1/0,1/10,11/")
        connection.putheader("Authorization", f"Bearer {TOKEN}")
        connection.putheader("Content-Length", str(10 << 20))
        connection.endheaders()
        answer = connection.getresponse()
        assert answer.status == 413
        assert "1048576 are taken" in json.loads(answer.read())["exists"]
    finally:
        connection.close()


def test_headers_without_end_are_no_hang(ask: Client) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", ask.server.port, timeout=10)
    try:
        connection.putrequest("GET", "/v1/volumes")
        connection.putheader("X-Long", "y" * 200_000)
        try:
            connection.endheaders()
            assert connection.getresponse().status >= 400
        except (http.client.HTTPException, ConnectionError):
            pass  # the server has closed the connection: as clear, and within the timeout
    finally:
        connection.close()


# --- the JSON API ---------------------------------------------------------------------------------------------------


def test_cutouts_equal_the_voxels(ask: Client) -> None:
    said = ask("/v1/volumes/em/image/cutout?box=3:7,10:40,:50")
    assert np.array_equal(np.load(io.BytesIO(said.body)), EM[3:7, 10:40, :50])
    raw = ask("/v1/volumes/seg/annotation/cutout?box=5,0:9,0:11&format=raw")
    assert (raw.headers["X-Ndlab-Shape"], raw.headers["X-Ndlab-Dtype"]) == ("9,11", "<u8")
    assert np.array_equal(np.frombuffer(raw.body, "<u8").reshape(9, 11), SEG[5, :9, :11])
    picture = ask("/v1/volumes/em/image/cutout?box=:,7,:&format=png")
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(picture.body))), EM[:, 7])
    labels = ask("/v1/volumes/seg/annotation/cutout?box=4,:,:&format=png")
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(labels.body))), label_colors(SEG[4]))
    window = ask("/v1/volumes/em/image/cutout?box=4,:,:&format=png&win=100,200")
    expected = np.rint(np.clip((EM[4].astype(float) - 100) / 100, 0, 1) * 255)
    assert np.abs(np.asarray(Image.open(io.BytesIO(window.body))).astype(float) - expected).max() <= 1


@pytest.mark.parametrize(
    ("query", "status"),
    [("box=1,2", 400), ("box=a,b,c", 400), ("box=,,", 400), ("box=9:3,:,:", 404), ("box=0:21,:,:", 404),
     ("box=20,:,:", 404), ("level=99", 404), ("level=-1", 400), ("level=x", 400), ("format=bmp", 400), ("t=1", 404),
     ("win=1", 400), ("win=a,b", 400), ("boxx=1", 400), ("box=1,1,1&format=png", 400), ("level=9999999999", 400),
     ("box=4,:,:&format=png&win=nan,nan", 400)],
)  # fmt: skip
def test_a_wrong_query_is_told(ask: Client, query: str, status: int) -> None:
    said = ask(f"/v1/volumes/em/image/cutout?{query}")
    assert said.status == status, said.body
    assert said.json["asked"]
    assert said.json["exists"] or said.json["remedy"]


def test_info_and_links_lead_on(ask: Client) -> None:
    listed = ask("/v1/volumes").json["volumes"]
    assert [one["name"] for one in listed] == ["em", "seg"]
    links = ask("/v1/volumes/em").json["links"]["image"]
    info = ask(links["info"].removeprefix(ask.server.url)).json
    assert info["levels"][0]["shape"] == list(EM.shape)
    assert info["levels"][0]["voxel_size"] == [40, 4, 4]
    assert ask(links["cutout"].removeprefix(ask.server.url) + "?box=0,0,0").status == 200
    assert ask(links["zarr"].removeprefix(ask.server.url) + "/zarr.json").status == 200
    assert ask(links["precomputed"].removeprefix(f"precomputed://{ask.server.url}") + "/info").status == 200


def test_the_document_holds_every_route_and_its_mistakes(ask: Client) -> None:
    doc = ask("/v1/openapi.json").json
    assert doc["openapi"] == "3.1.0"
    assert set(doc["paths"]) == {route.path.replace("+}", "}") for route in ROUTES}
    names = set()
    for path, operations in doc["paths"].items():
        for operation in operations.values():
            names.add(operation["operationId"])
            inside = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
            assert inside == set(re.findall(r"{(\w+)}", path))
    assert len(names) == sum(len(operations) for operations in doc["paths"].values()), "operation ids are unique"
    mistake = document()["components"]["schemas"]["Mistake"]
    jsonschema.validate(ask("/v1/volumes/none").json, mistake)


def test_who_asks_for_text_gets_text(ask: Client) -> None:
    said = ask("/v1/volumes/none", Accept="text/html,*/*;q=0.8")
    assert said.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert said.body.decode().startswith("token 'none'")


def test_answers_say_nothing_of_the_server(ask: Client, folder: Path) -> None:
    (folder / "broken.zarr").mkdir()
    (folder / "broken.zarr" / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group", "attributes": {')
    try:
        assert ask("/v1/volumes").json["volumes"][0] == {"name": "broken", "channels": []}
        for path in ("/v1/volumes/broken", "/sd/broken/info/", "/v1/view/info?vol=broken",
                     "/v1/precomputed/broken/info", "/v1/volumes/em/none", "/v1/zarr/broken/x", "/nowhere",
                     "/sd/em/image/xy/99/0,1/0,1/1/"):  # fmt: skip
            said = ask(path)
            assert 400 <= said.status < 600
            assert str(folder).encode() not in said.body, path
            assert str(folder.parent).encode() not in said.body
            assert b"Traceback" not in said.body
            assert "Server" not in said.headers
    finally:
        (folder / "broken.zarr" / "zarr.json").unlink()
        (folder / "broken.zarr").rmdir()


# --- the viewer's routes ---------------------------------------------------------------------------------------------


def by_index(frames: bytes) -> dict[int, bytes]:
    """Payloads by the index of their key."""
    found, at = {}, 0
    while at < len(frames):
        length, index = struct.unpack_from("<IH", frames, at)
        found[index] = frames[at + 16 : at + 16 + length]
        at += 16 + length
    return found


def test_a_tile_that_cannot_be_read_says_nothing_of_the_server(tmp_path: Path) -> None:
    ingest(np.ones((8, 64, 64), "u1"), tmp_path / "em.zarr", voxel_size=(40, 4, 4), codec="zstd", levels=2)
    for path in (tmp_path / "em.zarr" / "0" / "c").rglob("*"):
        if path.is_file():
            path.write_bytes(b"damaged" * 20)
    (tmp_path / "em.zarr" / "1" / "zarr.json").unlink()
    with serve(tmp_path, Access(open=True)) as ask:
        frames = ask("/v1/view/tiles?vol=em/image&lod=0&axis=xy&s=64&k=0,0,0").body
        info = ask("/v1/view/info?vol=em/image").body
    assert b"damaged" in frames
    assert b'"missing": "' in info
    for said in (frames, info):
        assert str(tmp_path).encode() not in said


def test_tiles_and_play_are_the_tile_service(ask: Client) -> None:
    from ndlab.serve.tiles import TileService
    from ndlab.volume import Volume

    with TileService() as service:
        service.add(Volume.from_array(EM, (40, 4, 4)), "em")
        query = {"vol": "em", "s": "64", "k": "3,0,0;3,1,1", "q": "raw"}
        got = ask("/v1/view/tiles?vol=em&s=64&k=3,0,0;3,1,1&q=raw").body
        assert by_index(got) == by_index(b"".join(service.tiles(query)))
        play = ask("/v1/view/play?vol=em/image&from=0&to=4&box=0,8,0,8&q=raw").body
        assert play[16 : 16 + 64] == EM[0, :8, :8].tobytes()
        asked = {"vol": "em", "from": "0", "to": "4", "box": "0,8,0,8", "q": "raw"}
        assert play == b"".join(service.play(asked))


def test_streams_are_limited_and_half_are_kept_for_the_token(tmp_path: Path) -> None:
    ingest(np.random.default_rng(0).integers(0, 255, (64, 512, 512), "u1"), tmp_path / "em.zarr", voxel_size=(4, 4, 4))
    path = "/v1/view/play?vol=em&from=0&to=63&box=0,512,0,512&q=raw"
    with serve(tmp_path, Access(token=TOKEN, public=("em",)), streams=2) as ask, ExitStack() as held:

        def hold(headers: dict[str, str]) -> int:
            connection = held.enter_context(
                closing(http.client.HTTPConnection("127.0.0.1", ask.server.port, timeout=20))
            )
            connection.request("GET", path, headers=headers)
            answer = held.enter_context(connection.getresponse())
            return answer.status

        known = {"Authorization": f"Bearer {TOKEN}"}
        assert hold({}) == 200
        late = ask(path)
        assert (late.status, late.headers["Retry-After"], late.json["exists"]) == (429, "1", "1 are served at once")
        assert hold(known) == 200
        assert Client(ask.server, TOKEN)(path).status == 429
        assert ask("/v1/volumes/em").status == 200, "answers that are no streams have threads of their own"
        held.close()
        until = time.monotonic() + 10
        while ask(path).status == 429 and time.monotonic() < until:
            time.sleep(0.1)
        assert ask(path).status == 200


def test_a_slow_client_and_many_others_are_served_at_once(ask: Client) -> None:
    def read(number: int) -> bool:
        said = ask(f"/v1/volumes/em/image/cutout?box={number % 20},:,:&format=raw")
        return bool(said.body == EM[number % 20].tobytes())

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(read, range(64)))


# --- the founding paths ----------------------------------------------------------------------------------------------


def test_the_founding_paths_answer_in_coordinates_of_the_data_set(ask: Client) -> None:
    raw = ask("/ocp/ca/em/image/raw/0/20,50/30,70/11,13/")
    assert raw.body == EM[1:3, 30:70, 20:50].tobytes()
    assert ask("/sd/em/info/").json["dataset"]["offset"]["0"] == [0, 0, 10]
    assert ask("/sd/em/image/xy/0/0,10/0,10/0/").status == 404
    assert ask("/public_tokens/").json == []


def test_what_is_made_over_http_is_written_and_served(tmp_path: Path) -> None:
    import zlib

    made = tmp_path / "made"
    made.mkdir()
    with serve(made, Access(token=TOKEN), TOKEN) as ask:
        space = json.dumps({"imagesize": [64, 48, 16], "voxelres": [4, 4, 40]}).encode()
        assert ask("/resource/dataset/toy/", "POST", space).status == 201
        assert ask("/resource/dataset/toy/project/p/", "POST", b"{}").status == 201
        channel = json.dumps({"channel_type": "image", "datatype": "uint8"}).encode()
        assert ask("/resource/dataset/toy/project/p/channel/em/", "POST", channel).status == 201
        assert ask("/resource/dataset/toy/project/p/token/p/", "POST", b"{}").status == 400, "a project is a token"
        values = np.random.default_rng(0).integers(1, 255, (1, 4, 48, 64), "u1")
        out = io.BytesIO()
        np.save(out, values)
        posted = ask("/sd/p/em/npz/0/0,64/0,48/2,6/", "POST", zlib.compress(out.getvalue()))
        assert posted.status == 200, posted.body
        got = ask("/v1/volumes/p/em/cutout?box=2:6,:,:&format=raw")
        assert got.body == values.tobytes()
        assert ask("/v1/zarr/p/em.zarr/zarr.json").status == 200
        assert ask("/resource/dataset/toy/project/p/channel/em/", "DELETE").status == 204
        assert ask("/v1/volumes/p/em").status == 404


# --- by itself, and mounted ------------------------------------------------------------------------------------------


def test_it_is_mounted_by_others() -> None:
    import asyncio
    import tempfile

    from tornado import httpclient, netutil, web
    from tornado.httpserver import HTTPServer

    from ndlab.serve.app import handlers, make_site

    async def run(folder: Path) -> None:
        site = make_site(str(make_folder(folder)), Access(token=TOKEN))

        class Own(web.RequestHandler):
            def get(self) -> None:
                self.write("mine")

        server = HTTPServer(web.Application([(r"/own", Own), *handlers(site, "/brains")]))
        sockets = netutil.bind_sockets(0, "127.0.0.1")
        server.add_sockets(sockets)
        base = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
        client = httpclient.AsyncHTTPClient()
        assert (await client.fetch(f"{base}/own")).body == b"mine"
        refused = await client.fetch(f"{base}/brains/v1/volumes", raise_error=False)
        assert refused.code == 403
        listed = await client.fetch(f"{base}/brains/v1/volumes/em?token={TOKEN}")
        links = json.loads(listed.body)["links"]["image"]
        assert links["zarr"] == f"{base}/brains/v1/zarr/em"
        raw = await client.fetch(f"{base}/brains/ocp/ca/em/image/raw/0/0,5/0,5/10,11/?token={TOKEN}")
        assert raw.body == EM[0, :5, :5].tobytes()
        client.close()
        server.stop()
        await server.close_all_connections()
        site.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))


def test_a_stale_level_is_served_and_says_so(tmp_path: Path) -> None:
    from ndlab.geometry import Box
    from ndlab.volume import open as open_volume

    data = make_folder(tmp_path)
    with serve(data, Access(open=True), writable=True) as ask:
        address = "/v1/volumes/em/image/cutout?level=1&box=0,:,:&format=raw"
        before = ask(address)
        assert "X-Ndlab-Stale" not in before.headers
        volume = open_volume(data / "em.zarr")
        volume.write(Box((0, 0, 0), (20, 150, 170)), np.zeros_like(EM))
        stale = ask(address)
        assert stale.headers["X-Ndlab-Stale"] == "finer voxels were written after this level was made"
        assert not any(ask("/v1/volumes/em/image/cutout?box=0,:,:&format=raw").body), "what was written is served"
        assert ask("/v1/precomputed/em/info").status == 200
        volume.update_levels()
        after = ask(address)
        assert "X-Ndlab-Stale" not in after.headers
        assert not any(after.body)


def test_a_port_that_is_taken_is_said(folder: Path) -> None:
    with (
        serve(folder, Access(open=True)) as ask,
        pytest.raises(Conflict, match="pass --port 0 for one that is free"),
        serving(make_site(str(folder), Access(open=True)), port=ask.server.port),
    ):
        pass


@pytest.mark.parametrize(("host", "needs"), [("127.0.0.1", False), ("0.0.0.0", True)])
def test_the_command(folder: Path, host: str, needs: bool) -> None:
    port = free_port()
    command = [sys.executable, "-m", "ndlab", "serve", str(folder), "--port", str(port), "--host", host]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "serving em, seg, ring.graphml\n"
        url = child.stdout.readline().strip()
        token = url.partition("?token=")[2]
        assert bool(token) == needs
        plain = f"http://127.0.0.1:{port}/v1/volumes"
        assert ask_url(plain).status == (403 if needs else 200)
        assert ask_url(f"{plain}?token={token}").status == 200
    finally:
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=20)
    assert child.returncode == 130
    assert "Traceback" not in said


def test_the_command_says_what_it_cannot_do(folder: Path, tmp_path: Path) -> None:
    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "ndlab", "serve", *words], capture_output=True, text=True, check=False
        )
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr

    assert "there are em, seg" in run(str(folder), "--public", "nothing")
    assert "is mirrored" in run(str(folder), "--cache", str(tmp_path / "c"))
    assert "pass --cache-size 50GB" in run("https://h.example/a", "--cache", str(tmp_path / "c"), "--cache-size", "big")
