"""The report of `ndlab paper`: a right number passes, a wrong one fails, nothing passes unseen."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import re
from pathlib import Path

import nbformat
import pandas as pd
import pytest

import ndlab
from ndlab import cli
from ndlab.errors import BadRequest, NotFound
from ndlab.figures import lineage_of
from ndlab.paper import Number, Results, notebooks_folder, run
from ndlab.paper.bar import Bar
from ndlab.paper.results import difference
from ndlab.paper.throughput import measure
from ndlab.pipeline import describe
from ndlab.samples import founding_throughput, kasthuri_sasd
from ndlab.samples.shipped import DATA
from ndlab.volume import open as open_volume


def write_notebook(folder: Path, name: str, *cells: str) -> None:
    """Save a notebook of code cells."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    nbformat.write(notebook, folder / f"{name}.ipynb")


GOOD = """
from ndlab.paper import Results
results = Results("{name}", "A title with <angle> brackets")
results.number("synapses", 1700, published=1700, source="Kasthuri 2015")
"""


def test_a_number_is_held_against_what_is_expected_within_its_tolerance() -> None:
    """Exact by default, by tolerance where one is given."""
    assert Number("n", 10, 10, 10).ok
    assert not Number("n", 10.001, 10, 10).ok
    assert Number("n", 10.001, 10, 10, atol=0.01).ok
    assert Number("n", 101, 100, 100, rtol=0.01).ok
    assert not Number("n", 102.5, 100, 100, rtol=0.01).ok
    assert not Number("n", float("nan"), 100, 100, rtol=1).ok


def test_differences_read_well() -> None:
    """The sign, the size and the share; a dash where nothing was published."""
    assert difference(Number("n", 5, 5, 5)) == "0"
    assert difference(Number("n", 5, None, 5)) == "—"
    assert difference(Number("n", 103, 100, 103)) == "+3 (+3.00%)"
    assert difference(Number("n", 1, 0, 1)) == "+1"


def test_check_lists_every_number_that_is_off() -> None:
    """All of them, not the first."""
    results = Results("x", "X")
    results.number("good", 1, published=1)
    results.number("bad", 2, published=3)
    results.number("worse", 4, published=5)
    with pytest.raises(AssertionError, match="bad: 2, expected 3; worse: 4, expected 5"):
        results.check()


def test_a_number_without_anything_to_hold_it_against_is_refused() -> None:
    """Else it could not fail."""
    with pytest.raises(BadRequest, match="nothing to be held against"):
        Results("x", "X").number("n", 1)


def test_expecting_something_else_than_published_needs_a_reason() -> None:
    """The report shows the reason beside the number."""
    results = Results("x", "X")
    with pytest.raises(BadRequest, match="say why with note="):
        results.number("axons", 1423, published=1407, expected=1423)
    assert results.number("axons", 1423, published=1407, expected=1423, note="counts pieces") == 1423
    assert "counts pieces" in results._repr_html_()


def test_a_good_notebook_makes_a_page_that_needs_nothing_else(tmp_path: Path) -> None:
    """Numbers, figure and caption are inside; no address is outside."""
    figure = """
import matplotlib.pyplot as plt
fig, ax = plt.subplots(); ax.plot([1, 2])
results.figure(fig, "Figure 1", "A line & more")
"""
    write_notebook(tmp_path, "00_good", GOOD.format(name="00_good"), figure)
    assert run(tmp_path / "out", notebooks=tmp_path, quiet=True) == 0
    page = (tmp_path / "out" / "report.html").read_text()
    assert "1,700" in page
    assert "A title with &lt;angle&gt; brackets" in page
    assert "A line &amp; more" in page
    picture = re.search(r"src='data:image/png;base64,([^']+)'", page)
    assert picture is not None
    assert base64.b64decode(picture[1]).startswith(b"\x89PNG")
    assert not re.search(r"(?:src|href)=['\"](?!data:|figures/|tables/|#)", page)
    for address in re.findall(r"href='((?:figures|tables)/[^']*)'", page):
        assert (tmp_path / "out" / address).is_file()
    summary = json.loads((tmp_path / "out" / "numbers.json").read_text())
    assert summary[0]["ok"]
    assert summary[0]["numbers"][0]["published"] == 1700


