"""The tools that build the site: links that are followed, pages that are rewritten, results that become a page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts.docs import links, notebooks, pages, reference, results

ROOT = Path(__file__).resolve().parent.parent


def site(folder: Path, body: str) -> Path:
    """A site of two pages, the first with a body."""
    folder.mkdir(exist_ok=True)
    (folder / "other.html").write_text('<h1 id="there">There</h1>')
    (folder / "picture.png").write_bytes(b"x")
    (folder / "index.html").write_text(f"<html><body>{body}</body></html>")
    return folder


def test_a_whole_site_has_nothing_wrong(tmp_path: Path) -> None:
    body = '<a href="other.html#there">x</a><a href="https://example.org">x</a><img src="picture.png"><a href="#">x</a>'
    assert links.wrong(site(tmp_path, body)) == []


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ('<a href="nowhere.html">x</a>', "leads nowhere"),
        ('<a href="other.html#elsewhere">x</a>', "names no place"),
        ('<img src="missing.png">', "is missing"),
        ('<script src="https://cdn.example.org/x.js"></script>', "comes from another host"),
        ('<link rel="stylesheet" href="//cdn.example.org/x.css">', "comes from another host"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, body: str, says: str) -> None:
    found = links.wrong(site(tmp_path, body))
    assert len(found) == 1
    assert says in found[0]


def test_links_lead_to_pages_of_the_site() -> None:
    def turned(text: str) -> str:
        return pages.rewritten(text, ROOT / "docs" / "how-to" / "serve.md", ROOT, Path("how-to/serve.md"))

    assert turned("[a](explore.md#look-at-a-graph)") == "[a](explore.md#look-at-a-graph)"
    assert turned("[a](README.md)") == "[a](index.md)"
    assert turned("[a](../../notebooks/00_start.ipynb)") == "[a](../tutorials/00_start.ipynb)"
    assert turned("[a](../../CHANGELOG.md)") == "[a](../changelog.md)"
    assert turned("[a](../../LICENSE)") == "`a`"
    assert turned("[a](https://example.org/x)") == "[a](https://example.org/x)"
    assert turned("[explore.md](explore.md)").startswith("[Look at a volume")


def test_every_saved_result_is_on_the_page_of_benchmarks() -> None:
    text = results.page(ROOT)
    for path in (ROOT / "bench" / "results").glob("*.json"):
        found = json.loads(path.read_text())
        assert f"## {path.stem}\n" in text
        short = [aim for aim in found.get("aims", ()) if not aim["met"]]
        section = text.partition(f"## {path.stem}\n")[2].partition("\n## ")[0]
        assert section.count("- **short**") == len(short)


def test_a_notebook_that_was_changed_or_failed_is_run_again(tmp_path: Path) -> None:
    cell = {"cell_type": "code", "source": "1 + 1", "execution_count": 1, "outputs": []}
    asked, ran = tmp_path / "asked.ipynb", tmp_path / "ran.ipynb"
    asked.write_text(json.dumps({"cells": [cell | {"execution_count": None}]}))

    def current(**change: object) -> bool:
        ran.write_text(json.dumps({"cells": [cell | change]}))
        return notebooks._is_current(asked, ran)

    assert current()
    assert not current(source="1 + 2")
    assert not current(execution_count=None)
    assert not current(outputs=[{"output_type": "error"}])
    ran.unlink()
    assert not notebooks._is_current(asked, ran)


def test_every_public_room_has_a_page_of_the_reference(tmp_path: Path) -> None:
    """What a person imports from the root is a room with a page, and a built site that lacks a name is found out."""
    import ndlab

    rooms = {f"ndlab.{name}" for name in ndlab._ROOMS}
    assert rooms <= set(reference.MODULES)
    assert {"open", "ingest", "dataset"} <= set(reference.names_of("ndlab"))
    (tmp_path / "reference").mkdir()
    (tmp_path / "reference" / "ndlab.html").write_text('<dt id="ndlab.open">')
    assert reference.missing(tmp_path, ["ndlab.open", "ndlab.ingest"]) == ["the reference lacks ndlab.ingest"]
