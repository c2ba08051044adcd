"""Whatever is asked is answered, or refused by name."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ndlab.errors import Conflict
from ndlab.serve.answer import Answer, Limits, respond
from ndlab.serve.grammar import Cut, Cutout, Options, Overlay, Picture, Synaptogram, Tile, VoxelId
from ndlab.serve.grammar import format as format_path
from ndlab.serve.grammar.requests import CUTOUTS, PLANES
from ndlab.serve.source import Channel
from ndlab.volume import Volume
from tests.serve.named import Held

RNG = np.random.default_rng(0)
SHAPE = (2, 4, 5, 6)
CHANNELS = {
    "u1": ("image", RNG.integers(0, 255, SHAPE[1:], np.uint8)),
    "u2": ("image", RNG.integers(0, 60000, SHAPE[1:], np.uint16)),
    "rgba": ("image", RNG.integers(0, 2**32 - 1, SHAPE[1:], np.uint32)),
    "u8": ("image", RNG.integers(0, 2**63, SHAPE[1:], np.uint64)),
    "i2": ("image", RNG.integers(-99, 99, SHAPE[1:], np.int16)),
    "bool": ("image", RNG.integers(0, 2, SHAPE[1:]).astype(bool)),
    "nan": ("probmap", np.full(SHAPE[1:], np.nan, np.float32)),
    "f8": ("image", RNG.normal(size=SHAPE[1:])),
    "time": ("timeseries", RNG.integers(0, 255, SHAPE, np.uint8)),
    "ids": ("annotation", RNG.integers(0, 9, SHAPE[1:]).astype(np.uint64)),
    "ids4": ("annotation", RNG.integers(0, 9, SHAPE[1:]).astype(np.int32)),
}


@pytest.fixture(scope="module")
def names() -> Held:
    held = []
    for name, (kind, values) in CHANNELS.items():
        volume = Volume.from_array(values, (30, 10, 7), offset=(30, 0, 14))
        held.append(Channel("k", name, kind, volume))  # type: ignore[arg-type]  # names of kinds
    return Held(held)


# z spans 1,5, y 0,5 and x 2,8: most of what is drawn lies inside, some of it beside.
INSIDE = {"x": [(2, 8), (3, 5)], "y": [(0, 5), (1, 3)], "z": [(1, 5), (2, 4)], "t": [(0, 1), (0, 2)]}
near = st.integers(-1, 9)
ranges = st.tuples(near, near)
levels = st.sampled_from([0] * 9 + [1])
some = st.lists(st.sampled_from([*CHANNELS, "0"]), min_size=1, max_size=3).map(tuple).filter(lambda c: set(c) != {"0"})
one = st.sampled_from([*CHANNELS]).map(lambda name: (name,))
ids = st.just(()) | st.just(()) | st.lists(st.integers(0, 12) | st.just(2**64 - 1), max_size=2).map(tuple)
tiles = st.sampled_from([0, 0, 0, 1])
objects = st.lists(st.integers(0, 12), min_size=1, max_size=2).map(tuple)
windows = st.none() | st.none() | st.none() | st.just((0.0, 0.0)) | st.just((-1e308, 1e308)) | st.just((3.0, 90.5))
options = st.builds(Options, windows, ids, st.booleans())


def _range(draw: Any, axis: str) -> tuple[int, int]:
    return draw(st.sampled_from(INSIDE[axis]) if draw(st.integers(0, 19)) else ranges)  # type: ignore[no-any-return]


def _one(draw: Any, axis: str) -> tuple[int, int]:
    number = draw(st.sampled_from(INSIDE[axis]))[0] if draw(st.integers(0, 19)) else draw(near)
    return number, number + 1


@st.composite
def requests(draw: Any) -> Any:
    plane = draw(st.sampled_from(PLANES))
    x, y, z = (_range(draw, axis) if axis in plane else _one(draw, axis) for axis in "xyz")
    thin = Cut(draw(levels), x, y, z, _one(draw, "t") if draw(st.booleans()) else None)
    x, y, z = (_range(draw, axis) for axis in "xyz")
    thick = Cut(draw(levels), x, y, z, _range(draw, "t") if draw(st.booleans()) else None)
    several, option = draw(one | some), draw(options)
    match draw(st.integers(0, 6)):
        case 0:
            return Cutout("k", several, draw(st.sampled_from(CUTOUTS)), thick, option)
        case 1:
            kept = draw(objects)
            return Picture("k", several, draw(st.sampled_from(["plane", "anno"])), plane, thin, option, kept)
        case 2:
            return Picture("k", several, draw(st.sampled_from(["minproj", "maxproj"])), plane, thick, option)
        case 3:
            colors = tuple(draw(st.sampled_from(["", "C", "Y", "00FF80"])) for _ in several)
            return Picture("k", several, "mcfc", plane, thin, option, colors=colors)
        case 4:
            layers = [("here", "k", draw(one)[0]) for _ in range(2)]
            return Overlay(draw(st.floats(0, 1)), layers[0], layers[1], plane, thin, option)
        case 5:
            x0, y0, z0 = (max(0, _one(draw, axis)[0]) if axis not in plane else draw(tiles) for axis in "xyz")
            mode, width = draw(st.sampled_from([("plane", 0), ("mcfc", 0), ("maxproj", 2)]))
            colors = ("",) * len(several) if mode == "mcfc" else ()
            return Tile("k", several, mode, plane, thin.level, x0, y0, z0, None, (), colors, width, 256)
        case _:
            if draw(st.booleans()):
                return Synaptogram("k", several, thick, option)
            return VoxelId("k", draw(one), thin.level, *(_one(draw, axis)[0] for axis in "xyz"))


def _check(found: Answer) -> None:
    body = found.read()
    assert found.status in (200, 400, 404, 413)
    if found.status != 200:
        words = json.loads(body)
        assert words["asked"]
        assert words["exists"] or words["remedy"]


@settings(max_examples=600)
@given(requests())
def test_every_request_is_answered_or_refused_by_name(names: Held, request_: Any) -> None:
    _check(respond(format_path(request_), names))
    _check(respond(format_path(request_), names, Limits(nbytes=60, pixels=30)))


def test_a_refusal_hides_what_only_the_server_knows() -> None:
    class Twice(Held):
        def channel(self, token: str, name: str) -> Channel:
            raise Conflict(f"{token} could be s3://lab/a.zarr or s3://lab/a.n5", "both have that name", "rename one")

    found = respond("/sd/a/em/raw/0/0,1/0,1/0,1/", Twice([]), hidden={"s3://lab/": ""})
    assert found.status == 409
    assert json.loads(found.read()) == {
        "error": "Conflict", "asked": "a could be a.zarr or a.n5", "exists": "both have that name",
        "remedy": "rename one",
    }  # fmt: skip