def test_a_wrong_number_a_raising_cell_and_a_silent_notebook_each_fail(tmp_path: Path) -> None:
    """All notebooks run all the same, and the exit status says that something is off."""
    write_notebook(tmp_path, "00_wrong", GOOD.format(name="00_wrong").replace("1700, pub", "1699, pub"))
    write_notebook(tmp_path, "01_raises", GOOD.format(name="01_raises"), "raise ValueError('the reason')")
    write_notebook(tmp_path, "02_silent", "x = 1")
    write_notebook(tmp_path, "03_good", GOOD.format(name="03_good"))
    assert run(tmp_path / "out", notebooks=tmp_path, quiet=True) == 1
    summary = {s["notebook"]: s for s in json.loads((tmp_path / "out" / "numbers.json").read_text())}
    assert [s["ok"] for s in summary.values()] == [False, False, False, True]
    assert "the reason" in summary["01_raises"]["error"]
    assert "no number" in summary["02_silent"]["error"]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "✗ off" in page
    assert "3 notebook(s) failed: 00_wrong, 01_raises, 02_silent" in page


def test_a_section_without_its_data_is_shown_as_not_run(tmp_path: Path) -> None:
    """With the data folder the same section runs."""
    cell = """
if results.data is None:
    results.skip("voxels", needs="DIR with the volume")
else:
    results.number("files", len(list(results.data.iterdir())), expected=1)
"""
    write_notebook(tmp_path, "00_more", GOOD.format(name="00_more"), cell)
    assert run(tmp_path / "out", notebooks=tmp_path, quiet=True) == 0
    assert "voxels: not run: needs DIR with the volume" in (tmp_path / "out" / "report.html").read_text()
    data = tmp_path / "data"
    data.mkdir()
    (data / "one").touch()
    assert run(tmp_path / "out", notebooks=tmp_path, data=data, quiet=True) == 0
    assert "not run" not in (tmp_path / "out" / "report.html").read_text()


CLAIM = """
results.claim("1a", "How <large>?", method="voxels", published={"paper": "64,000"}, ours="285,975", verdict="differs",
              why="a typo & more")
"""


def test_a_claim_is_a_row_of_the_report(tmp_path: Path) -> None:
    """With both sides, verdict and reason; escaped; and in the JSON, too."""
    write_notebook(tmp_path, "00_claim", GOOD.format(name="00_claim"), CLAIM)
    assert run(tmp_path / "out", notebooks=tmp_path, quiet=True) == 0
    page = (tmp_path / "out" / "report.html").read_text()
    for words in ("How &lt;large&gt;?", "64,000", "285,975", "a typo &amp; more", "class='differs'>differs"):
        assert words in page
    summary = json.loads((tmp_path / "out" / "numbers.json").read_text())
    assert summary[0]["claims"][0]["published"] == {"paper": "64,000"}


def test_a_claim_comes_back_from_json_and_shows_in_the_notebook() -> None:
    """Above the numbers."""
    results = Results("x", "X")
    results.claim("3", "How many?", method="rows", published={"paper": "1700"}, ours="1700", verdict="reproduced")
    again = Results.from_dict(json.loads(json.dumps(results.to_dict())))
    assert again.claims == results.claims
    assert "How many?" in again._repr_html_()


def test_a_claim_that_is_not_reproduced_needs_a_reason() -> None:
    """And a verdict is one of three."""
    plain = {"method": "", "published": {}, "ours": ""}
    with pytest.raises(BadRequest, match="say why with why="):
        Results("x", "X").claim("1", "?", verdict="differs", **plain)  # type: ignore[arg-type]
    with pytest.raises(BadRequest, match="reproduced, differs, not available"):
        Results("x", "X").claim("1", "?", verdict="right", **plain)  # type: ignore[arg-type]


