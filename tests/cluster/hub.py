"""A real JupyterHub on loopback: hub, proxy, and single-user servers as processes of this machine."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.processes import dying_with_us, end, free_port

__all__ = ["Hub", "hub"]

_ROOT = Path(__file__).resolve().parents[2]
_PROXY = _ROOT / "widgets" / "node_modules" / ".bin" / "configurable-http-proxy"
_SHIPPED = _ROOT / "deploy" / "hub" / "jupyterhub_config.py"
_PASSWORD = "only for this test"
_UP_SECONDS = 150

# What the shipped file leaves to a site: ports, who may log in, and how servers are kept apart.
_CONFIG = """
load_subconfig({shipped!r})
c.JupyterHub.bind_url = "http://127.0.0.1:{port}/hubbase/"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{hub_port}"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{proxy_port}"
c.ConfigurableHTTPProxy.command = [{proxy!r}]
c.ConfigurableHTTPProxy.auth_token = {proxy_token!r}
c.JupyterHub.db_url = "sqlite:///{folder}/hub.sqlite"
c.JupyterHub.cookie_secret_file = "{folder}/cookie"
c.JupyterHub.authenticator_class = "shared-password"
c.SharedPasswordAuthenticator.user_password = {password!r}
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = "{folder}/homes/{{username}}"
c.Spawner.cmd = [*{alone!r}, *c.Spawner.cmd]
c.Spawner.args += ["--allow-root", "--LabApp.expose_app_in_browser=True"]
c.Spawner.environment |= {{"JUPYTER_PLATFORM_DIRS": "1"}}
c.Spawner.env_keep = ["NDLAB_CLUSTER_TEST", "PATH", "PYTHONPATH", "LANG", "NDLAB_TRANSPORT"]
c.JupyterHub.services += [{{"name": "test", "api_token": {token!r}}}]
c.JupyterHub.load_roles += [{{"name": "tester", "services": ["test"],
    "scopes": ["admin:users", "admin:servers", "tokens", "access:servers"]}}]
"""


@dataclass
class Hub:
    """A running hub: its address with base URL, the token of an administrator, and the users' homes."""

    url: str
    token: str
    homes: Path
    password: str = _PASSWORD

    def ask(self, path: str, method: str = "GET", body: Any = None, token: str | None = None) -> tuple[int, Any]:
        """Return status and JSON of a path below the base URL; redirects are not followed."""
        headers = {} if token == "" else {"Authorization": f"token {self.token if token is None else token}"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with _DIRECT.open(request, timeout=60) as answer:
                raw = answer.read()
                return answer.status, json.loads(raw) if raw[:1] in (b"{", b"[") else raw
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def environment(self) -> dict[str, str]:
        """Environment of a program that asks the hub as its administrator."""
        return dict(os.environ) | {"JUPYTERHUB_API_TOKEN": self.token}

    def user(self, name: str) -> str:
        """Make a user, start its server, and return a token of its own."""
        (self.homes / name).mkdir(parents=True, exist_ok=True)
        assert self.ask(f"hub/api/users/{name}", "POST")[0] == 201
        status, made = self.ask(f"hub/api/users/{name}/tokens", "POST", {"expires_in": 3600})
        assert status == 201
        self.start(name)
        return str(made["token"])

    def start(self, name: str) -> None:
        """Start the server of a user, and wait until it is ready."""
        assert self.ask(f"hub/api/users/{name}/server", "POST")[0] in (201, 202)
        self.wait(name, lambda server: server.get("ready", False))

    def wait(self, name: str, until: Callable[[dict[str, Any]], bool], seconds: float = _UP_SECONDS) -> None:
        """Wait until what the hub says about the server of a user is as it should be; {} is no server."""
        end = time.monotonic() + seconds
        while not until(found := self.ask(f"hub/api/users/{name}")[1]["servers"].get("", {})):
            assert time.monotonic() < end, f"the server of {name}: {found}"
            time.sleep(0.2)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


_DIRECT = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))


@contextmanager
def hub(folder: Path) -> Iterator[Hub]:
    """Yield a hub of this environment that keeps everything in `folder`."""
    if not _PROXY.exists():
        pytest.fail("configurable-http-proxy is not installed: run `make cluster-test`, which installs it with npm")
    if shutil.which("node") is None:
        pytest.fail("there is no node on PATH: run `make system`")
    ports = [free_port() for _ in range(3)]
    token = secrets.token_hex(16)
    config = folder / "jupyterhub_config.py"
    config.write_text(
        _CONFIG.format(
            port=ports[0], hub_port=ports[1], proxy_port=ports[2], proxy=str(_PROXY), folder=folder, token=token,
            proxy_token=secrets.token_hex(16), password=_PASSWORD, shipped=str(_SHIPPED), alone=_alone(),
        )
    )  # fmt: skip
    log = folder / "hub.log"
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTERHUB_", "JPY_"))}
    with open(log, "wb") as out:
        process = subprocess.Popen(
            dying_with_us([sys.executable, "-m", "jupyterhub", "-f", str(config)], "TERM"),
            env=environment, stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd=folder, start_new_session=True,
        )  # fmt: skip
        found = Hub(f"http://127.0.0.1:{ports[0]}/hubbase/", token, folder / "homes")
        try:
            _wait_until_up(found, process, log)
            yield found
        finally:
            # The hub stops its proxy and its users' servers when it is asked to end; one that did not start may not.
            end(process, 30)


def _alone() -> list[str]:
    """The start of a command that is run with a mount namespace of its own, with or without root."""
    ours = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *ours, "--mount", "--propagation", "private", str(Path(__file__).with_name("alone.sh"))]


def _wait_until_up(found: Hub, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _UP_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            if found.ask("hub/api/")[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.2)
    pytest.fail(f"JupyterHub did not start:\n{log.read_text(errors='replace')[-3000:]}")
