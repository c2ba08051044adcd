"""The table of a panel is what the panel draws: enough to draw it again, whoever drew it first."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from ndlab import analyze, figures
from ndlab.analyze.permutation import judged
from ndlab.analyze.point_patterns import Envelope
from ndlab.errors import BadRequest
from ndlab.graph import Graph
from ndlab.samples.toy import toy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RNG = np.random.default_rng(0)
R = np.linspace(0.1, 2, 7)
TOUCHES = pd.DataFrame({"site": [1, 1, 2, 2, 3, 3], "axon": [8, 9, 8, 9, 7, 9], "target": [5, 5, 5, 5, 6, 6]})
GRAPH = Graph.from_edges([1, 2, 3, 4, 5], [2, 3, 1, 5, 4], edges={"weight": [3, 1, 2, 1, 5]})
BLOCKS = analyze.BlockCounts(
    RNG.integers(0, 9, 60), np.full(60, 2.0), np.argwhere(np.ones((3, 4, 5), int)),
    np.argwhere(np.ones((3, 4, 5), int)) * 1.5, 2.0,
)  # fmt: skip
RATES = pd.DataFrame({"MB": [1, 2, 1, 2], "rate": [3.0, 5, 4, 7], "threads": [1, 1, 2, 2]})

RESULTS: dict[str, Callable[[Any], Axes]] = {
    "touch_curve": lambda ax: figures.touch_curve(
        analyze.peters_rule(TOUCHES, TOUCHES.iloc[[0, 2, 5]], draws=50, most_touches=2), ax
    ),
    "null": lambda ax: figures.null(judged("pairs", 7.0, RNG.integers(0, 6, 200).astype(float)), ax),
    "envelope_curve": lambda ax: figures.envelope_curve(Envelope(R, R**2, R**2 - 0.1, R**2 + 0.1, R**2, 0.5, 0.95), ax),
    "profile": lambda ax: figures.profile(BLOCKS.profile("y", tile_um=1.5, draws=20), ax),
    "correlogram": lambda ax: figures.correlogram(BLOCKS.correlogram(2), ax),
    "histogram": lambda ax: figures.histogram(RNG.normal(size=100), ax, bins=9),
    "bars": lambda ax: figures.bars(RATES.iloc[:2], ax, x="MB", y="rate"),
    "degrees": lambda ax: figures.degrees({"axons": [1, 1, 2, 5], "dendrites": [3, 3]}, ax),
    "curves": lambda ax: figures.curves(RATES, ax, x="MB", y="rate", by="threads"),
    "points": lambda ax: figures.points(RATES, ax, x="MB", y="rate", by="threads", size="rate"),
    "adjacency": lambda ax: figures.adjacency(GRAPH, [0, 0, 0, 1, 1], ax, weight="weight"),
    "laid_out": lambda ax: figures.laid_out(GRAPH, RNG.normal(size=(5, 2)), ax),
}


def numbers_drawn(ax: Axes) -> np.ndarray[Any, Any]:
    """Return every y of every mark, read from the artists, and of bars their height."""
    from ndlab.figures.panels import _bars, _collections, _lines

    parts = [part for part in (*_lines(ax), *_bars(ax), *_collections(ax)) if part["mark"] not in ("rule", "area")]
    found = np.concatenate([np.asarray(part["y"], float).ravel() for part in parts])
    known: np.ndarray[Any, Any] = found[np.isfinite(found)]
    return known


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_draws_nothing_that_its_table_lacks(name: str) -> None:
    """Each mark's y is a number of the table, or (caps of error bars apart) none is drawn."""
    ax = Figure().subplots()
    assert RESULTS[name](ax) is ax
    table = figures.table_of(ax)
    assert table is not None
    known = np.concatenate([table[c].to_numpy(float) for c in table if table[c].dtype.kind in "iuf"])
    drawn = numbers_drawn(ax)
    assert len(drawn)
    assert np.isclose(drawn[:, None], known[None]).any(axis=1).all()


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_without_axes_makes_its_own(name: str) -> None:
    made = RESULTS[name](None)
    assert made.figure is not None
    assert figures.table_of(made) is not None


@pytest.mark.parametrize("name", ["null", "correlogram", "degrees", "curves", "histogram"])
def test_a_panel_is_drawn_again_from_its_csv_alone(name: str, tmp_path: Any) -> None:
    """The marks of the second drawing are those of the first."""
    first, again = Figure().subplots(), Figure().subplots()
    RESULTS[name](first)
    files = figures.save(first.figure, tmp_path / "figure")  # type: ignore[arg-type]
    csv = next(file for file in files if file.suffix == ".csv")
    table = pd.read_csv(csv)
    pd.testing.assert_frame_equal(table, pd.read_parquet(csv.with_suffix(".parquet")), check_dtype=False)
    if name == "null":
        drawn = table[table.mark == "drawn"]
        again.bar(drawn.value, drawn.share, width=1.0)
        again.axvline(table.value[table.mark == "observed"].iloc[0])
    elif name == "histogram":
        again.bar(table["from"], table["count"], width=table["to"] - table["from"], align="edge")
    elif name == "correlogram":
        again.plot(table.distance_um, table.correlation)
    else:
        x, y, by = ("degree", "share", "series") if name == "degrees" else ("MB", "rate", "threads")
        for _, some in table.groupby(by, sort=False):
            again.plot(some[x], some[y])
    for one, other in zip(first.lines, again.lines, strict=False):
        np.testing.assert_allclose(np.asarray(one.get_data(), float), np.asarray(other.get_data(), float))
    np.testing.assert_allclose(boxes(first), boxes(again))