def test_wrong_arguments_say_what_there_is(tmp_path: Path) -> None:
    """Before anything runs."""
    write_notebook(tmp_path, "00_one", "1")
    with pytest.raises(BadRequest, match="00_one"):
        run(tmp_path / "out", notebooks=tmp_path, only=["two"])
    with pytest.raises(NotFound, match="is not a folder"):
        run(tmp_path / "out", notebooks=tmp_path, data=tmp_path / "absent")


def test_the_shipped_notebooks_are_found_and_carry_no_output() -> None:
    """Outputs belong to the report; in the repository they would only go stale."""
    paths = sorted(notebooks_folder().glob("*.ipynb"))
    assert [p.stem for p in paths][:2] == ["00_start", "01_connectome"]
    for path in paths:
        for cell in nbformat.read(path, as_version=4).cells:
            assert cell.cell_type != "code" or (not cell.outputs and cell.execution_count is None), path


FIGURE = """
import matplotlib.pyplot as plt
from ndlab import figures, samples
table = samples.kasthuri_sasd()
with figures.style():
    fig, axes = plt.subplots(1, 3)
    axes[0].imshow([[1.0, 2.0], [3.0, 4.0]])
    figures.points(table, axes[1], x="spine_volume_vx", y="psd_px")
    axes[2].plot([1, 2, 3], [2.5, 3.5, 5.0], label="by hand")
    figures.letter(axes)
results.figure(fig, "Pairs & spines", "Three panels", inputs={"table": table}, params={"bins": 4}, seed=3)
"""


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a notebook with one figure of three panels."""
    folder = tmp_path_factory.mktemp("paper")
    write_notebook(folder, "00_pairs", GOOD.format(name="00_pairs"), FIGURE)
    assert run(folder / "out", notebooks=folder, bench=True, quiet=True) == 0
    return folder / "out"


def test_every_panel_has_its_table_beside_the_figure(paper: Path) -> None:
    """As CSV and Parquet with the same rows, whether it was drawn with a table or by hand; the page links all files."""
    assert sorted(path.name for path in (paper / "figures").iterdir()) == [
        f"00_pairs-pairs-spines.{kind}" for kind in ("pdf", "png", "svg")
    ]
    names = [f"00_pairs-pairs-spines-{panel}.{kind}" for panel in "ABC" for kind in ("csv", "parquet")]
    assert sorted(path.name for path in (paper / "tables").iterdir()) == names
    pairs = pd.read_csv(paper / "tables" / names[2])
    assert pairs.equals(kasthuri_sasd())
    by_hand = pd.read_parquet(paper / "tables" / names[5])
    assert by_hand[["series", "x", "y"]].to_numpy().tolist() == [
        ["by hand", 1, 2.5], ["by hand", 2, 3.5], ["by hand", 3, 5.0],
    ]  # fmt: skip
    page = (paper / "report.html").read_text()
    linked = re.findall(r"href='((?:figures|tables)/[^']*)'", page)
    assert sorted(Path(one).name for one in linked) == sorted(path.name for path in paper.glob("*s/*-pairs-spines*"))


@pytest.mark.parametrize("kind", ["png", "pdf", "svg"])
def test_a_figure_says_what_it_was_made_from(paper: Path, kind: str) -> None:
    """The sample with a digest of its bytes, the table that was passed, parameters, seed, code and when."""
    found = lineage_of(paper / "figures" / f"00_pairs-pairs-spines.{kind}")
    assert found.made_by == "00_pairs: Pairs & spines"
    shipped = (DATA / "kasthuri2015" / "sasd.csv").read_bytes()
    assert found.inputs["kasthuri2015/sasd.csv"]["blake2b"] == hashlib.blake2b(shipped, digest_size=16).hexdigest()
    assert found.inputs["table"] == describe(kasthuri_sasd())
    assert (found.params, found.seed) == ({"bins": 4}, 3)
    assert found.code is not None
    assert found.started.endswith("+00:00")
    assert found.environment["packages"]["ndlab"] == ndlab.__version__
    page = html.unescape((paper / "report.html").read_text())
    assert str(found) in page


def test_the_page_says_time_memory_and_tables_1(paper: Path) -> None:
    """Each notebook's peak memory is its own kernel's, and every row of Tables 1A to 1C is there."""
    (summary,) = json.loads((paper / "numbers.json").read_text())
    assert 30e6 < summary["peak_bytes"] < 2e9
    page = html.unescape((paper / "report.html").read_text())
    assert re.search(r"00_pairs, \d+ s, [\d.]+ [MG]B at most", page)
    for row in ndlab.datasets():
        if row.table != "public":
            assert f"<td>{row.name}</td>" in page, row.name


def test_a_notebook_knows_whether_the_machine_is_to_be_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `ndlab paper --bench` tells it."""
    cell = "results.number('measured', int(results.bench), expected={})"
    write_notebook(tmp_path, "00_bench", GOOD.format(name="00_bench"), cell.format(1))
    monkeypatch.delenv("NDLAB_PAPER_BENCH", raising=False)
    assert cli.main(["paper", "--out", str(tmp_path / "out"), "--notebooks", str(tmp_path), "--bench", "--quiet"]) == 0
    assert cli.main(["paper", "--out", str(tmp_path / "out"), "--notebooks", str(tmp_path), "--quiet"]) == 1


