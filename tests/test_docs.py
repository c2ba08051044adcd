"""What the documents show is run as it stands there, on data that ndlab ships, in an empty folder.

A line ``expression  # -> text`` is checked: the text has to be the expression's repr. Blocks of one document share
their names, as cells do; a block with a ``__main__`` guard is a script of its own. A block with a path is a file,
written before what comes after it. A block marked ``network`` is only compiled, for nothing outside this machine is
asked here.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs" / "how-to").glob("*.md"))]
_BLOCK = re.compile(r"^```(python|sh)( network)?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"^```\w+ (\w[\w/.-]*\.\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_CLAIM = re.compile(r"^( *)(\S.*?)  # -> (.*)$", re.MULTILINE)
# As in a notebook, there is no file that a spawned process would import.
CELLS = [sys.executable, "-c", "import sys; exec(compile(sys.stdin.read(), 'document', 'exec'))"]
_SHOW = """
def _claim(value, text):
    assert repr(value) == text, f"the document says {text}, it is {value!r}"
"""


def blocks(document: Path) -> list[tuple[str, bool, str]]:
    """Language, whether it needs the network, and text of each block that can be run."""
    return [(kind, bool(network), text) for kind, network, text in _BLOCK.findall(document.read_text())]


def checked(text: str) -> str:
    """Return the block with each claim turned into a check."""
    return _CLAIM.sub(lambda m: f"{m[1]}_claim(({m[2]}), {m[3]!r})", text)


def run(command: list[str], folder: Path, text: str) -> None:
    environment = dict(os.environ) | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    environment["PYTHONWARNINGS"] = "error"
    done = subprocess.run(
        command, cwd=folder, env=environment, input=text, capture_output=True, text=True, check=False, timeout=170
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_blocks_run(document: Path, tmp_path: Path) -> None:
    """In order; those in between two scripts run together, so that later ones see earlier names."""
    cells = _SHOW
    for name, text in _FILE.findall(document.read_text()):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    for number, (kind, network, text) in enumerate(blocks(document)):
        if network and kind == "sh":
            run(["bash", "-n"], tmp_path, text)
        elif network:
            compile(text, f"{document.name} block {number}", "exec")
        elif kind == "sh":
            run(["bash", "-euo", "pipefail", "-s"], tmp_path, text)
        elif "__main__" in text:
            # Cells before it have to have run; those after it begin with the names that the cells before left.
            script = tmp_path / f"block_{number}.py"
            script.write_text(text)
            cells += f"import subprocess as _s, sys as _y\n_s.run([_y.executable, {str(script)!r}], check=True)\n"
        else:
            cells += checked(text)
    if cells != _SHOW:
        run(CELLS, tmp_path, cells)


def test_every_page_is_listed_and_has_something_to_run() -> None:
    folder = ROOT / "docs" / "how-to"
    pages = sorted(path.name for path in folder.glob("*.md") if path.name != "README.md")
    assert sorted(set(re.findall(r"\((\w[\w-]*\.md)\)", (folder / "README.md").read_text()))) == pages
    assert [page for page in pages if not any(not network for _, network, _ in blocks(folder / page))] == []
    assert sum(network for path in DOCUMENTS for _, network, _ in blocks(path)) == 16


def test_no_block_hides_from_the_tests() -> None:
    """Any fence of Python or shell is one that the pattern above finds."""
    for document in DOCUMENTS:
        text = document.read_text()
        fences = re.findall(r"^```(?:python|py|sh|bash|console)\b", text, re.MULTILINE)
        files = [name for name, _ in _FILE.findall(text) if name.endswith((".py", ".sh"))]
        assert len(fences) == len(blocks(document)) + len(files), document.name


def test_the_tables_of_scale_are_what_their_command_prints() -> None:
    command = [sys.executable, str(ROOT / "bench" / "petabyte.py")]
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    text = (ROOT / "docs" / "explanation" / "scale.md").read_text()
    assert [table for table in said.strip().split("\n\n") if table not in text] == [], (
        "copy what bench/petabyte.py prints"
    )


def test_a_wrong_claim_is_found(tmp_path: Path) -> None:
    run(CELLS, tmp_path, _SHOW + checked("1 + 1  # -> 2\n"))
    with pytest.raises(AssertionError, match="the document says 3, it is 2"):
        run(CELLS, tmp_path, _SHOW + checked("1 + 1  # -> 3\n"))
