"""Fixtures that give each test a set of annotations in a folder, and again on a real server."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ndlab.annotations import Annotations
from tests.annotations.places import PLACES, Fresh, new, release, server, stop


@pytest.fixture(scope="session", autouse=True)
def _server_ends() -> Iterator[None]:
    yield
    stop()


@pytest.fixture(params=PLACES)
def fresh(request: pytest.FixtureRequest) -> Iterator[Fresh]:
    """Return what makes an empty set of annotations, for one test."""
    made: list[Annotations] = []

    def make(space: Any = None, **options: Any) -> Annotations:
        made.append(new(request.param, space, **options))
        return made[-1]

    yield make
    for one in made:
        release(one)


@pytest.fixture(scope="module", params=PLACES)
def lasting(request: pytest.FixtureRequest) -> Fresh:
    """Return the same for all tests of a module, and for the examples of one; who is done with a set releases it."""
    return partial(new, request.param)


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the address of an empty set of annotations, which other processes can open, too."""
    address = str(tmp_path / "ann") if request.param == "sqlite" else server().url()
    Annotations.create(address, voxel_size=(40, 4, 4)).close()
    return address
