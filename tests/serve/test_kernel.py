"""The tile service of a process: one port, a secret, key files that come and go."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from ndlab.serve import kernel
from tests.serve.jupyter_server import Said, ask
from tests.serve.services import Counting


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    return tmp_path / "runtime"


@pytest.fixture
def served(runtime: Path) -> Iterator[tuple[Counting, str]]:
    service = Counting()
    key = kernel.start(service)
    yield service, key
    kernel.stop(key)


def get(key: str, path: str, secret: str | None = None) -> Said:
    facts = json.loads(kernel.key_file(key).read_text())
    return ask(f"http://127.0.0.1:{facts['port']}{path}", headers={kernel.SECRET_HEADER: secret or facts["secret"]})


def test_a_key_file_is_for_its_owner_alone(served: tuple[Counting, str], runtime: Path) -> None:
    path = kernel.key_file(served[1])
    assert path.parent == runtime
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    facts = json.loads(path.read_text())
    assert len(facts["secret"]) == 64
    assert facts["pid"] == os.getpid()


def test_a_service_has_one_key_and_two_services_share_a_port(served: tuple[Counting, str]) -> None:
    service, key = served
    assert kernel.start(service) == key
    other = kernel.start(Counting("other"))
    ports = {json.loads(kernel.key_file(one).read_text())["port"] for one in (key, other)}
    assert other != key
    assert len(ports) == 1
    assert get(other, f"/k/{other}/info?vol=other").json["id"] == "other"
    assert get(key, f"/k/{key}/info?vol=other").status == 404
    kernel.stop(other)
    assert not kernel.key_file(other).exists()


@pytest.mark.parametrize(
    "path", ["/k/{key}/hello", "/k/{key}/info?vol=em", "/k/{key}/tiles", "/k/{key}/play", "/", "/x"]
)
def test_nothing_is_answered_without_the_secret(served: tuple[Counting, str], path: str) -> None:
    said = get(served[1], path.format(key=served[1]), "guessed")
    assert said.status == 403
    assert "secret" in said.json["asked"]


def test_the_routes(served: tuple[Counting, str]) -> None:
    service, key = served
    assert get(key, f"/k/{key}/hello").json == {"v": 1, "stream": True, "codecs": ["raw", "jpeg", "palette", "rows"]}
    assert get(key, f"/k/{key}/info?vol=em").json["big"] == "9223372036854775809"
    said = get(key, f"/k/{key}/tiles?n=4&size=100000")
    assert said.body == b"".join(bytes([i]) * 100000 for i in range(4))
    assert said.headers["Content-Type"] == "application/x-ndlab-frames"
    assert said.headers[kernel.KEY_HEADER] == key
    assert service.made == 4


def test_mistakes_are_told_in_words(served: tuple[Counting, str]) -> None:
    key = served[1]
    said = get(key, f"/k/{key}/info?vol=none")
    assert (said.status, said.json["exists"]) == (404, "there is 'em'")
    assert get(key, f"/k/{key}/info").status == 400
    assert get(key, f"/k/{key}/tiles?n=many").json["remedy"] == "ask for n=3"
    assert get(key, "/k/" + "0" * 32 + "/hello").status == 404
    broken = get(key, f"/k/{key}/tiles?fail=0")
    assert broken.status == 500
    assert b"secret" not in broken.body
    assert b"Traceback" not in broken.body


def test_a_killed_process_leaves_a_key_that_the_next_one_sweeps_and_one_that_ends_leaves_none(runtime: Path) -> None:
    code = textwrap.dedent(
        """
        import os, signal, sys
        from ndlab.serve import kernel
        from tests.serve.services import Counting
        print(kernel.start(Counting()), flush=True)
        sys.stdin.read()
        """
    )

    def begin() -> tuple[subprocess.Popen[str], str]:
        child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        return child, child.stdout.readline().strip()

    killed, stale = begin()
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert kernel.key_file(stale, runtime).exists()
    tidy, key = begin()
    assert kernel.key_file(key, runtime).exists()
    assert not kernel.key_file(stale, runtime).exists()
    tidy.communicate("")
    assert not kernel.key_file(key, runtime).exists()
