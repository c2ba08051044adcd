"""Pictures: the right pixels, in true proportions, with stable colours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from ndlab import figures
from ndlab.errors import BadRequest
from ndlab.samples.toy import toy
from ndlab.volume import Volume


@pytest.fixture(autouse=True)
def without_a_screen() -> Iterator[None]:
    """Draw into memory, whatever the machine has."""
    with mpl.rc_context({"backend": "agg"}):
        yield


def test_an_id_has_one_colour_everywhere_and_background_is_clear() -> None:
    """The same id in another picture, at another place, beside others."""
    one = figures.label_colors(np.array([[0, 7], [9, 2**60]], dtype=np.uint64), 0.5)
    other = figures.label_colors(np.array([[2**60, 7, 7]], dtype=np.uint64), 0.5)
    assert (one[0, 0] == 0).all()
    assert (one[0, 1] == other[0, 1]).all()
    assert (one[1, 1] == other[0, 0]).all()
    assert one[0, 1, 3] == 0.5


@pytest.mark.parametrize("step", [1, 2**20, 2**40])
def test_colours_differ_whatever_bits_the_ids_differ_in(step: int) -> None:
    """Ids made of bit fields must not share a few hues."""
    ids = (np.arange(1, 65, dtype=np.uint64) * np.uint64(step)).reshape(8, 8)
    colors = np.unique(np.round(figures.label_colors(ids)[..., :3] * 255).reshape(-1, 3), axis=0)
    assert len(colors) == 64


def test_a_plane_keeps_its_proportions_in_nanometres() -> None:
    """The toy brain's voxels are twice as tall as wide: 10 sections of 100 nm over 30 columns of 50 nm."""
    ax = Figure().subplots()
    figures.plane(toy().volume("image")[:, 5], ax)
    assert tuple(ax.images[0].get_extent()) == (0, 1500, 1000, 0)
    assert np.array_equal(np.asarray(ax.images[0].get_array()), toy().image[:, 5])


def test_the_scale_bar_is_round_and_says_its_length() -> None:
    """About a quarter of the width: 200 nm of 1500."""
    ax = Figure().subplots()
    figures.plane(toy().volume("image")[2], ax, labels=toy().volume("labels")[2])
    (line,) = ax.lines
    length = np.ptp(np.asarray(line.get_xdata(), dtype=float))
    assert length == pytest.approx(200)
    assert ax.texts[0].get_text() == "200 nm"
    assert len(ax.images) == 2


def test_a_volume_that_is_no_plane_is_refused() -> None:
    """With what to type."""
    volume = Volume.from_array(np.zeros((2, 3, 4, 5), "u1"), voxel_size=(1, 1, 1))
    with pytest.raises(BadRequest, match=r"vol\[25\]"):
        figures.plane(volume, Figure().subplots())


def test_letters_stand_in_order() -> None:
    """A to D over four panels."""
    axes = Figure().subplots(2, 2)
    figures.letter(axes.flat)
    assert [ax.texts[0].get_text() for ax in axes.flat] == ["A", "B", "C", "D"]


def test_style_is_gone_afterwards() -> None:
    """A notebook's own settings survive."""
    before = mpl.rcParams["font.size"]
    with figures.style():
        assert mpl.rcParams["axes.spines.top"] is False
    assert mpl.rcParams["font.size"] == before


def test_a_checkerboard_takes_turns_and_refuses_other_shapes() -> None:
    one, other = (Volume.from_array(np.full((1, 32, 32), v, "u1"), (40, 4, 4)) for v in (10, 20))
    ax = Figure().subplots()
    figures.checkerboard(one[0], other[0], ax, squares=4)
    drawn = np.asarray(ax.images[0].get_array())
    assert (drawn[:8, :8] == 10).all()
    assert (drawn[:8, 8:16] == 20).all()
    assert (drawn == 10).sum() == (drawn == 20).sum()
    with pytest.raises(BadRequest, match="two planes of one shape"):
        figures.checkerboard(one[0], other[0, :16], ax)


def test_pairs_of_sections_are_drawn_by_what_became_of_them() -> None:
    from ndlab.preprocess import Alignment

    columns: dict[str, list[Any]] = {"a": [0, 1, 0], "b": [1, 2, 2], "state": ["good", "bad", "unlike"]}
    columns |= {"before": [0.1, 0.2, 0.0], "after": [0.8, 0.3, 0.1]}
    found = Alignment(
        np.zeros((3, 2, 3)), np.zeros((3, 4, 4, 2)), (0.0, 0.0), 1.0, (0.0, 1.0), ((0.0, 0.0), (1.0, 1.0)), columns
    )
    ax = Figure().subplots()
    figures.pair_likeness(found, ax)
    shown = {one.get_label(): np.asarray(one.get_offsets()).tolist() for one in ax.collections}
    assert shown == {"good": [[0.5, 0.8]], "unlike": [[1.0, 0.1]], "bad": [[1.5, 0.3]]}
