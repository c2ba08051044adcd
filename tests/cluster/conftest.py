"""What the tests of sessions and clusters share: a browser, and that nothing they start outlives them."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.browser.lab import chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_MARK = "NDLAB_CLUSTER_TEST"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return Debian's Chromium, headless."""
    with chromium() as found:
        yield found


@pytest.fixture(scope="module", autouse=True)
def nothing_left_over() -> Iterator[None]:
    """Mark all that a module's tests start, and find none of it alive when they are over."""
    mark = secrets.token_hex(8)
    os.environ[_MARK] = mark
    yield
    del os.environ[_MARK]
    end = time.monotonic() + 20
    while (left := _marked(mark)) and time.monotonic() < end:
        time.sleep(0.2)
    said = [f"{one.pid}: {' '.join(one.cmdline())}" for one in left]
    for one in left:
        one.kill()
    assert said == [], "these processes outlived the tests that started them"


def _marked(mark: str) -> list[psutil.Process]:
    """Return the processes that have the mark in their environment, wherever they were started from."""
    found = []
    for one in psutil.process_iter():
        try:
            if one.pid == os.getpid() or one.environ().get(_MARK) != mark or one.status() == psutil.STATUS_ZOMBIE:
                continue
            # Python's own helper, one for each process, which ends with it.
            if one.ppid() == os.getpid() and "multiprocessing.resource_tracker" in " ".join(one.cmdline()):
                continue
            found.append(one)
        except psutil.Error:
            continue
    return found
