"""R83: every tab of the Vector Explorer on Fisher's flowers, with the numbers that are known of them.

Those are what R prints of ``iris``: ``prcomp``, ``cor``, ``kmeans``, ``hclust`` with ``cutree``, ``dist``, ``tapply``,
and mclust's VVV as the BIC of two Gaussians; R is not run here. Outliers are held against another start of
scikit-learn's.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.covariance import MinCovDet
from sklearn.datasets import load_iris

from ndlab import explore
from ndlab.analyze import tables
from ndlab.explore.table_plots import DRAWN, drawn
from ndlab.explore.table_plots.drawing import Drawn
from ndlab.explore.table_widget import TableView

NAMES = ["Sepal.Length", "Sepal.Width", "Petal.Length", "Petal.Width"]


def flowers() -> pd.DataFrame:
    data = load_iris()
    return pd.DataFrame(data.data, columns=NAMES).assign(Species=data.target_names[data.target])


@pytest.fixture(scope="module")
def view() -> Iterator[TableView]:
    found = explore.table(flowers(), classes="Species", units=dict.fromkeys(NAMES, "cm"))
    yield found
    found.close()


def tab(view: TableView, name: str, **options: Any) -> Drawn:
    """What a tab draws, with these options and the first ones for all others."""
    plain = TableView(view.table, {"classes": "Species", "features": NAMES, name: options})
    job = plain._job()
    plain.close()
    found = drawn(job, name)
    json = found.plain()
    assert json["item"]["doc"]["roots"], "it can be drawn"
    known = {one["id"] for one in _models(json["item"]["doc"])}
    assert {one["id"] for one in json["sources"]} <= known
    return found


def _models(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "id" in value:
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _models(one)


def test_r83_load_with_policies_for_what_is_missing(tmp_path: Path) -> None:
    frame = flowers()
    frame.loc[[3, 60], "Petal.Width"] = np.nan
    frame.to_csv(tmp_path / "iris.csv", index=False)
    view = explore.table(tmp_path / "iris.csv", classes="Species")
    assert {one["name"]: one["missing"] for one in view.facts}["Petal.Width"] == 2
    sizes = {}
    for missing in ("remove", "keep", "mean", "median"):
        view.set(missing=missing)
        found = view._job().matrix
        sizes[missing] = (len(found.rows), found.left_out, found.filled)
    assert sizes == {"remove": (148, 2, 0), "keep": (150, 0, 0), "mean": (150, 0, 2), "median": (150, 0, 2)}
    assert len(view._job().whole.rows) == 150
    view.close()


@pytest.mark.parametrize("scaling", ["raw", "z", "unit", "rank"])
def test_r83_heat_map(view: TableView, scaling: str) -> None:
    found = tab(view, "heat", scaling=scaling).facts
    values = tables.scaled(flowers()[NAMES].to_numpy(), scaling)
    columns = [NAMES.index(name) for name in found["columns"]]
    assert found["image"] == pytest.approx(values[found["order"]][:, columns])
    assert sorted(found["order"]) == list(range(150))
    # Ward's tree of raw values: R's hclust(dist(iris[1:4]), "ward.D2") has setosa in one branch.
    if scaling == "raw":
        assert set(found["order"][:50]) == set(range(50)) or set(found["order"][-50:]) == set(range(50))


def test_r83_a_heat_map_of_more_rows_than_are_drawn_holds_means(view: TableView) -> None:
    found = tab(view, "heat", scaling="raw", order="class", bins=50).facts
    assert found["image"].shape == (50, 4)
    assert found["image"][:, found["columns"].index("Petal.Width")].mean() == pytest.approx(1.199333, abs=1e-6)


def test_r83_histogram_and_density_by_class(view: TableView) -> None:
    found = tab(view, "spread", column="Sepal.Length", kind="histogram", bins=8).facts
    assert found["edges"] == pytest.approx(np.linspace(4.3, 7.9, 9))
    assert found["counts"].sum(axis=1).tolist() == [50, 50, 50]
    assert found["classes"] == ["setosa", "versicolor", "virginica"]
    means = [one.mean for one in found["spreads"]]
    assert means == pytest.approx([5.006, 5.936, 6.588]), "R: tapply(iris$Sepal.Length, iris$Species, mean)"
    assert [one.quartiles[1] for one in found["spreads"]] == pytest.approx([5.0, 5.9, 6.5])
    smooth = tab(view, "spread", column="Sepal.Length", kind="density")
    assert len(smooth.layout.renderers) == 6, "an area and a line a class"


def test_r83_boxes_violins_and_means_with_their_errors(view: TableView) -> None:
    for kind in ("box", "violin", "mean"):
        found = tab(view, "spread", kind=kind, all=True).facts["spreads"]
        petal = found["Petal.Length"]
        assert [one.quartiles for one in petal] == [(1.4, 1.5, pytest.approx(1.575)), (4.0, 4.35, pytest.approx(4.6)), (pytest.approx(5.1), 5.55, 5.875)]  # fmt: skip  # noqa: E501
        assert [one.error for one in petal] == pytest.approx([0.02455980, 0.06645545, 0.07804970], abs=1e-7)


def test_r83_robust_outliers_and_the_slider(view: TableView) -> None:
    loose = tab(view, "outliers", p=0.975)
    tight = tab(view, "outliers", p=0.999)
    assert (loose.facts["cutoff"], tight.facts["cutoff"]) == pytest.approx((3.338156, 4.297296), abs=1e-5)
    assert np.array_equal(loose.facts["distance"], tight.facts["distance"])
    assert loose.facts["is_outlier"].sum() > tight.facts["is_outlier"].sum() > 0
    furthest = [int(line[0]) for line in loose.tables[0].lines]
    other = MinCovDet(random_state=7).fit(load_iris().data)
    assert set(furthest[:3]) == set(np.argsort(other.dist_)[-3:].tolist())
    assert loose.derived["robust distance"][131] == pytest.approx(float(loose.tables[0].lines[0][1]), abs=0.005)


def test_r83_correlation_and_distance(view: TableView) -> None:
    found = tab(view, "relations", kind="pearson").facts["matrix"]
    assert found[0] == pytest.approx([1, -0.1175698, 0.8717538, 0.8179411], abs=1e-7)
    assert found[2, 3] == pytest.approx(0.9628654, abs=1e-7)
    ranks = tab(view, "relations", kind="spearman").facts["matrix"]
    assert ranks[0] == pytest.approx([1, -0.1667777, 0.8818981, 0.8342888], abs=1e-7)
    apart = tab(view, "relations", kind="distance", scaling="raw").facts["matrix"]
    assert (apart[0, 1], apart.max()) == pytest.approx((0.5385165, 7.0851958), abs=1e-7), "R: dist(iris[1:4])"
    scaled = tab(view, "relations", kind="distance", scaling="z").facts["matrix"]
    assert scaled[0, 1] == pytest.approx(1.1722914, abs=1e-6), "R: dist(scale(iris[1:4]))"


def test_r83_features_against_each_other(view: TableView) -> None:
    assert tab(view, "pairs", kind="pairs").facts["columns"] == NAMES
    counts = tab(view, "pairs", kind="hexbin").facts["counts"]
    assert len(counts) == 12
    assert {int(one.sum()) for one in counts.values()} == {150}, "each row is in one hexagon"
    means = tab(view, "pairs", kind="line", scaling="raw").facts["means"]
    assert means["setosa"] == pytest.approx([5.006, 3.428, 1.462, 0.246])


def test_r83_embedding_and_scree(view: TableView) -> None:
    raw = tab(view, "embedding", scaling="raw")
    found = raw.facts["components"]
    assert found.variances == pytest.approx([4.22824171, 0.24267075, 0.07820950, 0.02383509], abs=1e-7)
    assert np.abs(found.loadings[:, 0]) == pytest.approx([0.36138659, 0.08452251, 0.85667061, 0.35828920], abs=1e-7)
    assert found.elbow == 1
    z = tab(view, "embedding", scaling="z").facts["components"]
    assert np.sqrt(z.variances) == pytest.approx([1.7083611, 0.9560494, 0.3830886, 0.1439265], abs=1e-7)
    assert raw.derived["PC1"] == pytest.approx(found.scores[:, 0])
    places = tab(view, "embedding", method="tsne").facts["places"]
    assert places.shape == (150, 2)
    from sklearn.neighbors import NearestNeighbors

    near = NearestNeighbors(n_neighbors=2).fit(places).kneighbors(places)[1][:, 1]
    assert ((near < 50) == (np.arange(150) < 50)).all(), "setosa stands apart"


def test_r83_clusters(view: TableView) -> None:
    three = tab(view, "clusters", method="kmeans", k=3, scaling="raw")
    assert three.facts["within"] == pytest.approx(78.85144, abs=1e-5), "R: kmeans(iris[1:4], 3)$tot.withinss"
    assert np.bincount(three.facts["labels"]).tolist() == [62, 50, 38]
    assert three.facts["curve"][:2] == pytest.approx([681.3706, 152.34795], abs=1e-4)
    assert three.facts["ari"] == pytest.approx(0.7302383, abs=1e-6)
    two = tab(view, "clusters", method="mixture", scaling="raw").facts
    assert (two["k"], two["bic"][0], two["bic"][1]) == (2, pytest.approx(-829.9782, abs=1e-3), pytest.approx(-574.0178, abs=1e-3))  # fmt: skip  # noqa: E501
    for link, sizes in (("ward", [64, 50, 36]), ("average", [64, 50, 36]), ("complete", [72, 50, 28])):
        tree = tab(view, "clusters", method="tree", link=link, k=3, scaling="raw").facts
        assert np.bincount(tree["labels"]).tolist() == sizes, f"R: cutree(hclust(dist(iris[1:4]), {link}), 3)"
    halves = tab(view, "clusters", method="halving", split="mixture", scaling="raw").facts
    assert halves["k"] == 2, "mclust's best of 1 and 2, and no leaf is better as two"
    assert set(np.flatnonzero(halves["labels"] == 1)) == set(range(50))


def test_r84_the_report_is_one_page_that_needs_no_network(tmp_path: Path) -> None:
    # Few rows: what is looked at is the page, not the statistics.
    view = explore.table(flowers()[::3], classes="Species", features=NAMES[:3])
    page = view.report(tmp_path / "report.html").read_text(encoding="utf-8")
    view.close()
    text = page[page.index("</script>") :]
    for name in (*DRAWN, "columns"):
        assert f"<section id={name}>" in text
    assert all(f"<h2>{title}</h2>" in text for title in ("Heat map", "Outliers", "Clusters"))
    assert "src=" not in text.replace("data:", "")
    assert "cdn" not in text.lower()
    assert "50 rows, classes by Species" in text
    assert page.count("Bokeh Contributors") >= 1, "BokehJS is inside"
