"""The state of an Image Explorer: whole, right, and the same after a trip through JSON."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ndlab.errors import BadRequest
from ndlab.explore import view_state

KINDS = {"em": "image", "prob": "image", "cells": "labels", "synapses": "points", "rois": "boxes"}


def info(kind: str = "image", **more: Any) -> dict[str, Any]:
    level = {"shape": [20, 100, 200], "voxel_size": [40, 4, 4], "offset": [0, 0, 400], "chunk": [8, 64, 64]}
    return {"kind": kind, "times": 3, "channels": [{"name": "a"}, {"name": "b"}], "levels": [level]} | more


finite = st.floats(-1e9, 1e9, allow_nan=False).map(float)
share = st.floats(0, 1)
positive = st.floats(1e-3, 1e9)
position = st.lists(finite, min_size=3, max_size=3)
ids = st.lists(st.integers(0, 2**64 - 1).map(str), unique=True, max_size=5)
color = st.none() | st.from_regex("[0-9A-F]{6}", fullmatch=True)
window = st.none() | st.tuples(finite, finite).filter(lambda w: w[0] != w[1]).map(sorted)


def layers(name: str, kind: str) -> st.SearchStrategy[dict[str, Any]]:
    own: dict[str, dict[str, st.SearchStrategy[Any]]] = {
        "image": {"window": window, "gamma": positive, "invert": st.booleans(), "color": color},
        "labels": {"style": st.sampled_from(view_state.STYLES), "hidden": ids, "isolated": st.booleans()},
        "points": {"color": color},
        "boxes": {"color": color},
    }
    common: dict[str, st.SearchStrategy[Any]] = {
        "visible": st.booleans(),
        "opacity": share,
        "blend": st.sampled_from(view_state.BLENDS),
        "channel": st.integers(0, 1),
        "z_offset": st.integers(-9, 9),
    }
    return st.fixed_dictionaries({"id": st.just(name), "kind": st.just(kind), **common, **own[kind]})


states = st.fixed_dictionaries(
    {
        "v": st.just(1),
        "position": position,
        "t": st.integers(0, 2),
        "scale": positive,
        "layout": st.sampled_from(view_state.LAYOUTS),
        "layers": st.tuples(*(layers(*one) for one in KINDS.items())).flatmap(st.permutations),
        "selection": st.dictionaries(st.sampled_from(sorted(KINDS)), ids),
        "marker": st.none() | position,
        "tool": st.sampled_from(view_state.TOOLS),
        "theme": st.sampled_from(view_state.THEMES),
    }
)


@given(states)
def test_a_right_state_comes_back_as_it_is_from_json_and_from_a_check(state: dict[str, Any]) -> None:
    infos = {"em": info(), "prob": info(), "cells": info("labels")}
    found = view_state.checked(json.loads(json.dumps(state)), KINDS, infos)
    assert found == state
    assert json.loads(json.dumps(found)) == state


@given(states, st.data())
def test_what_is_left_out_is_as_by_default_and_the_rest_as_given(state: dict[str, Any], data: st.DataObject) -> None:
    gone = data.draw(st.sets(st.sampled_from(sorted(set(state) - {"layers"}))))
    part = {name: value for name, value in state.items() if name not in gone}
    whole = view_state.checked({"layers": state["layers"]}, KINDS)
    assert view_state.checked(part, KINDS) == {name: (whole if name in gone else state)[name] for name in state}


def test_what_the_pages_half_leaves_out_is_the_same_here() -> None:
    image, labels = view_state.new_layer("em", "image"), view_state.new_layer("cells", "labels")
    common = {"visible": True, "blend": "normal", "channel": 0, "z_offset": 0}
    assert image == {
        "id": "em", "kind": "image", **common, "opacity": 1, "window": None, "gamma": 1, "invert": False, "color": None,
    }  # fmt: skip
    assert labels == {
        "id": "cells", "kind": "labels", **common, "opacity": 0.5, "style": "fill", "hidden": [], "isolated": False,
    }  # fmt: skip


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"scale": 0}, "state.scale = 0. it is a number of nm per pixel above 0"),
    ({"scale": float("nan")}, "state.scale = nan"),
    ({"scale": "4"}, "state.scale = '4'"),
    ({"position": [1, 2]}, "state.position = [1, 2]. it is three numbers, z, y, x in nm"),
    ({"position": [1, 2, float("inf")]}, "state.position"),
    ({"position": "abc"}, "state.position = 'abc'"),
    ({"marker": 3}, "state.marker = 3"),
    ({"t": -1}, "state.t = -1. it is a whole number from 0"),
    ({"t": 1.5}, "state.t = 1.5"),
    ({"t": 3}, "state.t = 3. it is a time point from 0 to 2"),
    ({"v": 2}, "state.v = 2. it is 1"),
    ({"layout": "zx"}, "state.layout = 'zx'. it is one of xy, xz, yz, three"),
    ({"tool": "knife"}, "one of pan, pick, point, line, box, brush"),
    ({"theme": "pink"}, "one of auto, dark, light"),
    ({"colour": 1}, "state has 'colour'. there are layers, layout"),
    ({"layers": {}}, "state.layers = {}"),
    ({"layers": [3]}, "state.layers[0] = 3"),
    ({"layers": [{"id": "em"}]}, "state.layers[0].kind = None. it is one of image, labels, points, boxes"),
    ({"layers": [{"id": "gone", "kind": "image"}]}, "the view has image 'em'"),
    ({"layers": [{"id": "em", "kind": "labels"}]}, "the view has image 'em'"),
    ({"layers": [{"id": "em", "kind": "image"}] * 2}, "each once"),
    ({"layers": [{"id": "em", "kind": "image", "opacity": 1.01}]}, "a number from 0 to 1"),
    ({"layers": [{"id": "em", "kind": "image", "visible": 1}]}, "true or false"),
    ({"layers": [{"id": "em", "kind": "image", "window": [5, 5]}]}, "the first below the second"),
    ({"layers": [{"id": "em", "kind": "image", "color": "red"}]}, "a colour as RRGGBB"),
    ({"layers": [{"id": "em", "kind": "image", "gamma": 0}]}, "gamma = 0"),
    ({"layers": [{"id": "em", "kind": "image", "channel": 2}]}, "a channel from 0 to 1"),
    ({"layers": [{"id": "em", "kind": "image", "style": "fill"}]}, "state.layers[0] has 'style'"),
    ({"layers": [{"id": "em", "kind": "image", "blend": "screen"}]}, "normal, additive, subtractive, multiply"),
    ({"layers": [{"id": "em", "kind": "image", "z_offset": 0.5}]}, "a whole number of planes"),
    ({"layers": [{"id": "cells", "kind": "labels", "hidden": ["-3"]}]}, "from 0 to 2**64 - 1"),
    ({"layers": [{"id": "cells", "kind": "labels", "hidden": "3"}]}, "a list of ids"),
    ({"selection": {"cells": [2**64]}}, "from 0 to 2**64 - 1"),
    ({"selection": {"nuclei": []}}, "selection in layer 'nuclei'. the layers are em"),
    ({"selection": [1]}, "an object of ids by layer"),
]


@pytest.mark.parametrize(("state", "said"), WRONG)
def test_a_mistake_is_named_with_its_place(state: dict[str, Any], said: str) -> None:
    infos = {"em": info(), "cells": info("labels")}
    with pytest.raises(BadRequest) as caught:
        view_state.checked(state, KINDS, infos)
    assert said in str(caught.value)


def test_numbers_and_flags_of_numpy_become_json() -> None:
    given_ = {
        "position": np.array([1.5, 2, 3]),
        "t": np.int64(1),
        "selection": {"cells": np.array([720575996132767246], np.uint64)},
        "layers": [{"id": "em", "kind": "image", "visible": np.True_, "window": (np.uint8(3), np.float32(9))}],
    }
    found = json.loads(json.dumps(view_state.checked(given_, KINDS)))
    assert found["position"] == [1.5, 2, 3]
    assert found["selection"] == {"cells": ["720575996132767246"]}
    assert found["layers"][0]["window"] == [3, 9]


def test_the_first_picture_is_all_of_the_first_image_at_the_centre_of_its_middle_plane() -> None:
    state = view_state.checked({}, {"cells": "labels", "em": "image"})
    infos = {"cells": info("labels"), "em": info()}
    found = view_state.fitting(state, infos, 640, 480)
    # 20 planes of 40 nm: plane 10 of them has its centre at 420 nm. The sides begin at 0 and at 400 nm.
    assert found["position"] == [420, 200, 800]
    assert found["scale"] == max(200 * 4 / 640, 100 * 4 / 480)
    assert view_state.voxel_at(infos["em"], found["position"]) == [10, 50, 100]
    assert view_state.reference(state, infos) is infos["em"]
    assert view_state.fitting(state, {}, 640, 480) == state


def test_planes_of_layouts() -> None:
    assert [view_state.planes_of(one) for one in view_state.LAYOUTS] == [("xy",), ("xz",), ("yz",), ("xy", "zy", "xz")]
    assert [view_state.main_plane(one) for one in view_state.LAYOUTS] == ["xy", "xz", "yz", "xy"]
