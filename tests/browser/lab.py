"""A real JupyterLab or Notebook 7 on loopback, a real kernel, and notebooks that run in a page of Debian's Chromium."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import nbformat
import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

__all__ = ["Application", "Lab", "Notebook", "chromium", "serve"]

Application = Literal["jupyterlab", "notebook"]
# Where each has a notebook.
_PAGES: dict[Application, str] = {"jupyterlab": "doc/tree", "notebook": "notebooks"}

_CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip
# A page of JupyterLab takes a quarter of a minute on a busy machine of two cores.
_PATIENCE_MS = 90_000


@contextmanager
def chromium() -> Iterator[Browser]:
    """Yield a headless browser; fail, never skip, where there is none."""
    from playwright.sync_api import sync_playwright

    program = next((found for name in _CHROMIUM if (found := shutil.which(name))), None)
    if program is None:
        pytest.fail(f"none of {', '.join(_CHROMIUM)} is on PATH: run `make system`")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Lab:
    """A running server: its address, its token, and the folder that it serves."""

    url: str
    token: str
    folder: Path
    application: Application = "jupyterlab"

    def ask(self, path: str) -> Any:
        """Return the JSON at an address of the server's API."""
        request = urllib.request.Request(f"{self.url}{path}", headers={"Authorization": f"token {self.token}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def open(self, browser: Browser, name: str, *cells: str, dark: bool = False) -> Notebook:
        """Write a notebook of code cells, and open it in a page of its own with a kernel that is ready."""
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, self.folder / f"{name}.ipynb")
        page = browser.new_page(viewport={"width": 1180, "height": 900})
        page.set_default_timeout(_PATIENCE_MS)
        page.goto(f"{self.url}{_PAGES[self.application]}/{name}.ipynb?token={self.token}")
        shown = Notebook(page)
        shown.ready()
        if dark:
            shown.command("apputils:change-theme", {"theme": "JupyterLab Dark"})
            page.wait_for_selector("body[data-jp-theme-light=false]", state="attached")
        return shown


@dataclass
class Notebook:
    """An open notebook."""

    page: Page

    def ready(self) -> None:
        """Wait until the kernel waits for work."""
        self.page.wait_for_function(
            """() => {
                const session = window.jupyterapp?.shell.currentWidget?.sessionContext;
                const kernel = session?.session?.kernel;
                return session?.isReady && kernel?.connectionStatus === "connected" && kernel?.status === "idle";
            }"""
        )

    def command(self, name: str, arguments: dict[str, Any] | None = None) -> None:
        """Execute a command of JupyterLab, as its menus do."""
        self.page.evaluate(
            "([name, args]) => window.jupyterapp.commands.execute(name, args).then(() => null)", [name, arguments or {}]
        )

    def run(self, cell: int, *, wait: bool = True) -> Locator:
        """Run the cell with this number and return its output area, with `wait` once the cell has run."""
        self.page.evaluate(
            """(i) => {
                const notebook = window.jupyterapp.shell.currentWidget.content;
                notebook.activeCellIndex = i;
                notebook.deselectAll();
                notebook.widgets[i].model.executionCount = null;
                void window.jupyterapp.commands.execute("notebook:run-cell");
            }""",
            cell,
        )
        if wait:
            self.page.wait_for_function(
                "(i) => window.jupyterapp.shell.currentWidget.content.widgets[i].model.executionCount !== null",
                arg=cell,
            )
        return self.page.locator(".jp-CodeCell").nth(cell).locator(".jp-Cell-outputArea")

    def text(self, cell: int) -> str:
        """Return what a cell has printed, or its last error; run it first."""
        return self.run(cell).inner_text()

    def restart(self) -> None:
        """Restart the kernel, as the menu does."""
        self.page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart().then(() => null)"
        )


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextmanager
def serve(folder: Path, application: Application = "jupyterlab") -> Iterator[Lab]:
    """Yield a server of this environment that reads and writes nothing outside `folder`."""
    root = folder / "served"
    root.mkdir()
    homes = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
    }
    # Else a question about news covers a corner of every page.
    quiet = folder / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    quiet.parent.mkdir(parents=True)
    quiet.write_text('{"fetchNews": "false", "checkForUpdates": false}')
    environment = dict(os.environ) | {name: str(folder / home) for name, home in homes.items()}
    port, token = _free_port(), secrets.token_hex(16)
    command = [
        sys.executable, "-m", application, "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}",
        "--ServerApp.port_retries=0", f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={root}",
        "--expose-app-in-browser", "--LabApp.extension_manager=readonly",
    ]  # fmt: skip
    log = folder / "lab.log"
    with open(log, "wb") as out:
        server = subprocess.Popen(command, env=environment, stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd=root)
        lab = Lab(f"http://127.0.0.1:{port}/", token, root, application)
        try:
            _wait_until_up(lab, server, log)
            yield lab
        finally:
            server.terminate()
            try:
                server.wait(15)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _wait_until_up(lab: Lab, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and server.poll() is None:
        try:
            lab.ask("api/status")
        except OSError:
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"Jupyter did not start:\n{log.read_text(errors='replace')[-3000:]}")
