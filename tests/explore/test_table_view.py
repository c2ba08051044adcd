"""The kernel's half of the Vector Explorer: what the page is sent, the state, the selection, and what is asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ndlab import explore
from ndlab.analyze.tables import table_of
from ndlab.errors import BadRequest, NdlabError, NotFound
from ndlab.explore import table_data, table_state
from ndlab.explore.table_job import Kept, Superseded
from ndlab.explore.table_options import TABS
from ndlab.explore.table_plots.source import bokeh_source, bokeh_version
from ndlab.explore.table_widget import TableView

BIG = 2**60
ROWS = 60


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Sixty synapses of three kinds, with ids that float64 does not hold."""
    chance = np.random.default_rng(0)
    kind = np.arange(ROWS) % 3
    return pd.DataFrame({
        "id": np.arange(ROWS, dtype=np.uint64) + np.uint64(BIG),
        "size": chance.normal(kind * 4, 1), "depth": chance.normal(size=ROWS),
        "count": (kind * 10 + np.arange(ROWS) % 5).astype(np.int64),
        "kind": np.array(["axon", "spine", "soma"])[kind],
        "gap": np.where(np.arange(ROWS) % 10 == 0, np.nan, chance.normal(size=ROWS)),
    })  # fmt: skip


@pytest.fixture
def view(frame: pd.DataFrame) -> Iterator[TableView]:
    found = explore.table(frame, classes="kind", units={"size": "nm²"})
    yield found
    found.close()


def values(view: TableView, name: str) -> Any:
    one = next(one for one in view.columns if one["name"] == name)
    return np.frombuffer(one["values"], "<" + one["dtype"]), one


def test_columns_reach_the_page_small_and_whole(view: TableView, frame: pd.DataFrame) -> None:
    assert (view.ids_kind, view.offers["id"], view.offers["count"]) == ("u8", "id", ROWS)
    assert np.array_equal(np.frombuffer(view.ids_bytes, "<u8"), frame["id"])
    assert np.array_equal(values(view, "size")[0], frame["size"])
    found, one = values(view, "count")
    assert (one["dtype"], found.tolist()) == ("i1", frame["count"].tolist())
    codes, kind = values(view, "kind")
    assert [kind["classes"][code] for code in codes] == frame["kind"].tolist()
    assert values(view, "id")[1]["dtype"] == "u8"
    facts = {one["name"]: one for one in view.facts}
    assert (facts["gap"]["missing"], facts["size"]["unit"], facts["id"]["kind"]) == (6, "nm²", "exact")
    assert facts["size"]["mean"] == pytest.approx(frame["size"].mean())


@pytest.mark.parametrize(
    ("given", "dtype"),
    [
        ([1, 200], "i2"), ([1, 70_000], "i4"), ([1, 2**40 + 1], "f8"), ([0.5, None], "f4"), ([0.1, None], "f8"),
        ([1, None], "f4"), (["a", None], "u1"), ([True, None], "u1"), ([2**60, 1], "i8"),
        ([str(i) for i in range(300)], "u2"), ([-np.inf, 1.0], "f4"),
    ],
)  # fmt: skip
def test_no_digit_is_lost_on_the_way(given: list[Any], dtype: str) -> None:
    table = table_of({"x": pd.Series(given, dtype="Int64") if type(given[0]) is int else given})
    facts, raw = table_data.column_bytes(table, "x")
    assert facts["dtype"] == dtype
    found = np.frombuffer(raw, "<" + dtype)
    if "classes" in facts:
        none = np.iinfo(found.dtype).max
        words = [None if code == none else facts["classes"][code] for code in found.tolist()]
        assert words == [None if one is None else str(one) for one in given]
    else:
        assert np.array_equal(found.astype(float), table.columns["x"].astype(float), equal_nan=True)


