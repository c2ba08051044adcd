"""One server and one browser for the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.lab import Lab, chromium, serve

if TYPE_CHECKING:
    from playwright.sync_api import Browser


# Not for the session: as long as playwright is at work in a thread, asyncio.run() of other tests refuses to be.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return Debian's Chromium, headless."""
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Return a JupyterLab server with kernels of this environment."""
    with serve(tmp_path_factory.mktemp("lab")) as found:
        yield found


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where screenshots go."""
    return tmp_path_factory.mktemp("pictures")
