"""The browser half: what is committed is what its sources make, and its own tests pass."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
WIDGETS = ROOT / "widgets"
STATIC = ROOT / "ndlab" / "explore" / "static"
ENTRIES = sorted(path.stem for path in (WIDGETS / "src").glob("*.ts") if not path.name.endswith(".d.ts"))


def sources(widgets: Path) -> Iterator[Path]:
    yield from (path for path in (widgets / "src").rglob("*") if path.is_file())
    yield from (widgets / "build.mjs", widgets / "package-lock.json")


def digest(widgets: Path) -> str:
    """The same number as in build.mjs."""
    found = hashlib.sha256()
    for name, path in sorted((path.relative_to(widgets).as_posix(), path) for path in sources(widgets)):
        found.update(f"{name}\0".encode() + path.read_bytes() + b"\0")
    return found.hexdigest()


def npm(*arguments: str) -> str:
    """Run npm on widgets/, its packages installed as locked; fail where there is none."""
    program = shutil.which("npm")
    if program is None:
        pytest.fail("npm is not on PATH: run `make system`")
    if not (WIDGETS / "node_modules").exists():
        subprocess.run([program, "--prefix", str(WIDGETS), "ci", "--silent"], check=True)
    done = subprocess.run([program, "--prefix", str(WIDGETS), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ENTRIES)
def test_each_bundle_was_built_from_the_sources_beside_it(name: str) -> None:
    first = (STATIC / f"{name}.js").read_text(encoding="utf-8").partition("\n")[0]
    recorded = re.search(r"sources sha256:([0-9a-f]{64})", first)
    assert recorded
    assert recorded.group(1) == digest(WIDGETS), "the sources changed since: run `make widgets` and commit what it made"


def test_the_digest_notices_any_change(tmp_path: Path) -> None:
    copy = tmp_path / "widgets"
    shutil.copytree(WIDGETS, copy, ignore=shutil.ignore_patterns("node_modules"))
    before = digest(copy)
    assert before == digest(WIDGETS)
    (copy / "src" / "run.css").write_text("")
    after = digest(copy)
    assert after != before
    (copy / "src" / "new.css").write_text("")
    assert digest(copy) != after


def test_nothing_else_lies_among_the_bundles() -> None:
    assert sorted(path.name for path in STATIC.iterdir()) == [f"{name}.js" for name in ENTRIES]


@pytest.mark.parametrize("name", ENTRIES)
def test_a_bundle_needs_nothing_from_the_network(name: str) -> None:
    # The name of a kind of element, which nobody fetches, looks like an address.
    text = (STATIC / f"{name}.js").read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    # What the image explorer fetches it is told by the kernel: an address below Jupyter's own.
    assert not re.search(r"https?://|\bimport\b\s*[({\"'*\w]|\bfetch\([\"'`]", text)
    # The largest is that of the Image Explorer, which since it can be linked is 152 kB.
    assert len(text) < 160_000, "anywidget sends it anew with every widget"


def test_building_again_gives_the_same_bytes(tmp_path: Path) -> None:
    npm("run", "--silent", "build", "--", "--out", str(tmp_path))
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert made == {path.name: path.read_bytes() for path in STATIC.iterdir()}


def test_the_lock_names_packages_and_hashes_but_no_address() -> None:
    text = (WIDGETS / "package-lock.json").read_text()
    assert '"integrity": "sha512-' in text
    assert '"resolved"' not in text


def test_what_is_pure_in_the_browser_half_passes_its_own_tests() -> None:
    said = npm("test", "--silent")
    assert re.search(r"Tests\s+\S*\d+ passed", re.sub(r"\x1b\[[0-9;]*m", "", said)), said