def boxes(ax: Axes) -> np.ndarray[Any, Any]:
    """Return left, bottom, width and height of each bar."""
    bars: list[Any] = list(ax.patches)
    return np.array([patch.get_bbox().bounds for patch in bars])


def test_what_others_drew_is_read_back() -> None:
    """Lines, rules, bars, points, segments and cells, with their names and places."""
    ax = Figure().subplots()
    ax.plot([1, 2, 3], [4, 5, 6], label="rising")
    ax.axhline(0.5)
    ax.axvline(7)
    ax.bar([10, 20], [3, 4], width=2, label="counts")
    ax.barh([6.0], [2.5], height=0.5, label="lying")
    ax.scatter([1, 2], [8, 9], s=[5, 6], label="spots")
    ax.vlines([30], 0, 2)
    table = figures.table_of(ax)
    assert table is not None
    assert set(table.mark) == {"line", "rule", "bar", "point", "segment"}
    line = table[table.series == "rising"]
    assert (line.x.tolist(), line.y.tolist()) == ([1, 2, 3], [4, 5, 6])
    rules = table[table.mark == "rule"]
    assert (rules.x.dropna().tolist(), rules.y.dropna().tolist()) == ([7], [0.5])
    bars = table[table.series == "lying"]
    assert bars[["x", "y", "width"]].to_numpy().tolist() == [[2.5, 6, 0.5]]
    bars = table[table.series == "counts"]
    assert (bars.x.tolist(), bars.y.tolist(), bars.width.tolist()) == ([10, 20], [3, 4], [2, 2])
    assert table[table.series == "spots"]["size"].tolist() == [5, 6]


def test_cells_of_an_image_stand_where_it_draws_them() -> None:
    ax = Figure().subplots()
    ax.imshow(np.array([[1.0, 2.0, np.nan], [4.0, 5.0, 6.0]]), extent=(0, 30, 20, 0))
    table = figures.table_of(ax)
    assert table is not None
    assert table[["x", "y", "value"]].to_numpy().tolist() == [
        [5, 5, 1], [15, 5, 2], [5, 15, 4], [15, 15, 5], [25, 15, 6],
    ]  # fmt: skip


def test_tables_go_by_the_letters_and_pictures_have_none() -> None:
    figure = Figure()
    axes = figure.subplots(1, 3)
    figures.plane(toy().volume("image")[2], axes[0])
    image = axes[1].imshow(np.eye(3))
    figure.colorbar(image, ax=axes[1])
    figures.curves(RATES, axes[2], x="MB", y="rate")
    figures.letter(axes)
    found = figures.tables(figure)
    assert list(found) == ["B", "C"]
    assert found["C"] is not None
    assert len(found["B"]) == 9
    assert found["C"].equals(RATES)


def test_two_drawings_in_one_panel_are_one_table() -> None:
    ax = Figure().subplots()
    for label in ("A", "B"):
        figures.null(judged("pairs", 7.0, np.array([1.0, 2, 2])), ax, label)
    table = figures.table_of(ax)
    assert table is not None
    assert table.groupby("series").size().to_dict() == {"A": 3, "B": 3}


def test_a_matrix_by_community_holds_the_edges_of_the_graph() -> None:
    """Placed by community, the largest first; every edge is one mark."""
    table = figures.table_of(figures.adjacency(GRAPH, [7, 7, 3, 3, 3], Figure().subplots(), weight="weight"))
    assert table is not None
    assert sorted(zip(table.source, table.target, table.weight, strict=True)) == sorted(
        zip(map(str, GRAPH.ids[GRAPH.source]), map(str, GRAPH.ids[GRAPH.target]), GRAPH.edges["weight"], strict=True)
    )
    assert table.source_community[table.source.isin(["3", "4", "5"])].eq(0).all()
    assert table.row[table.source.isin(["3", "4", "5"])].max() == 2
    with pytest.raises(BadRequest, match="2 communities of 5 nodes"):
        figures.adjacency(GRAPH, [1, 2])


def test_graphs_of_networkx_are_laid_out_the_same() -> None:
    places = RNG.normal(size=(5, 2))
    ours = figures.table_of(figures.laid_out(GRAPH, places, Figure().subplots()))
    theirs = figures.table_of(
        figures.laid_out(GRAPH.to_networkx(), dict(zip(GRAPH.ids.tolist(), places, strict=True)), Figure().subplots())
    )
    assert ours is not None
    assert theirs is not None
    columns = ["x", "y", "x_end", "y_end", "weight"]
    one, other = (one[one.mark == "edge"][columns].sort_values(columns).to_numpy(float) for one in (ours, theirs))
    np.testing.assert_allclose(one, other)
    assert nx.is_directed(GRAPH.to_networkx())


def test_a_figure_by_a_column_that_is_not_there_is_refused() -> None:
    with pytest.raises(BadRequest, match="the columns are MB, rate, threads"):
        figures.curves(RATES, Figure().subplots(), x="MB", y="rate", by="cores")
