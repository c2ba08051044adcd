"""Through a real Jupyter server, under a base address as a hub gives it: login, streaming, abort, restart."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ndlab.samples import toy
from ndlab.serve import kernel
from tests.serve.jupyter_server import Jupyter, free_port, jupyter
from tests.serve.services import Counting

ROOT = Path(__file__).resolve().parents[2]
OPEN = ("--ServerApp.allow_unauthenticated_access=True",)
STRICT = ("--ServerApp.allow_unauthenticated_access=False",)


@pytest.fixture(scope="module", params=[OPEN, STRICT], ids=["lenient", "strict"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    with jupyter(tmp_path_factory.mktemp("jupyter"), *request.param) as running:
        yield running


@pytest.fixture
def service(server: Jupyter, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Counting, str]]:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(server.runtime))
    counting = Counting()
    key = kernel.start(counting)
    yield counting, key
    kernel.stop(key)


def test_the_wheel_brings_the_file_that_turns_the_extension_on() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    shared = project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    (source,) = [path for path, target in shared.items() if target == "etc/jupyter"]
    on = json.loads((ROOT / source / "jupyter_server_config.d" / "ndlab.json").read_text())
    assert on == {"ServerApp": {"jpserver_extensions": {"ndlab.serve.jupyter": True}}}


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"])
def test_every_route_answers_403_without_a_token(server: Jupyter, service: tuple[Counting, str], method: str) -> None:
    key = service[1]
    for path in ("hello", f"k/{key}/hello", f"k/{key}/info?vol=em", f"k/{key}/tiles", f"k/{key}/play", "", "/", "other",
                 "k/../k", f"k/{key}", "%2e%2e/api"):  # fmt: skip
        said = server.ask(f"ndlab/v1/{path}", method, token=False)
        assert said.status == 403, path
        assert b"big" not in said.body
    assert service[0].made == 0


def test_hello_info_and_tiles_pass(server: Jupyter, service: tuple[Counting, str]) -> None:
    key = service[1]
    assert server.ask("ndlab/v1/hello").json["stream"] is True
    assert server.ask(f"ndlab/v1/k/{key}/hello").json["v"] == 1
    info = server.ask(f"ndlab/v1/k/{key}/info?vol=em")
    assert (info.status, info.json["big"]) == (200, "9223372036854775809")
    said = server.ask(f"ndlab/v1/k/{key}/tiles?n=7&size=333333")
    assert said.body == b"".join(bytes([i]) * 333333 for i in range(7))
    assert said.headers["Content-Type"] == "application/x-ndlab-frames"
    assert "X-Ndlab-Key" not in said.headers


def test_mistakes_of_the_kernel_pass_with_their_words(server: Jupyter, service: tuple[Counting, str]) -> None:
    said = server.ask(f"ndlab/v1/k/{service[1]}/info?vol=none")
    assert (said.status, said.json["exists"]) == (404, "there is 'em'")
    assert server.ask(f"ndlab/v1/k/{service[1]}/tiles?n=x").status == 400
    broken = server.ask(f"ndlab/v1/k/{service[1]}/play?fail=0")
    assert broken.status == 500
    assert b"secret" not in broken.body


@contextmanager
def begin(server: Jupyter, path: str) -> Iterator[http.client.HTTPResponse]:
    where = urlsplit(server.url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
    connection.request("GET", f"{where.path}ndlab/v1/{path}", headers={"Authorization": f"token {server.token}"})
    with closing(connection), connection.getresponse() as answer:
        yield answer


def test_a_stream_is_passed_on_as_it_comes(server: Jupyter, service: tuple[Counting, str]) -> None:
    with begin(server, f"k/{service[1]}/play?n=10&size=1000&wait=0.2") as answer:
        assert answer.read(1000) == bytes(1000)
        assert service[0].made < 10, "the first part came once all were made"
        assert len(answer.read()) == 9000


def test_a_slow_reader_holds_the_kernel_back(server: Jupyter, service: tuple[Counting, str]) -> None:
    with begin(server, f"k/{service[1]}/play?n=200&size=1000000") as answer:
        answer.read(1)
        time.sleep(1)
        waiting = service[0].made
        assert waiting < 60, f"{waiting} MB were made for a reader that took one byte"
        assert len(answer.read()) == 200 * 1000000 - 1


def test_closing_stops_the_work_of_the_kernel(server: Jupyter, service: tuple[Counting, str]) -> None:
    with begin(server, f"k/{service[1]}/play?n=100000&size=1000&wait=0.01") as answer:
        answer.read(1000)
    assert service[0].ended.wait(10)
    assert service[0].made < 1000


def test_an_answer_that_breaks_off_does_not_look_whole(server: Jupyter, service: tuple[Counting, str]) -> None:
    with (
        begin(server, f"k/{service[1]}/play?n=10&size=1000000&fail=5") as answer,
        pytest.raises((http.client.IncompleteRead, ConnectionError)),
    ):
        answer.read()


def test_a_key_that_nobody_serves_any_more_is_a_404_with_words(server: Jupyter, service: tuple[Counting, str]) -> None:
    unknown = server.ask("ndlab/v1/k/" + "0" * 32 + "/info?vol=em")
    assert unknown.status == 404
    assert unknown.json["remedy"] == "run the cell that shows the view again"
    # The file of a kernel that was killed is still there; its port is free, or another's by now.
    stale = "1" * 32
    path = kernel.key_file(stale, server.runtime)
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        for port in (free_port(), stranger.getsockname()[1]):
            if port == stranger.getsockname()[1]:
                stranger.close()
            path.write_text(json.dumps({"port": port, "secret": "s"}))
            assert server.ask(f"ndlab/v1/k/{stale}/info?vol=em").status == 404
    path.write_text(json.dumps({"port": urlsplit(server.url).port, "secret": "s"}))
    assert server.ask(f"ndlab/v1/k/{stale}/hello").status == 404
    for broken in ("", "[]", "{}", '{"port": "x", "secret": 1}', '{"port": 999999, "secret": "s"}'):
        path.write_text(broken)
        assert server.ask(f"ndlab/v1/k/{stale}/hello").status == 404, broken
    path.unlink()


def test_a_restarted_kernel_answers_at_once_under_its_new_key(server: Jupyter, tmp_path: Path) -> None:
    code = "import sys\nfrom ndlab.serve import kernel\nfrom tests.serve.services import Counting\n"
    code += "print(kernel.start(Counting()), flush=True)\nsys.stdin.read()"
    environment = {"JUPYTER_RUNTIME_DIR": str(server.runtime), "PATH": "", "HOME": str(tmp_path)}
    for _ in range(2):
        child = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
            env=environment,
        )  # fmt: skip
        assert child.stdout is not None
        key = child.stdout.readline().strip()
        assert [server.ask(f"ndlab/v1/k/{key}/info?vol=em").status for _ in range(3)] == [200] * 3
        child.kill()
        child.communicate()
        assert server.ask(f"ndlab/v1/k/{key}/info?vol=em").status == 404


def test_a_kernel_of_the_server_serves_and_its_restart_takes_the_key_away(tmp_path: Path) -> None:
    with jupyter(tmp_path, base_url="/") as server:
        number = server.kernel()
        start = """
from ndlab.samples import toy
from ndlab.serve import kernel
from ndlab.serve.tiles import TileService
service = TileService()
service.add(toy().volume("image"), "em")
print(kernel.start(service))
"""
        key = server.execute(number, start).strip()
        assert server.ask(f"ndlab/v1/k/{key}/info?vol=em").json["levels"][0]["shape"] == list(toy().image.shape)
        frame = server.ask(f"ndlab/v1/k/{key}/tiles?vol=em&s=64&k=5,0,0&q=raw").body
        assert frame[16:] == toy().image[5].tobytes()
        assert server.ask(f"api/kernels/{number}/restart", "POST").status == 200
        gone = server.ask(f"ndlab/v1/k/{key}/info?vol=em")
        assert (gone.status, gone.json["exists"].split(":")[0]) == (404, "no kernel of this server serves them")
        again = server.execute(number, start).strip()
        assert again != key
        assert server.ask(f"ndlab/v1/k/{again}/info?vol=em").status == 200
