"""The report of `ndlab paper`: a right number passes, a wrong one fails, nothing passes unseen."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import nbformat
import pytest

from ndlab.errors import BadRequest, NotFound
from ndlab.paper import Number, Results, notebooks_folder, run
from ndlab.paper.results import difference


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