def test_this_machine_is_measured_in_the_columns_of_the_founding_numbers(tmp_path: Path) -> None:
    """Each panel has numbers; none is asserted, for other work shows in them."""
    found, published = measure(tmp_path, threads=(1, 2), megabytes=(0.25, 1)), founding_throughput()
    assert list(found) == list(published)
    assert set(found.panel) == {*published.panel, "graphs"}
    assert (found.value > 0).all()
    assert found.groupby("panel").unit.nunique().eq(1).all()
    read = found[found.panel == "read"]
    assert read[["threads", "mb_per_thread"]].to_numpy().tolist() == [[1, 0.25], [1, 1], [2, 0.25], [2, 1]]
    written = open_volume(str(tmp_path / "written.ome.zarr"))
    assert written[:, :128, :128].read().any()


def test_the_founding_numbers_are_those_of_its_files() -> None:
    """Medians at corners of the tables, and how many there are."""
    table = founding_throughput()
    assert table.groupby("panel").size().to_dict() == {"annotate": 15, "read": 78, "tiles": 5, "write": 78}
    by = table.set_index(["panel", "threads", "mb_per_thread"]).value.sort_index()
    assert by["read", 1, 0.25].item() == 22
    assert by["read", 32, 1024.0].item() == 3842
    assert by["write", 16, 64.0].item() == 1162
    assert by["write", 4, 1024.0].item() == 352


class Terminal(io.StringIO):
    """Where somebody looks."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def test_a_bar_counts_the_cells_where_somebody_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells of text are not counted; lines stand above the bar."""
    write_notebook(tmp_path, "00_one", "1", "2", "3")
    write_notebook(tmp_path, "01_two", "4")
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    cell, text = nbformat.v4.new_code_cell("1"), nbformat.v4.new_markdown_cell("words")
    with Bar(sorted(tmp_path.glob("*.ipynb")), quiet=False) as bar:
        bar.say("[1/2] 00_one ...")
        for number, one in enumerate((cell, text, cell)):
            bar.cell(one, number, {})
        assert bar.done == 2
    assert "0/4" in screen.getvalue()
    assert "[1/2] 00_one ...\n" in screen.getvalue()


def test_without_a_terminal_there_is_a_line_a_notebook_and_quiet_means_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for quiet, said in ((False, "[1/1] 00_one ...\n"), (True, "")):
        pipe = io.StringIO()
        monkeypatch.setattr("sys.stderr", pipe)
        with Bar([], quiet) as bar:
            bar.say("[1/1] 00_one ...")
            bar.cell(nbformat.v4.new_code_cell("1"), 0, {})
        assert pipe.getvalue() == said
