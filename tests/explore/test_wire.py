"""What goes over the wire is what the browser half expects: both read widgets/test/wire.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ndlab.explore.watch import Watch
from ndlab.explore.wire import Facts, GridFacts, Status, pack_states, pack_tick
from ndlab.geometry import Grid
from ndlab.pipeline import Run, Step
from ndlab.volume import Volume

FIXTURE: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "widgets" / "test" / "wire.json").read_text(encoding="utf-8")
)


def test_states_and_ticks_are_packed_as_the_browser_unpacks_them() -> None:
    before = np.zeros(301, np.uint8)
    before[:12] = FIXTURE["states"]
    after = before.copy()
    for number, state in FIXTURE["tick"]:
        after[number] = state
    assert pack_states(before[:12]).hex() == FIXTURE["states_hex"]
    changed = sorted(zip(*unpack(pack_tick(before, after)), strict=True))
    assert changed == sorted(map(tuple, FIXTURE["tick"]))
    assert unpack([bytes.fromhex(part) for part in FIXTURE["tick_hex"]]) == (
        [number for number, _ in FIXTURE["tick"]],
        [state for _, state in FIXTURE["tick"]],
    )


def unpack(buffers: list[bytes]) -> tuple[list[int], list[int]]:
    return np.frombuffer(buffers[0], "<u4").tolist(), np.frombuffer(buffers[1], np.uint8).tolist()


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=50))
def test_a_tick_turns_what_was_into_what_is(pairs: list[tuple[int, int]]) -> None:
    before = np.array([a for a, _ in pairs], np.uint8)
    after = np.array([b for _, b in pairs], np.uint8)
    numbers, states = unpack(pack_tick(before, after))
    assert len(numbers) == int((before != after).sum())
    before[numbers] = states
    assert np.array_equal(before, after)


@pytest.mark.parametrize(
    ("said", "kind"), [(FIXTURE["facts"], Facts), (FIXTURE["facts"]["grid"], GridFacts), (FIXTURE["status"], Status)]
)
def test_both_halves_name_the_same_fields(said: dict[str, Any], kind: Any) -> None:
    assert set(said) == set(kind.__annotations__)


def test_the_fixture_is_what_a_real_run_says() -> None:
    volume = Volume.from_array(np.zeros((40, 60, 80), "u1"), (40, 8, 8), name="brain.ome.zarr")
    step = Step("smooth", print, {"sigma": 2.5}, {"volume": volume})
    facts = Watch(Run(step, Grid((40, 60, 80), (20, 32, 32)), workers=2), lambda message, buffers: None).facts
    expected = FIXTURE["facts"] | {"inputs": [["volume", "brain.ome.zarr, 40 × 60 × 80"]], "output": None}
    assert json.loads(json.dumps(facts)) == expected | {"resumable": False}
