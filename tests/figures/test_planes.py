"""Pictures: the right pixels, in true proportions, with stable colours."""

from __future__ import annotations

import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from ndlab import figures
from ndlab.errors import BadRequest
from ndlab.samples.toy import toy
from ndlab.volume import Volume


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


def test_a_plane_of_a_volume_plots_itself_with_axes_in_nanometres() -> None:
    """From where the view lies, not from 0; the axes given are the ones returned."""
    volume = Volume.from_array(np.arange(2 * 6 * 8, dtype="u1").reshape(2, 6, 8), (40, 4, 8), offset=(0, 100, 1000))
    ax = Figure().subplots()
    assert volume[1, 2:, 1:].plot(ax=ax) is ax
    assert tuple(ax.images[0].get_extent()) == (1008, 1064, 124, 108)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x [nm]", "y [nm]")
    assert np.array_equal(np.asarray(ax.images[0].get_array()), volume[1, 2:, 1:].read())
    (bar,) = ax.lines
    ends = np.asarray(bar.get_xdata(), dtype=float)
    assert np.ptp(ends) == pytest.approx(10)
    assert 1008 < ends.min() < ends.max() < 1064
    made = volume[:, 3].plot(bar=False)
    assert (made.get_xlabel(), made.get_ylabel(), len(made.lines)) == ("x [nm]", "z [nm]", 0)


def test_labels_plot_in_the_colours_of_their_ids() -> None:
    """Alone, and over an image."""
    labels = toy().volume("labels")
    alone, over = (
        labels[2].plot(ax=Figure().subplots()),
        toy().volume("image")[2].plot(Figure().subplots(), labels=labels[2]),
    )
    assert np.allclose(np.asarray(alone.images[0].get_array()), figures.label_colors(labels[2].read()))
    assert len(over.images) == 2


def test_a_volume_knows_its_plot_by_its_address_alone() -> None:
    """Nothing that draws is loaded before it draws."""
    code = (
        "import sys, numpy as np, ndlab\n"
        "vol = ndlab.Volume.from_array(np.zeros((2, 3, 4), 'u1'), (8, 8, 8))\n"
        "assert not {'matplotlib', 'ndlab.figures'} & set(sys.modules)\n"
        "import matplotlib; matplotlib.use('agg')\n"
        "print(vol[1].plot().get_xlabel())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "x [nm]", done.stderr


def test_a_checkerboard_takes_every_second_square_from_the_other() -> None:
    """Each scaled to its own greys, so that planes of other exposure still go on."""
    one = Volume.from_array(np.tile(np.arange(16, dtype="u1"), (2, 8, 1)), (40, 4, 8))
    other = Volume.from_array(3 * one.read() + 10, (40, 4, 8))
    ax = figures.checkerboard(one[0], other[0], Figure().subplots(), squares=4)
    shown = np.asarray(ax.images[0].get_array())
    alone = np.asarray(figures.checkerboard(one[0], one[0], Figure().subplots(), squares=4).images[0].get_array())
    assert np.allclose(shown, alone)
    flipped = Volume.from_array(one.read()[:, :, ::-1].copy(), (40, 4, 8))
    mixed = np.asarray(figures.checkerboard(one[0], flipped[0], Figure().subplots(), squares=4).images[0].get_array())
    assert np.allclose(mixed[:4, :4], alone[:4, :4])
    assert np.allclose(mixed[:4, 4:8], alone[:4, ::-1][:, 4:8])
    assert tuple(ax.images[0].get_extent()) == (0, 128, 32, 0)
    with pytest.raises(BadRequest, match="two planes of one extent"):
        figures.checkerboard(one[0], one[0, :4])
