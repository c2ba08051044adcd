"""Figures are drawn into memory, whatever the machine has."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib as mpl
import pytest


@pytest.fixture(autouse=True)
def without_a_screen() -> Iterator[None]:
    """Draw into memory."""
    with mpl.rc_context({"backend": "agg"}):
        yield
