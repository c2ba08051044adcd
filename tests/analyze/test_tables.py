"""Tables of measurements: what is taken as one, and statistics against scipy, scikit-learn and numbers of R's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats
from scipy.spatial.distance import cdist
from sklearn.datasets import load_iris

from ndlab.analyze import tables
from ndlab.analyze.tables.halving import tree_labels
from ndlab.analyze.tables.spread import bandwidth
from ndlab.annotations import Annotations, Synapse
from ndlab.errors import BadRequest, NotFound, TooLarge, Unsupported
from ndlab.graph import Graph

Array = np.ndarray[Any, Any]
BIG = 2**63 + 11


@pytest.fixture(scope="module")
def iris() -> Array:
    """Fisher's flowers, (150, 4) in cm."""
    return np.asarray(load_iris().data, np.float64)


# --- what is a table --------------------------------------------------------------------------------------------------


def test_frames_dicts_arrays_graphs_and_annotations_are_tables() -> None:
    frame = pd.DataFrame({"a": [1.5, None], "b": ["x", "y"], "c": pd.array([1, None], "Int64")})
    found = tables.table_of(frame, units={"a": "nm"})
    assert (found.numbers, found.words) == (["a", "c"], ["b"])
    assert found.columns.units["a"] == "nm"
    assert found.columns.column("c").kind == "int"
    assert found.ids.tolist() == [0, 1]
    assert tables.table_of(frame.set_index(pd.Index([7, 9], name="cell"))).ids.tolist() == [7, 9]
    assert tables.table_of({"a": np.arange(3), "b": list("xyz")}).words == ["b"]
    structured = np.array([(1, 0.5), (2, 1.5)], dtype=[("n", "i4"), ("x", "f8")])
    assert tables.table_of(structured).numbers == ["n", "x"]
    assert tables.table_of(np.zeros((4, 2))).numbers == ["column 0", "column 1"]
    graph = Graph.from_edges([BIG], [5], nodes={"kind": ["axon", None]}, ids=np.array([BIG, 5], np.uint64))
    nodes = tables.table_of(graph)
    assert nodes.ids.tolist() == [BIG, 5], "64 bits, exactly"
    assert nodes.id_name == "id"
    ann = Annotations.temporary()
    ann.add([Synapse(confidence=0.5), Synapse(confidence=0.75)])
    objects = tables.table_of(ann.where(kind="synapse"))
    assert objects.columns["confidence"].tolist() == [0.5, 0.75]
    grid = xr.Dataset({"v": (("x", "y"), np.arange(6.0).reshape(2, 3))})
    assert tables.table_of(grid).numbers == ["x", "y", "v"]
    assert tables.table_of(found) is found


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    frame = pd.DataFrame({"id": [BIG, 3], "x": [0.5, np.nan], "kind": ["a", "b, c"]}).astype({"id": "uint64"})
    paths = {ending: tmp_path / f"t{ending}" for ending in (".csv", ".tsv", ".parquet", ".json", ".txt")}
    frame.to_csv(paths[".csv"], index=False)
    frame.to_csv(paths[".tsv"], index=False, sep="\t")
    frame.to_csv(paths[".txt"], index=False, sep=";")
    frame.to_parquet(paths[".parquet"])
    frame.to_json(paths[".json"], orient="records")
    return paths


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".txt", ".parquet", ".json"])
def test_files_are_tables_and_their_separator_is_found(files: dict[str, Path], ending: str) -> None:
    found = tables.table_of(files[ending])
    assert (found.name, found.id_name) == ("t", "id")
    assert found.ids.tolist() == [BIG, 3]
    assert list(found.columns) == ["id", "x", "kind"]
    assert np.array_equal(found.columns["x"], [0.5, np.nan], equal_nan=True)
    assert found.columns["kind"].tolist() == ["a", "b, c"]


