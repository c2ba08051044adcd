"""Fixtures that give each test a set of annotations in a folder, and again on a real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ndlab.annotations import Annotations
from tests.annotations.places import PLACES, Fresh, new, server, stop


@pytest.fixture(scope="session", autouse=True)
def _server_ends() -> Iterator[None]:
    yield
    stop()


@pytest.fixture(scope="module", params=PLACES)
def fresh(request: pytest.FixtureRequest) -> Iterator[Fresh]:
    """Return what makes an empty set of annotations."""
    made: list[Annotations] = []

    def make(space: Any = None, **options: Any) -> Annotations:
        made.append(new(request.param, space, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the address of an empty set of annotations, which other processes can open, too."""
    address = str(tmp_path / "ann") if request.param == "sqlite" else server().url()
    Annotations.create(address, voxel_size=(40, 4, 4)).close()
    return address
