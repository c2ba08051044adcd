"""What ndlab is made of and lets in: licences, advisories, pickles, code from text in the widgets."""

from __future__ import annotations

import ast
import json
import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ndlab
from scripts import sbom

ROOT = Path(__file__).resolve().parent.parent


# ------------------------------------------------------------------------------------------------------ licences
def test_the_core_is_permissive_and_everything_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lock = ROOT / "constraints" / "dev.txt"
    assert sbom.main(["--lock", str(lock), "--out", str(tmp_path)]) == 0, capsys.readouterr().err
    made = json.loads((tmp_path / "sbom.json").read_text())
    listed = {one["name"]: one for one in made["components"]}
    assert set(listed) == set(dict(sbom.pins(lock.read_text())))
    assert {listed[name]["scope"] for name in ("numpy", "tensorstore", "locket")} == {"required"}
    assert listed["pytest"]["scope"] == "optional"
    assert [one["name"] for one in made["components"] if one["scope"] == "required" and "licenses" not in one] == []
    again = tmp_path / "again"
    sbom.main(["--lock", str(lock), "--out", str(again)])
    assert (again / "sbom.json").read_bytes() == (tmp_path / "sbom.json").read_bytes()


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("MIT", False), ("BSD-3-Clause AND Apache-2.0", False), ("MIT OR GPL-2.0-only", False), ("MPL-2.0", False),
        ("GPL-3.0-or-later WITH GCC-exception-3.1 AND BSD-3-Clause", False),
        ("LGPL-2.1-only", True), ("AGPL-3.0-only", True), ("GPL v3", True), ("BSD-3-Clause AND GPL-2.0-only", True),
        ("GNU Lesser General Public License v3 (LGPLv3)", True),
    ],
)  # fmt: skip
def test_copyleft_is_told_apart(text: str, is_one: bool) -> None:
    assert sbom.copyleft(text) is is_one


def test_a_core_under_the_gpl_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = sbom.licence
    monkeypatch.setattr(sbom, "licence", lambda name: "GPL-3.0-only" if name == "scipy" else theirs(name))
    assert sbom.main(["--lock", str(ROOT / "constraints" / "dev.txt"), "--out", str(tmp_path)]) == 1
    assert "of the core: GPL-3.0-only" in capsys.readouterr().err


def advisory(**affected: Any) -> dict[str, Any]:
    package = {"ecosystem": "PyPI", "name": "Some_Thing"}
    return {"id": "X-1", "summary": "it does harm", "affected": [{"package": package, **affected}]}