def test_how_a_file_is_read_can_be_said(tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    path.write_text("1|'a|b'|none\n2|'c'|4\n")
    found = tables.table_of(path, sep="|", header=None, names=["n", "w", "m"], quotechar="'", na_values=["none"])
    assert found.columns["w"].tolist() == ["a|b", "c"]
    assert np.array_equal(found.columns["m"], [np.nan, 4], equal_nan=True)
    written = tmp_path / "written.csv"
    pd.DataFrame({"x": [1, 2]}, index=[70, 80]).to_csv(written)
    assert tables.table_of(written).ids.tolist() == [70, 80], "an index that pandas wrote names the rows"


def test_kinds_can_be_said() -> None:
    found = tables.table_of({"n": [1, 2, 2], "w": ["1.5", "", None]}, kinds={"n": "category"})
    assert found.codes("n")[1] == ["2", "1"]
    text = tables.table_of({"w": ["1.5", "7", None]}, kinds={"w": "number"})
    assert np.array_equal(text.columns["w"], [1.5, 7, np.nan], equal_nan=True)
    moments = tables.table_of(
        {"t": pd.to_datetime(pd.Series(["1970-01-02", None])), "d": pd.to_timedelta([1, 2], "min")}
    )
    assert np.array_equal(moments.columns["t"], [86400, np.nan], equal_nan=True)
    assert moments.columns["d"].tolist() == [60, 120]


@pytest.mark.parametrize(
    ("data", "options", "words"),
    [
        ({"a": [1, 2], "b": [1]}, {}, "different lengths"),
        (5, {}, "a table of int"),
        ({"a": [1]}, {"id": "z"}, "'z' as ids"),
        ({"a": [1, None]}, {"id": "a"}, "1 rows have none"),
        ({"a": [0.5, 1]}, {"id": "a"}, "not whole"),
        ({"a": ["x"]}, {"kinds": {"a": "number"}}, "'x' is none"),
        ({"a": [1]}, {"kinds": {"a": "colour"}}, "colour"),
        ({"a": [1]}, {"units": {"b": "nm"}}, "units of b"),
        ({"a": [1]}, {"sep": ","}, "no text file"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), {}, "more than once"),
    ],
)
def test_what_is_no_table_is_refused(data: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        tables.table_of(data, **options)


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no such file"):
        tables.table_of(tmp_path / "none.csv")
    for name, text, words in (
        ("e.csv", "", "empty"),
        ("x.xls", "1", "ends in none"),
        ("r.csv", 'a,b\n1,"2\n', "r.csv"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(BadRequest, match=words):
            tables.table_of(tmp_path / name)


def test_classes_are_numbered_by_size_or_in_order() -> None:
    table = tables.table_of({"w": ["b", None, "b", "a"], "n": [3, 1, 3, 2], "t": [True, False, True, True]})
    assert [one.tolist() if isinstance(one, np.ndarray) else one for one in table.codes("w")] == [
        [0, -1, 0, 1],
        ["b", "a"],
    ]
    assert table.codes("n")[0].tolist() == [2, 0, 2, 1]
    assert table.codes("t")[1] == ["False", "True"]
    more = table.with_columns({"w": ["z"] * 4, "new": np.arange(4)})
    assert more.codes("w")[1] == ["z"]
    assert table.codes("w")[1] == ["b", "a"]


# --- matrices and spreads ---------------------------------------------------------------------------------------------


def test_missing_values_are_removed_kept_or_filled() -> None:
    table = tables.table_of({"a": [1.0, np.nan, 3.0, np.inf], "b": [1.0, 2.0, 3.0, 4.0], "c": [np.nan] * 4})
    removed = tables.matrix(table, ["a", "b"])
    assert (removed.rows.tolist(), removed.left_out) == ([0, 2], 2)
    kept = tables.matrix(table, ["a"], missing="keep")
    assert np.isnan(kept.values).sum() == 2, "an infinite value is none"
    filled = tables.matrix(table, ["a", "b"], missing="mean", rows=np.array([True, True, True, False]))
    assert (filled.values[1, 0], filled.filled) == (2.0, 1)
    for names, missing, words in (
        (["c"], "median", "no value at all"),
        (["c"], "remove", "none of 4"),
        (["z"], "keep", "z"),
    ):
        with pytest.raises(BadRequest, match=words):
            tables.matrix(table, names, missing=missing)


def test_scalings_are_those_of_scipy(iris: Array) -> None:
    assert tables.scaled(iris, "z") == pytest.approx(stats.zscore(iris, ddof=1))
    assert tables.scaled(iris, "rank") == pytest.approx(stats.rankdata(iris, axis=0) / 150)
    unit = tables.scaled(iris, "unit")
    assert (unit.min(axis=0).tolist(), unit.max(axis=0).tolist()) == ([0] * 4, [1] * 4)
    holes = iris.copy()
    holes[3, 1] = np.nan
    for how in ("z", "unit", "rank"):
        assert np.isnan(tables.scaled(holes, how)).sum() == 1
    assert tables.scaled([[5.0], [5.0]], "z").tolist() == [[0], [0]]
    assert np.isnan(tables.scaled([[np.nan], [np.nan]], "z")).all()


def test_densities_are_those_of_scipy_and_of_counts_where_there_are_many(iris: Array) -> None:
    at = np.linspace(4, 8, 50)
    kernel = stats.gaussian_kde(iris[:, 0])
    width = float(np.sqrt(kernel.covariance[0, 0]))
    assert tables.density(iris[:, 0], at, width) == pytest.approx(kernel(at))
    assert bandwidth(iris[:, 0]) == pytest.approx(0.2735831, abs=1e-6), "R: bw.nrd0(iris$Sepal.Length)"
    many = np.random.default_rng(0).normal(size=6000)
    at = np.linspace(-3, 3, 25)
    exact = np.mean(stats.norm.pdf((at[:, None] - many) / 0.2), axis=1) / 0.2
    assert tables.density(many, at, 0.2) == pytest.approx(exact, rel=1e-4)


def test_bins_hold_every_value(iris: Array) -> None:
    for column in (*iris.T, np.array([3.0]), np.array([1.0, 1.0]), np.arange(400.0), np.array([np.nan, 1, 2])):
        edges = tables.bin_edges(column)
        assert np.histogram(column[np.isfinite(column)], edges)[0].sum() == np.isfinite(column).sum()
    assert len(tables.bin_edges(iris[:, 0], 7)) == 8
    assert tables.bin_edges([]).tolist() == [0, 1]


def test_a_spread_is_that_of_numpy(iris: Array) -> None:
    found = tables.spread(np.append(iris[:, 1], np.nan))
    assert (found.count, found.quartiles, found.whiskers) == (150, (2.8, 3.0, 3.3), (2.2, 4.0))
    assert found.error == pytest.approx(stats.sem(iris[:, 1]))
    assert sorted(iris[found.outside, 1].tolist()) == [2.0, 4.1, 4.2, 4.4], "R: boxplot.stats(iris$Sepal.Width)$out"
    assert tables.spread([]).count == 0


# --- outliers, relations, projections ---------------------------------------------------------------------------------


def test_outliers_do_not_move_with_units_and_find_what_the_mean_hides() -> None:
    chance = np.random.default_rng(3)
    rows = chance.normal(size=(300, 3)) @ np.array([[1, 0.9, 0], [0, 0.3, 0], [0, 0, 5]])
    rows[:45] = chance.normal((4, -4, 0), 0.2, size=(45, 3))
    found = tables.outliers(rows, 0.999)
    assert found.is_outlier[:45].all()
    assert found.is_outlier[45:].mean() < 0.02
    assert (found.plain[:45] < found.cutoff).all(), "the plain mean and covariance follow them"
    again = tables.outliers(rows * [1e6, 1e-6, 1] + 5, 0.999)
    assert again.distance == pytest.approx(found.distance, rel=1e-6)
    assert found.cutoff == pytest.approx(np.sqrt(stats.chi2.ppf(0.999, 3)))


def test_robust_distances_are_mahalanobis_distances_of_the_stated_centre(iris: Array) -> None:
    found = tables.outliers(iris)
    expected = cdist(iris, found.center[None], "mahalanobis", VI=np.linalg.inv(found.covariance))[:, 0]
    assert found.distance == pytest.approx(expected)


@pytest.mark.parametrize(
    "rows", [np.ones((50, 2)), np.arange(8.0).reshape(4, 2), np.c_[np.arange(50.0), np.arange(50.0)]]
)
def test_no_robust_covariance_is_refused(rows: Array) -> None:
    with pytest.raises(BadRequest, match="robust covariance"):
        tables.outliers(rows)


def test_correlations_take_pairs_that_are_there(iris: Array) -> None:
    assert tables.correlation(iris) == pytest.approx(np.corrcoef(iris.T))
    assert tables.correlation(iris, "spearman") == pytest.approx(stats.spearmanr(iris).statistic)
    holes = iris.copy()
    holes[::3, 0] = np.nan
    whole = ~np.isnan(holes[:, 0])
    assert tables.correlation(holes)[0, 1] == pytest.approx(np.corrcoef(iris[whole, 0], iris[whole, 1])[0, 1])
    assert np.isnan(tables.correlation([[1.0, 2.0], [1.0, 3.0]])[0, 1])


def test_distances_are_those_of_scipy_and_few(iris: Array) -> None:
    for metric in ("euclidean", "cityblock", "chebyshev", "cosine", "correlation"):
        assert tables.distances(iris[:20], metric) == pytest.approx(cdist(iris[:20], iris[:20], metric), abs=1e-7)
    with pytest.raises(TooLarge):
        tables.distances(np.zeros((5001, 1)))


def test_components_rebuild_the_rows(iris: Array) -> None:
    found = tables.principal_components(iris)
    assert found.scores @ found.loadings.T + iris.mean(axis=0) == pytest.approx(iris)
    assert found.scores.var(axis=0, ddof=1) == pytest.approx(found.variances)
    assert tables.principal_components(iris[:3]).scores.shape == (3, 2), "no more than the rows span"


def test_a_map_keeps_neighbours_and_is_the_same_again(iris: Array) -> None:
    some = np.concatenate([iris[:25], iris[50:75]])
    found = tables.neighbour_map(some, neighbours=10, seed=4)
    assert np.array_equal(found, tables.neighbour_map(some, neighbours=10, seed=4))
    nearest = cdist(found, found)
    np.fill_diagonal(nearest, np.inf)
    assert ((nearest.argmin(axis=1) < 25) == (np.arange(50) < 25)).all()
    with pytest.raises(TooLarge):
        tables.neighbour_map(np.zeros((20_001, 2)))
    try:
        import umap  # noqa: F401
    except ModuleNotFoundError:
        with pytest.raises(Unsupported, match="umap-learn"):
            tables.neighbour_map(some, "umap")
    else:
        assert tables.neighbour_map(some, "umap", neighbours=5).shape == (50, 2)


# --- clusters ---------------------------------------------------------------------------------------------------------


def test_clusters_are_numbered_by_size_and_refused_where_there_are_too_few_rows(iris: Array) -> None:
    found = tables.kmeans(iris, 3)
    assert np.bincount(found.labels).tolist() == [62, 50, 38]
    for k in range(3):
        assert found.means[k] == pytest.approx(iris[found.labels == k].mean(axis=0))
    with pytest.raises(BadRequest, match="9 clusters"):
        tables.kmeans([[0.0], [1.0]], 9)
    curve = tables.within_curve(iris, 4)
    assert curve[0] == pytest.approx(((iris - iris.mean(axis=0)) ** 2).sum())
    assert (np.diff(curve) < 0).all()
    with pytest.raises(BadRequest):
        tables.merge_tree(iris, "widest")
    with pytest.raises(BadRequest):
        tables.merge_tree(iris).cut(0)
    with pytest.raises(TooLarge):
        tables.merge_tree(np.zeros((10_001, 1)))


@pytest.mark.parametrize("split", ["means", "mixture"])
def test_r84_the_tree_of_halves_finds_planted_clusters_and_stops(split: str) -> None:
    chance = np.random.default_rng(1)
    places = [(0, 0), (0, 12), (40, 0), (40, 12), (40, 30)]
    planted = np.repeat(np.arange(5), 60)
    rows = np.concatenate([chance.multivariate_normal(at, [[1, 0.6], [0.6, 1]], 60) for at in places])
    tree = tables.halving_tree(rows, split=split)
    labels = tree_labels(tree)
    assert len(tree.leaves) == 5
    assert len({(a, b) for a, b in zip(planted, labels, strict=True)}) == 5, "each leaf is one planted cluster"
    # The two sides first, then the clusters of each side.
    assert sorted(len(part.rows) for part in tree.parts) == [120, 180]
    assert all(leaf.gain <= 0 or np.isnan(leaf.gain) for leaf in tree.leaves), "no leaf is better as two"
    assert {one.name for one in tree} >= {"1", "1.1", "1.2", "1.1.1"}
    assert tree.depth == 3
    assert sum(len(leaf.rows) for leaf in tree.leaves) == 300


@pytest.mark.parametrize("split", ["means", "mixture"])
@pytest.mark.parametrize("width", [1, 4])
def test_r84_one_gaussian_is_left_whole(split: str, width: int) -> None:
    for seed in range(3):
        rows = np.random.default_rng(seed).normal(size=(200, width)) * np.arange(1, width + 1)
        assert len(tables.halving_tree(rows, split=split).leaves) == 1


def test_r84_edges_of_the_tree_of_halves() -> None:
    same = tables.halving_tree(np.ones((50, 2)))
    assert (len(same.leaves), repr(same)) == (1, "Branch 1 of 50 rows, 1 leaves")
    wide = np.concatenate([np.random.default_rng(0).normal(at, 1, (30, 40)) for at in (0, 20)])
    assert [len(leaf.rows) for leaf in tables.halving_tree(wide, least=5).leaves] == [30, 30], "more columns than rows"
    with pytest.raises(BadRequest):
        tables.halving_tree(wide, split="thirds")