def test_a_column_that_did_not_go_with_the_opening_is_sent_when_it_is_asked_for(
    frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ndlab.explore.table_widget._WITH_OPENING", 500)
    view = explore.table(frame, classes="kind")
    assert [one["name"] for one in view.columns] == ["size", "depth", "kind", "id"]
    sent: list[Any] = []
    monkeypatch.setattr(view, "send", lambda message, buffers=None: sent.append((message, buffers)))
    view._hear({"t": "column", "name": "gap"})
    view._hear({"t": "column", "name": "no such"})
    view._hear({"t": "bokeh"})
    assert np.array_equal(np.frombuffer(sent[0][1][0], "<f8"), frame["gap"], equal_nan=True)
    assert (len(sent), sent[1][0]["version"]) == (2, bokeh_version())
    assert sent[1][1][0] == bokeh_source()
    assert b"root.Bokeh" in bokeh_source()
    view.close()


def test_the_selection_holds_ids_of_the_tables_own_kind(view: TableView) -> None:
    heard: list[Any] = []
    view.observe(lambda event: heard.append(event["new"].tolist()), "selected")
    view.selected = [BIG + 3, str(BIG + 1)]
    assert view.selected.dtype == np.uint64
    assert view.selected.tolist() == [BIG + 1, BIG + 3], "in the order of the table"
    assert np.flatnonzero(view.mask).tolist() == [1, 3]
    # As the page does it: bits, in a view of its message.
    view.set_state({"picked": memoryview(bytes([0b10000000, 1]))})
    assert view.selected.tolist() == [BIG + 7, BIG + 8]
    view.selected = []
    assert heard == [[BIG + 1, BIG + 3], [BIG + 7, BIG + 8], []]
    for wrong in ([5], ["axon"], [-1], [2**70]):
        with pytest.raises(NotFound, match="the rows"):
            view.selected = wrong
    assert len(view.selected) == 0


def test_text_ids_and_ids_of_several_rows() -> None:
    view = explore.table({"id": ["a", "b", "a"], "x": [1, 2, 3]})
    assert view.ids_kind == "text"
    view.selected = ["a"]
    assert view.mask.tolist() == [True, False, True]
    # The page may choose one of them; what is heard is the id, and the page is not overruled.
    view.set_state({"picked": bytes([1])})
    assert (view.selected.tolist(), view.mask.tolist()) == (["a"], [True, False, False])
    with pytest.raises(NotFound, match="c"):
        view.selected = ["a", "c"]
    view.close()
    plain = explore.table({"x": [1, 2]})
    plain.selected = [1]
    assert plain.selected.tolist() == [1]
    plain.close()


def test_a_snapshot_restores_state_and_selection(view: TableView, frame: pd.DataFrame) -> None:
    view.set(tab="columns", features=["size", "gap"], missing="median", sort={"by": "kind", "down": True},
             filters=[{"by": "size", "low": 0, "high": None, "text": ""}], view=[0, 1, -2, 2], heat={"scaling": "rank"},
             theme="dark", split=0.5)  # fmt: skip
    view.selected = [BIG + 9]
    kept = json.loads(json.dumps(view.snapshot()))
    again = explore.table(frame, state=kept)
    assert again.snapshot() == kept
    assert again.state == view.state
    assert again.state["heat"] == {"scaling": "rank", "order": "tree", "link": "ward", "bins": 250}
    assert repr(again) == "TableView of 60 rows, 6 columns, Columns, classes by kind, 1 selected"
    again.close()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"zoom": 2}, "zoom"), ({"tab": "pretty"}, "pretty"), ({"classes": "colour"}, "colour"),
        ({"features": ["kind"]}, "kind"), ({"features": "size"}, "a list"), ({"missing": "guess"}, "guess"),
        ({"sort": {"by": "size"}}, "by and down"), ({"filters": [{"low": 1}]}, "the filter"),
        ({"filters": [{"by": "size", "low": "a"}]}, "low"), ({"view": [1, 0, 0, 1]}, "view"), ({"view": [1]}, "view"),
        ({"heat": {"scaling": "log"}}, "log"), ({"heat": {"colour": 1}}, "colour"), ({"heat": 3}, "heat"),
        ({"clusters": {"k": "two"}}, "k"), ({"points": {"x": "kind"}}, "kind"), ({"theme": "pink"}, "pink"),
        ({"spread": {"all": 2}}, "all"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_and_changes_nothing(view: TableView, wrong: Any, words: str) -> None:
    before = dict(view.state)
    with pytest.raises(BadRequest, match=words):
        view.state = view.state | wrong
    assert view.state == before


def test_a_checked_state_is_checked_already() -> None:
    once = table_state.checked({"outliers": {"p": 7}, "clusters": {"k": 3.0}, "split": 2}, ["a", "b"], ["a"])
    assert table_state.checked(once, ["a", "b"], ["a"]) == once
    assert (once["outliers"]["p"], once["clusters"]["k"], once["split"]) == (0.9999, 3, 0.8)
    empty = table_state.checked({}, ["w"], [])
    assert (empty["features"], empty["points"]["x"]) == ([], "")


def test_filters_are_those_of_the_page(frame: pd.DataFrame) -> None:
    table = table_of(frame)

    def kept(by: str, low: float | None = None, high: float | None = None, text: str = "") -> list[int]:
        found = table_data.passing(table, [{"by": by, "low": low, "high": high, "text": text}])
        return [int(one) for one in np.flatnonzero(found)]

    assert kept("size", low=3.0) == np.flatnonzero(frame["size"] >= 3).tolist()
    assert kept("gap", high=0.0) == np.flatnonzero(frame["gap"] <= 0).tolist(), "what is missing passes none"
    assert kept("kind", text="S") == np.flatnonzero(frame["kind"].str.contains("s")).tolist()
    assert kept("kind", low=1.0) == []
    assert kept("", text=str(BIG + 7)) == [7]
    assert kept("count", text="24") == np.flatnonzero(frame["count"] == 24).tolist()


def test_every_tab_is_drawn_of_the_rows_that_pass(view: TableView) -> None:
    filters = [{"by": "kind", "low": None, "high": None, "text": "s"}]
    view.set(features=["size", "depth", "gap"], filters=filters)
    for tab in TABS:
        view.set(tab=tab)
        assert view.wait(120)
        if tab not in ("points", "columns"):
            assert view.plot["tab"] == tab
            assert view.status == {"busy": [], "trouble": ""}
            json.dumps(view.plot)
    made = {one["name"]: one for one in view.facts if "derived" in one}
    assert {"robust distance", "PC1", "PC2", "PC3", "cluster"} <= set(made)
    # 60 rows, of which 40 pass, of which 4 have a gap.
    assert made["PC1"]["missing"] == 60 - 36
    assert view.table.columns.column("cluster").missing is not None
    view.set(classes="cluster", points={"x": "PC1", "y": "PC2"})
    assert view.wait(60)
    number = view.plot["number"]
    view.set(view=[0, 1, 0, 1], points={"grow": 2.0})
    assert view.wait(60)
    assert view.plot["number"] == number, "a motion has nothing computed"


def test_what_cannot_be_computed_is_said_and_the_view_stays(view: TableView) -> None:
    view.set(tab="outliers", features=["size"], filters=[{"by": "size", "low": 1e9, "high": None, "text": ""}])
    with pytest.raises(BadRequest, match="none of 0 has"):
        view.wait(60)
    assert "none of 0 has" in view.status["trouble"]
    view.set(filters=[])
    assert view.wait(60)
    assert view.status == {"busy": [], "trouble": ""}
    # A report says it in the place of the tab.
    view.set(features=["size", "count"], filters=[{"by": "", "low": None, "high": None, "text": str(BIG + 1)}])
    with pytest.raises(NdlabError):
        view.wait(60)


def test_the_theme_alone_computes_nothing_anew(view: TableView, monkeypatch: pytest.MonkeyPatch) -> None:
    view.set(tab="clusters", features=["size", "depth"])
    assert view.wait(60)
    light = json.dumps(view.plot)
    monkeypatch.setattr("ndlab.explore.table_plots.clusters.kmeans", None)
    view.dark = True
    assert view.wait(60)
    assert "#14171b" in json.dumps(view.plot)
    assert "#14171b" not in light


def test_something_else_that_is_asked_for_stops_what_is_under_way(view: TableView) -> None:
    job = view._job(view._wanted)
    job.tell("going on")
    view.set(tab="columns")
    with pytest.raises(Superseded):
        job.tell("no more")
    assert view.wait(60)


def test_results_are_kept_a_while() -> None:
    kept, made = Kept(), []

    def make(value: int) -> int:
        made.append(value)
        return value

    for value in (1, 2, 1, *range(3, 15), 1):
        assert kept.get(str(value), lambda value=value: make(value)) == value  # type: ignore[misc]
    assert made.count(1) == 2, "forgotten after twelve others"


def test_a_table_without_numbers_or_rows_is_shown() -> None:
    for data in ({"w": ["a", "b"]}, {"x": np.zeros(0)}):
        view = explore.table(data, tab="columns")
        assert view.wait(60)
        view.close()


def test_the_larvas_3591_rows_and_105_columns(shared_data: Path) -> None:
    path = shared_data / "connectomes/drosophila_larva_brain/meta_data.csv"
    latent = [f"latent_{i}" for i in range(16)]
    view = explore.table(path, classes="hemisphere", features=latent)
    assert (len(view.table), len(view.facts) - 1) == (3591, 104)
    assert view.table.ids[:2].tolist() == [29, 37365], "the skeletons' own"
    for tab in ("heat", "relations", "pairs"):
        view.set(tab=tab)
        assert view.wait(120)
    assert view._job().matrix.left_out == 671
    view.close()
