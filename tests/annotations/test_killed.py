"""Writers that are killed at random moments: nothing acknowledged is lost, nothing is applied twice or half; R64."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.annotations.killing import killed_changers, killed_painters, quick_folder

SEEDS, MORE = range(20), range(100, 600)


def of_paint(seed: int) -> int:
    with quick_folder() as folder:
        return killed_painters(folder, seed, 2).found


def of_objects(seed: int) -> int:
    with quick_folder() as folder:
        return killed_changers(str(folder / "set"), seed, 2).found


@pytest.mark.parametrize("what", [of_paint, of_objects])
def test_r64_killed_at_random_moments(what: Callable[[int], int]) -> None:
    found = [what(seed) for seed in SEEDS]
    assert sum(found) > 5 * len(SEEDS)  # They were killed at work, not before.


@pytest.mark.soak
@pytest.mark.parametrize("seed", MORE)
@pytest.mark.parametrize("what", [of_paint, of_objects])
def test_killed_at_random_moments_for_long(what: Callable[[int], int], seed: int) -> None:
    what(seed)
