"""Paths of the founding services: read into values, written back, refused with words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ndlab.errors import BadRequest, NotFound
from ndlab.serve.grammar import (
    RESERVED,
    Cut,
    Cutout,
    Options,
    Overlay,
    Picture,
    Synaptogram,
    SynaptogramAt,
    Tile,
    VoxelId,
    parse,
)
from ndlab.serve.grammar import format as format_path
from ndlab.serve.grammar.requests import CUTOUTS, PLANES, SERVICES

BOX = Cut(1, (0, 5), (1, 6), (2, 7))
FLAT = Cut(0, (0, 5), (1, 6), (2, 3))
CUT = Cut(0, (9000, 9500), (12000, 12500), (50, 51))

texts = st.text("abcXYZ019_-. /,:é%", min_size=1, max_size=12) | st.sampled_from(SERVICES)
names = texts.filter(lambda s: s not in RESERVED and s != "0")
tokens = names.filter(lambda s: s not in ("mcfc", "maxproj", "viking"))
channels = st.lists(names, min_size=1, max_size=4).map(tuple)
numbers = st.integers(-(10**9), 10**9)
ranges = st.tuples(numbers, numbers)
flat = numbers.map(lambda n: (n, n + 1))
levels = st.integers(0, 30)
ids = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=4).map(tuple)
finite = st.floats(allow_nan=False, allow_infinity=False)
windows = st.tuples(finite, finite).map(lambda w: (min(w), max(w)))
options = st.builds(Options, st.none() | windows, st.just(()) | ids, st.booleans(), st.booleans(), st.booleans())
planes = st.sampled_from(PLANES)


@st.composite
def plane_cuts(draw: Any, plane: str) -> Cut:
    x, y, z = (draw(ranges if axis in plane else flat) for axis in "xyz")
    return Cut(draw(levels), x, y, z, draw(st.none() | flat))


@st.composite
def pictures(draw: Any) -> Picture:
    plane, mode = draw(planes), draw(st.sampled_from(["plane", "anno", "mcfc", "minproj", "maxproj"]))
    several = draw(channels)
    cut = draw(cuts) if mode in ("minproj", "maxproj") else draw(plane_cuts(plane))
    color = st.sampled_from(["", "C", "M", "Y", "R", "G", "B", "FF8000"])
    colors = tuple(draw(color) for _ in several) if mode == "mcfc" else ()
    return Picture(draw(names), several, mode, plane, cut, draw(options), draw(ids) if mode == "anno" else (), colors)


@st.composite
def overlays(draw: Any) -> Overlay:
    plane = draw(planes)
    layers = st.tuples(names, names, names)
    return Overlay(draw(st.floats(0, 1)), draw(layers), draw(layers), plane, draw(plane_cuts(plane)), draw(options))


@st.composite
def tiles(draw: Any) -> Tile:
    mode = draw(st.sampled_from(["plane", "mcfc", "maxproj", "viking"]))
    count = st.integers(0, 10**9)
    slots = (draw(levels), draw(count), draw(count), draw(count))
    if mode == "viking":
        return Tile(draw(names), draw(channels), "viking", "xy", *slots)
    several = draw(channels)
    colors = tuple(draw(st.sampled_from(["", "C", "B"])) for _ in several) if mode == "mcfc" else ()
    return Tile(
        draw(tokens), several, mode, draw(planes), *slots, draw(st.none() | count), draw(st.just(()) | ids), colors,
        draw(st.integers(0, 50)) if mode == "maxproj" else 0, draw(st.sampled_from([512, 256])),
    )  # fmt: skip


cuts = st.builds(Cut, levels, ranges, ranges, ranges, st.none() | ranges)
requests = st.one_of(
    st.builds(Cutout, names, st.just(()) | channels, st.sampled_from(CUTOUTS), cuts, options),
    st.builds(VoxelId, names, channels, levels, numbers, numbers, numbers, st.none() | numbers),
    st.builds(Synaptogram, names, channels, cuts, options),
    st.builds(
        SynaptogramAt,
        names,
        channels,
        numbers,
        numbers,
        numbers,
        levels,
        st.just(()) | channels,
        st.just(()) | channels,
        st.floats(0, allow_infinity=False),
        st.sampled_from([None, "normalize", "normalize2"]),
        st.integers(1, 99),
        st.integers(1, 999),
        st.integers(0, 99),
        st.none() | st.integers(0, 10**9),
    ),
    pictures(),
    overlays(),
    tiles(),
)


@settings(max_examples=500)
@given(requests)
def test_a_request_is_written_and_read_back_as_itself(request_: Any) -> None:
    path = format_path(request_)
    assert path.isascii()
    assert parse(path) == request_
    assert format_path(parse(path)) == path


@pytest.mark.parametrize(
    "prefix", ["/sd/", "/ca/", "/ocp/ca/", "/nd/sd/", "/ocp/sd/", "https://openconnecto.me/ocp/ca/"]
)
def test_the_papers_own_address(prefix: str) -> None:
    asked = parse(prefix + "kasthuri11/image/xy/0/9000,9500/12000,12500/50/")
    assert asked == Picture("kasthuri11", ("image",), "plane", "xy", CUT)


@pytest.mark.parametrize(
    ("path", "request_"),
    [
        ("/sd/k/hdf5/1/0,5/1,6/2,7/", Cutout("k", (), "hdf5", BOX)),
        ("/sd/k/a,0,b/npz/1/0,5/1,6/2,7/3,4", Cutout("k", ("a", "0", "b"), "npz", replace(BOX, t=(3, 4)))),
        (
            "/sd/k/a/raw/0/0,5/1,6/2,7/neariso/window/10,2.5e2/filter/3,4/direct/aligned/",
            Cutout("k", ("a",), "raw", Cut(0, (0, 5), (1, 6), (2, 7)), Options((10, 250), (3, 4), True, True, True)),
        ),
        ("/sd/k/a/xz/0/0,5/7/2,9/3/", Picture("k", ("a",), "plane", "xz", Cut(0, (0, 5), (7, 8), (2, 9), (3, 4)))),
        ("/sd/k/a/yz/0/4/0,5/2,9/", Picture("k", ("a",), "plane", "yz", Cut(0, (4, 5), (0, 5), (2, 9)))),
        ("/sd/k/a/id/0/1/2/3/", VoxelId("k", ("a",), 0, 1, 2, 3)),
        ("/sd/k/a/id/0/1/2/3/4?x=y", VoxelId("k", ("a",), 0, 1, 2, 3, 4)),
        ("/sd/k/a/xyanno/5,6/0/0,5/1,6/2/", Picture("k", ("a",), "anno", "xy", FLAT, ids=(5, 6))),
        (
            "/sd/k/a:M,b/mcfc/xy/0/0,5/1,6/2/",
            Picture("k", ("a", "b"), "mcfc", "xy", FLAT, colors=("M", "")),
        ),
        ("/sd/k/a/maxproj/xz/0/0,5/1,6/2,9/", Picture("k", ("a",), "maxproj", "xz", Cut(0, (0, 5), (1, 6), (2, 9)))),
        (
            "/overlay/0.5/here/k/em/here/l/ids/xy/0/0,5/1,6/2/",
            Overlay(0.5, ("here", "k", "em"), ("here", "l", "ids"), "xy", FLAT),
        ),
        ("/ocp/catmaid/k/em/xy/50/2_3_1.png", Tile("k", ("em",), "plane", "xy", 1, x=3, y=2, z=50)),
        ("/catmaid/k/em/xz/filter/7,8/4/50/2_3_1.png", Tile("k", ("em",), "plane", "xz", 1, 3, 2, 50, 4, (7, 8))),
        ("/catmaid/mcfc/k/a:C,b/xy/50/2_3_1.png", Tile("k", ("a", "b"), "mcfc", "xy", 1, 3, 2, 50, colors=("C", ""))),
        ("/catmaid/maxproj/k/a/width:3/xy/50/2_3_1.png", Tile("k", ("a",), "maxproj", "xy", 1, 3, 2, 50, width=3)),
        ("/catmaid/k/a/size:256/xy/50/2_3_1.png", Tile("k", ("a",), "plane", "xy", 1, 3, 2, 50, size=256)),
        ("/catmaid/viking/k/volume/a/1/X3_Y2_Z50.png", Tile("k", ("a",), "viking", "xy", 1, 3, 2, 50)),
        ("/catmaid/viking/k/volume/a/1/3_2_50.png", Tile("k", ("a",), "viking", "xy", 1, 3, 2, 50)),
        ("/synaptogram/k/a,b/xy/0/0,5/1,6/2,9/", Synaptogram("k", ("a", "b"), Cut(0, (0, 5), (1, 6), (2, 9)))),
        ("/synaptogram/k/a/5,6,7/resolution/2/", SynaptogramAt("k", ("a",), 5, 6, 7, 2)),
        ("/synaptogram/k/a/5,6,7/normalize/", SynaptogramAt("k", ("a",), 5, 6, 7, normalize="normalize")),
        ("/synaptogram/k/a,b/5,-6,7/", SynaptogramAt("k", ("a", "b"), 5, -6, 7)),
        (
            "/ocp/synaptogram/k/a,b/5,6,7/frame/0/EM/b/reference/a,b/normalize2/tile/5/enhance/2.5/width/7/time/3/",
            SynaptogramAt("k", ("a", "b"), 5, 6, 7, 0, ("a", "b"), ("b",), 2.5, "normalize2", 7, 5, 0, 3),
        ),
    ],
)  # fmt: skip
def test_every_form(path: str, request_: Any) -> None:
    assert parse(path) == request_


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/sd/k", "a channel or a service should follow"),
        ("/sd/k/em", "a service should follow"),
        ("/sd/k/em/xy/0/9000,9500/", "a range of y should follow"),
        ("/sd/k/em/xy/zero/0,5/0,5/0/", "'zero' as level"),
        ("/sd/k/em/xy/-1/0,5/0,5/0/", "level -1"),
        ("/sd/k/em/xy/0/0,5/0,5/0,5/", "'0,5' as z"),
        ("/sd/k/em/xy/0/0-5/0,5/0/", "'0-5' as a range of x"),
        ("/sd/k/em/xy/0/0,5,9/0,5/0/", "'0,5,9' as a range of x"),
        ("/sd/k/em/xy/0/0,5.5/0,5/0/", "'5.5' as x"),
        ("/sd/k/em/xy/0/0,٣/0,5/0/", "as x"),
        ("/sd/k/em/xy/0/0,5/0,5/0/sideways/", "option 'sideways'"),
        ("/sd/k/em/xy/0/0,5/0,5/0/window/9,1/", "window '9,1'"),
        ("/sd/k/em/xy/0/0,5/0,5/0/window/nan,1/", "window 'nan,1'"),
        ("/sd/k/em/xy/0/0,5/0,5/0/window/1/", "window '1'"),
        ("/sd/k/em/xy/0/0,5/0,5/0/window/", "a window should follow"),
        ("/sd/k/em/xyanno/a/0/0,5/0,5/0/", "'a' as an id"),
        (f"/sd/k/em/ids/0/0,5/0,5/0,5/filter/{2**64}/", "an id lies between"),
        ("/sd/k/em,,b/npz/0/0,5/0,5/0,5/", "channels 'em,,b'"),
        ("/sd/k/0/npz/0/0,5/0,5/0,5/", "channels '0'"),
        ("/sd/k/em:Q/mcfc/xy/0/0,5/0,5/0/", "colour 'Q' of channel 'em'"),
        ("/sd/k/em/mcfc/xw/0/0,5/0,5/0/", "plane 'xw'"),
        ("/sd//em/xy/0/0,5/0,5/0/", "single slashes"),
        ("", "single slashes"),
        ("/overlay/2/s/k/a/s/k/b/xy/0/0,5/0,5/0/", "alpha '2'"),
        ("/overlay/half/s/k/a/s/k/b/xy/0/0,5/0,5/0/", "alpha 'half'"),
        ("/catmaid/k/em/xy/0/1_2.png", "<y>_<x>_<level>.png"),
        ("/catmaid/k/em/size:100/xy/0/1_2_3.png", "512 or 256"),
        ("/catmaid/maxproj/k/em/width:-1/xy/0/1_2_3.png", "width -1"),
        ("/catmaid/k/em/xy/0/1_2_3.png/more/", "'more' at the end"),
        ("/catmaid/viking/k/em/1/X1_Y2_Z3.png", "volume/<channel>/<level>/"),
        ("/catmaid/viking/k/volume/em/1/1_2.png", "X<x>_Y<y>_Z<z>.png"),
        ("/synaptogram/k/em/xz/0/0,5/0,5/0,5/", "its slices are xy"),
        ("/synaptogram/k/em/1,2/", "plane '1,2'"),
        ("/synaptogram/k/em/1,2,3/width/0/", "width 0"),
        ("/synaptogram/k/em/1,2,3/width/x/", "'x' as width"),
        ("/synaptogram/k/em/1,2,3/enhance/inf/", "enhance 'inf'"),
        ("/synaptogram/k/em/1,2,3/tile/", "tile should follow"),
        ("/synaptogram/k/em/1,2,3/neariso/", "option 'neariso'.*reference/, EM/, enhance/, normalize/"),
    ],
)
def test_what_is_no_path_says_why(path: str, words: str) -> None:
    with pytest.raises(BadRequest, match=words.replace("(", r"\(")):
        parse(path)


@pytest.mark.parametrize("path", ["/wd/k/em/xy/0/0,5/0,5/0/", "/sd/k/em/xyz/0/0,5/0,5/0/", "/sd/k/em/annotate/"])
def test_an_unknown_service_names_those_that_exist(path: str) -> None:
    with pytest.raises(NotFound, match=r"paths begin with sd|services are xy, xz, yz"):
        parse(path)


@settings(max_examples=300)
@given(st.lists(st.text("ab0,1_:.%é/xyzsd", max_size=8) | st.sampled_from(["sd", "xy", "catmaid", "0,5"]), max_size=9))
def test_any_text_is_a_request_or_a_named_mistake(words: list[str]) -> None:
    try:
        parse("/" + "/".join(words))
    except (BadRequest, NotFound):
        return


@given(requests, st.data())
def test_a_broken_path_never_escapes_as_another_error(request_: Any, data: Any) -> None:
    path = format_path(request_)
    at = data.draw(st.integers(0, len(path)))
    with_noise = path[:at] + data.draw(st.sampled_from(["", "/", ",", "9" * 30, "%00", "-", "x"])) + path[at + 1 :]
    try:
        parse(with_noise)
    except (BadRequest, NotFound):
        return


@pytest.mark.parametrize("service", sorted(RESERVED))
def test_a_channel_cannot_be_written_by_a_services_name(service: str) -> None:
    with pytest.raises(BadRequest, match="that word is a service's"):
        format_path(Picture("k", (service,), "plane", "xy", CUT))


@pytest.mark.parametrize("name", sorted({*SERVICES} - RESERVED))
def test_a_channel_may_be_called_like_a_service(name: str) -> None:
    asked = parse(f"/sd/k/{name}/ids/0/0,5/1,6/2,7/")
    assert (asked.channels, asked.service) == ((name,), "ids")  # type: ignore[union-attr]
    assert parse("/sd/k/mcfc/xy/0/0,5/1,6/2/").channels == ()  # type: ignore[union-attr]


def test_a_plane_is_one_voxel_deep_and_one_moment_long() -> None:
    with pytest.raises(BadRequest, match="one voxel deep"):
        Picture("k", (), "plane", "xz", CUT)
    with pytest.raises(BadRequest, match="one time point"):
        Picture("k", (), "plane", "xy", Cut(0, (0, 1), (0, 1), (0, 1), (0, 2)))


def test_a_tile_names_its_channel() -> None:
    with pytest.raises(BadRequest, match="tiles name their channels"):
        format_path(Tile("k", (), "plane", "xy", 0, 0, 0, 0))
    with pytest.raises(BadRequest, match="are services"):
        format_path(Tile("mcfc", ("a",), "plane", "xy", 0, 0, 0, 0))