@pytest.mark.parametrize(
    ("affected", "hit"),
    [
        ({"versions": ["1.2", "1.3"]}, True),
        ({"versions": ["1.2"]}, False),
        ({"ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.10"}]}]}, True),
        ({"ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.3"}]}]}, False),
        ({"ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "1.4"}]}]}, False),
        ({"ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "1.0"}, {"last_affected": "1.3"}]}]}, True),
        ({"ranges": [{"type": "GIT", "events": [{"introduced": "0"}]}]}, False),
    ],
)
def test_advisories_are_matched_by_version(tmp_path: Path, affected: dict[str, Any], hit: bool) -> None:
    (tmp_path / "X-1.json").write_text(json.dumps(advisory(**affected)))
    found = list(sbom.advisories(tmp_path, {"some-thing": "1.3", "other": "1.3"}))
    assert found == (["some-thing 1.3: X-1 it does harm"] if hit else [])


# ------------------------------------------------------------------------------------------------------ pickles
# What a Run gives to its own workers and has back from them, on Dask's wire: whoever reaches that may run code anyhow.
# The process that counts graphs reads a pipe of the one that started it.
OWN_WORKERS = {
    "ndlab/explore/graph_count.py", "ndlab/pipeline/held.py", "ndlab/pipeline/plain.py", "ndlab/pipeline/work.py",
}  # fmt: skip
LOADERS = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib", "jsonpickle"}


WORDS = re.compile("|".join([*LOADERS, "torch", "yaml"]))


def runs_code(source: str) -> Iterator[str]:
    """What in a source reads code from data: each place with its line."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        where = f"line {node.lineno}"
        if isinstance(node.func, ast.Attribute):
            owner, name = ast.unparse(node.func.value), node.func.attr
            if owner.split(".")[0] in LOADERS and name in ("load", "loads", "Unpickler", "open"):
                yield f"{where}: {owner}.{name}"
            if name in ("read_pickle", "unsafe_load", "full_load") or (owner == "yaml" and name == "load"):
                yield f"{where}: {owner}.{name}"
            if owner == "torch" and name == "load" and "weights_only=True" not in ast.unparse(node):
                yield f"{where}: torch.load of more than weights"
        if any(one.arg == "allow_pickle" and ast.unparse(one.value) != "False" for one in node.keywords):
            yield f"{where}: allow_pickle"


def test_no_pickle_is_read_from_a_store_or_a_wire() -> None:
    sources = {path.relative_to(ROOT).as_posix(): path.read_text() for path in (ROOT / "ndlab").rglob("*.py")}
    found = {name: list(runs_code(text)) for name, text in sources.items() if WORDS.search(text)}
    assert {name: lines for name, lines in found.items() if lines and name not in OWN_WORKERS} == {}


@pytest.mark.parametrize(
    "source",
    ["pickle.loads(body)", "np.load(path, allow_pickle=True)", "pd.read_pickle(p)", "torch.load(p)", "yaml.load(text)",
     "joblib.load(p)"],
)  # fmt: skip
def test_a_reader_of_code_is_found(source: str) -> None:
    assert list(runs_code(source))


class Harm:
    """A pickle of it makes a file as it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("place", ["filters", "compressor"])
def test_a_store_whose_codec_is_a_pickle_is_refused(tmp_path: Path, place: str) -> None:
    mark = tmp_path / "harm"
    store = tmp_path / "a.zarr"
    store.mkdir()
    about: dict[str, Any] = {
        "zarr_format": 2, "shape": [2, 2, 2], "chunks": [2, 2, 2], "dtype": "|u1", "order": "C", "fill_value": 0,
        "filters": None, "compressor": None,
    }  # fmt: skip
    about |= {"filters": [{"id": "pickle", "protocol": 5}]} if place == "filters" else {"compressor": {"id": "pickle"}}
    (store / ".zarray").write_text(json.dumps(about))
    (store / "0.0.0").write_bytes(pickle.dumps(Harm(mark)))
    with pytest.raises((ndlab.errors.NdlabError, ValueError)):
        ndlab.open(store, voxel_size=(1, 1, 1)).read()
    assert not mark.exists()
    pickle.loads((store / "0.0.0").read_bytes())
    assert mark.exists(), "the pickle does what it is for"


# ------------------------------------------------------------------------------------------------------ widgets
TEXT_AS_CODE = re.compile(
    r"\beval\(|new Function\(|setTimeout\(\s*[\"'`]|javascript:|document\.write\(|import\(\s*[\"'`]http"
)


def test_the_widgets_run_under_a_policy_without_eval_and_fetch_nothing_from_elsewhere() -> None:
    bundles = sorted((ROOT / "ndlab" / "explore" / "static").glob("*.js"))
    assert len(bundles) >= 4
    for bundle in bundles:
        text = bundle.read_text()
        assert TEXT_AS_CODE.findall(text) == [], bundle.name
        hosts = set(re.findall(r"https?://([\w.-]+)", text)) - {"www.w3.org"}
        assert hosts == set(), f"{bundle.name} names {hosts}"
    for bad in ("eval('1')", "new Function('a', 'b')", "setTimeout('x()', 1)"):
        assert TEXT_AS_CODE.search(bad)
