"""A figure on disk says what it was made from, in every format, and is the same whenever it is made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from ndlab import figures
from ndlab.errors import BadMetadata
from ndlab.pipeline import Lineage, describe
from ndlab.samples.toy import toy

TABLE = pd.DataFrame({"r": [1.0, 2.0, 3.0], "g": [0.5, 0.9, 1.0]})
LINEAGE = Lineage(
    "05_density: synapses (a \\ b) <µm> & \"c\"",
    {"points": describe(TABLE), "em": describe(toy().volume("image"))},
    {"bandwidth": 0.15, "name": "it's (nested) \\(parens\\)", "draws": [1, 2]},
    seed=7, code="abc", started="2026-01-02T03:04:05+00:00", seconds=1.5,
)  # fmt: skip


@pytest.fixture
def figure() -> Figure:
    made = Figure()
    figures.curves(TABLE, made.subplots(), x="r", y="g")
    return made


@pytest.mark.parametrize("kind", ["png", "pdf", "svg"])
def test_the_lineage_is_read_back_from_the_file(figure: Figure, tmp_path: Path, kind: str) -> None:
    figures.save(figure, tmp_path / "made", LINEAGE)
    found = figures.lineage_of(tmp_path / f"made.{kind}")
    assert found == LINEAGE
    assert found.environment["packages"]["ndlab"]


def test_a_picture_of_somebody_else_has_none(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((3, 3), "u1")).save(tmp_path / "other.png")
    with pytest.raises(BadMetadata, match="there is none inside"):
        figures.lineage_of(tmp_path / "other.png")


@pytest.mark.parametrize("kind", ["png", "pdf", "svg", "csv"])
def test_the_same_figure_is_the_same_file(tmp_path: Path, kind: str) -> None:
    """Its lineage has the only date in it."""
    for name in ("one", "two"):
        made = Figure()
        figures.curves(TABLE, made.subplots(), x="r", y="g")
        figures.save(made, tmp_path / name / "g", LINEAGE)
    name = "g-A.csv" if kind == "csv" else f"g.{kind}"
    assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_pictures_are_at_paper_size(figure: Figure, tmp_path: Path) -> None:
    """300 dots an inch; vector where it is not PNG."""
    figure.set_size_inches(3, 2)
    figures.save(figure, tmp_path / "g")
    with Image.open(tmp_path / "g.png") as picture:
        width, height = picture.size
    assert 2.5 * 300 < width < 3.2 * 300
    assert 1.5 * 300 < height < 2.2 * 300
    assert (tmp_path / "g.pdf").read_bytes().startswith(b"%PDF")
    assert "<path" in (tmp_path / "g.svg").read_text()
