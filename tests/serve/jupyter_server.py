"""A real Jupyter server on loopback with ndlab's extension, as it is installed: by its file in etc/jupyter."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

__all__ = ["Jupyter", "ask", "free_port", "jupyter"]

_ETC = Path(__file__).resolve().parents[2] / "etc" / "jupyter"
_START_SECONDS = 60


@dataclass(frozen=True)
class Said:
    """An answer: its status, headers (their case does not matter) and body."""

    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    url: str,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    timeout: float = 30,
) -> Said:
    """Ask once, follow no redirect, and return whatever is answered."""
    request = urllib.request.Request(url, body, dict(headers or {}), method=method)
    try:
        with urllib.request.build_opener(_Stay()).open(request, timeout=timeout) as answer:
            return Said(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Said(error.code, error.headers, error.read())


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any) -> None:
        return None


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        return int(held.getsockname()[1])


@dataclass(frozen=True)
class Jupyter:
    """A running server."""

    url: str
    token: str
    runtime: Path

    def ask(self, path: str, method: str = "GET", *, token: bool = True, timeout: float = 30) -> Said:
        """Ask below the server's base address."""
        headers = {"Authorization": f"token {self.token}"} if token else {}
        return ask(self.url + path, method, headers, timeout=timeout)

    def kernel(self) -> str:
        """Start a kernel and return its id."""
        said = ask(f"{self.url}api/kernels", "POST", {"Authorization": f"token {self.token}"}, b"{}", 60)
        return str(said.json["id"])

    def execute(self, kernel: str, code: str) -> str:
        """Run code in a kernel and return what it printed; in a thread, as playwright's loop may run in this one."""
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, self._execute(kernel, code)).result()

    async def _execute(self, kernel: str, code: str) -> str:
        from tornado.httpclient import HTTPRequest
        from tornado.websocket import websocket_connect

        url = self.url.replace("http://", "ws://") + f"api/kernels/{kernel}/channels"
        # Not in the address, where a hub does not take it.
        socket = await websocket_connect(HTTPRequest(url, headers={"Authorization": f"token {self.token}"}))
        header = {"msg_id": "1", "username": "", "session": "test", "msg_type": "execute_request", "version": "5.3"}
        content = {"code": code, "silent": False, "store_history": False, "user_expressions": {}, "allow_stdin": False}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        await socket.write_message(json.dumps(message))
        printed = ""
        while True:
            answer = json.loads(await socket.read_message() or "{}")
            content = answer["content"]
            if answer["parent_header"].get("msg_id") != "1":
                continue
            if answer["msg_type"] == "stream":
                printed += content["text"]
            assert answer["msg_type"] != "error", "\n".join(content["traceback"])
            if answer["msg_type"] == "status" and content["execution_state"] == "idle":
                socket.close()
                while await socket.read_message() is not None:
                    pass  # until the other side has closed as well, so that no socket outlives the loop
                return printed


@contextmanager
def jupyter(folder: Path, *options: str, base_url: str = "/user/ann/") -> Iterator[Jupyter]:
    """Run a server until the block ends."""
    port, token = free_port(), secrets.token_hex(16)
    runtime = folder / "runtime"
    environment = os.environ | {
        "JUPYTER_CONFIG_PATH": str(_ETC),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_RUNTIME_DIR": str(runtime),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_TOKEN": token,
        "IPYTHONDIR": str(folder / "ipython"),
    }
    (folder / "root").mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable, "-m", "jupyter_server", "--allow-root", "--no-browser", f"--ServerApp.base_url={base_url}",
        "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={folder / 'root'}", *options,
    ]  # fmt: skip
    log = folder / "jupyter.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=environment, cwd=folder / "root", stdout=out, stderr=out)
    server = Jupyter(f"http://127.0.0.1:{port}{base_url}", token, runtime)
    try:
        _wait(server, process, log)
        yield server
    finally:
        process.terminate()
        process.wait(20)


def _wait(server: Jupyter, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            if server.ask("api/status", timeout=2).status == 200:
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"the Jupyter server did not start:\n{log.read_text()[-4000:]}")
