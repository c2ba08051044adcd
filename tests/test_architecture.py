"""The shape of the package: what an import loads, who may import whom, which names are public."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import ndlab

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "ndlab"
HEAVY = {"dask", "distributed", "xarray", "pandas", "matplotlib", "ipywidgets", "bokeh", "numba", "scipy", "skimage"}

# A name added here is a promise to every script out there; one removed breaks them.
PUBLIC = [
    "Annotations", "Box", "Graph", "Volume", "__version__", "analyze", "dataset", "datasets", "detect", "errors",
    "explore", "ingest", "measure", "open", "samples",
]  # fmt: skip


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def loaded_after(statement: str) -> set[str]:
    """Top-level names of the modules that a fresh interpreter holds after `statement`."""
    code = f"{statement}\nimport sys\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


def imports(path: Path) -> Iterator[ast.Import | ast.ImportFrom]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return (node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom))


def test_importing_the_root_loads_nothing_heavy() -> None:
    assert not loaded_after("import ndlab") & (HEAVY | {"zarr", "tensorstore"})


def test_opening_a_volume_loads_nothing_heavy(tmp_path: Path) -> None:
    statement = f"import numpy, ndlab\nnumpy.save({str(tmp_path / 'a.npy')!r}, numpy.zeros((2, 3, 4), 'u1'))\n"
    statement += f"assert ndlab.open({str(tmp_path / 'a.npy')!r}).read().shape == (2, 3, 4)"
    loaded = loaded_after(statement)
    assert "tensorstore" in loaded
    assert not loaded & HEAVY


def test_the_probe_sees_a_heavy_import() -> None:
    assert "xarray" in loaded_after("import xarray")


def test_public_names_are_these() -> None:
    assert sorted(ndlab.__all__) == PUBLIC
    assert sorted(dir(ndlab)) == PUBLIC
    assert all(getattr(ndlab, name) is not None for name in PUBLIC)


def test_an_unknown_public_name_says_which_there_are() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'opn'.*\bopen\b"):
        ndlab.opn  # noqa: B018


def test_version_is_the_projects() -> None:
    assert ndlab.__version__ == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_ruff_bans_every_lazy_name_of_the_root() -> None:
    ruff = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]
    banned = set(ruff["lint"]["flake8-tidy-imports"]["banned-api"])
    lazy = {
        f"ndlab.{name}"
        for name in PUBLIC
        if name not in ("__version__", "analyze", "detect", "errors", "explore", "measure", "samples")
    }
    assert lazy <= banned


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_inside_imports_the_root(path: Path) -> None:
    """`from ndlab import metadata` names a module and is visible to import-linter; a lazy name is not."""
    siblings = {p.stem for p in PACKAGE.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    for node in imports(path):
        if isinstance(node, ast.Import):
            assert "ndlab" not in [alias.name for alias in node.names], f"line {node.lineno}"
        elif node.module == "ndlab":
            assert {alias.name for alias in node.names} <= siblings, f"line {node.lineno}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_forks(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    found = re.search(r"os\.fork|get_context\(\s*[\"']fork[\"']|set_start_method\(\s*[\"']fork[\"']", source)
    assert found is None, f"{found}: TensorStore aborts a forked child; use spawn or forkserver"


def test_no_module_has_a_name_that_says_nothing() -> None:
    empty = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert not [str(path) for path in modules() if empty & {path.stem.lower(), path.parent.name.lower()}]


def lint_copy(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [shutil.which("lint-imports", path=str(Path(sys.executable).parent)) or "lint-imports", "--no-cache"]
    # The working directory comes first on the linter's path, so it looks at the copy.
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("planted", "line", "broken"),
    [
        ("geometry.py", "from ndlab.store import kv as _planted", "Floors"),
        ("store/kv.py", "from ndlab.store import multiscale as _planted", "Store"),
        ("nowhere.py", "planted = 1", "Floors"),
    ],
)
def test_the_floors_catch_a_planted_violation(tmp_path: Path, planted: str, line: str, broken: str) -> None:
    shutil.copytree(PACKAGE, tmp_path / "ndlab", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "ndlab" / planted).open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    done = lint_copy(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(rf"^{broken}.* BROKEN", done.stdout, re.MULTILINE), done.stdout
