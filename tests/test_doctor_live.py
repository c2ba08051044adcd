"""The doctor looks at what runs: servers and clusters that are well, and such as are open, old or empty."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ndlab.cli import main
from ndlab.doctor import Finding, Report, installation
from ndlab.doctor.cluster import _versions
from ndlab.errors import NotFound
from ndlab.samples import toy
from ndlab.serve.app import make_site, serving
from ndlab.serve.limits import Access
from tests.serve.jupyter_server import Jupyter, free_port, jupyter


def found(report: Report | None, what: str) -> Finding:
    assert report is not None
    return next(one for one in report.findings if one.what == what)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    strict = "--ServerApp.allow_unauthenticated_access=False"
    with jupyter(tmp_path_factory.mktemp("doctor"), strict) as running:
        yield running


def test_a_jupyter_server_that_is_well(server: Jupyter) -> None:
    report = installation(server.url, token=server.token)
    assert report is not None
    assert report.ok, str(report)
    assert [one.what for one in report.findings] == ["Jupyter", "login", "routes", "kernels", "extension"]
    assert {one.status for one in report.findings} == {"ok"}
    assert found(report, "routes").detail.endswith("(403)")


def test_without_a_token_the_door_is_looked_at(server: Jupyter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NDLAB_TOKEN", raising=False)
    report = installation(server.url)
    assert report is not None
    assert report.ok
    assert found(report, "extension").status == "note"
    wrong = installation(server.url, token="another")
    assert found(wrong, "token").status == "problem"


def test_a_server_that_anybody_may_ask_and_that_lacks_the_extension(tmp_path: Path) -> None:
    off = ["--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True",
           '--ServerApp.jpserver_extensions={"ndlab.serve.jupyter": False, "ndlab": False}']  # fmt: skip
    with jupyter(tmp_path, *off, base_url="/") as running:
        report = installation(running.url, token="any")
    assert report is not None
    assert found(report, "login").status == "problem"
    assert "answered to anybody" in found(report, "login").detail


def test_ndlab_serve(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NDLAB_TOKEN", raising=False)
    volume = toy().volume("image").like(tmp_path / "toy.zarr")
    with serving(make_site(str(tmp_path), Access(token="secret"))) as running:
        assert main(["doctor", running.url, "--json"]) == 0
        shut = json.loads(capsys.readouterr().out)
        assert main(["doctor", running.url, "--token", "secret"]) == 0
        assert "1 volumes are served" in capsys.readouterr().out
        assert main(["doctor", running.url, "--token", "another"]) == 1
        assert "not the one that the server knows" in capsys.readouterr().out
    assert [one["what"] for one in shut["findings"]] == ["ndlab serve", "token"]
    with serving(make_site(str(tmp_path), Access(open=True))) as running:
        # A store behind a server is a store.
        assert main(["doctor", f"{running.url}/v1/zarr/{Path(volume.url).stem}"]) == 0
        assert "chunks 0" in capsys.readouterr().out


def test_nothing_there_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    with pytest.raises(NotFound, match="nothing answers"):
        installation(f"http://127.0.0.1:{port}")
    assert main(["doctor", f"http://127.0.0.1:{port}"]) == 2
    assert "check the address" in capsys.readouterr().err


def test_a_scheduler_with_workers_and_without() -> None:
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0", protocol="tcp",
        host="127.0.0.1",
    ) as cluster:  # fmt: skip
        report = installation(cluster.scheduler_address)
        assert report is not None
        assert report.ok, str(report)
        assert found(report, "workers").detail.startswith("1 with 1 threads")
        assert found(report, "versions").status == "ok"
        cluster.scale(0)
        cluster.sync(cluster._correct_state)
        empty = installation(cluster.scheduler_address)
    assert found(empty, "workers").status == "problem"


def test_workers_of_other_versions_are_told() -> None:
    """The versions of workers come from them; here two are made up, of which one lacks ndlab."""
    from ndlab.doctor.cluster import _about_worker

    here = _about_worker()
    assert here["python"] == f"{sys.version_info[0]}.{sys.version_info[1]}"
    others: dict[str, dict[str, Any]] = {
        "tcp://a": here | {"distributed": "1.0", "numpy": "1.0"},
        "tcp://b": here | {"ndlab": None},
    }
    said = {(one.what, one.status) for one in _versions(others)}
    assert said == {("ndlab", "problem"), ("versions", "problem"), ("versions", "note")}
    assert [one.status for one in _versions({"tcp://a": here})] == ["ok"]
