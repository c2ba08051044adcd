"""What Binder makes of this repository: rendered by repo2docker itself, its scripts run, a session in the result."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from pathlib import Path

import nbformat
import pytest
import yaml

from scripts import binder

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(900),
    # repo2docker's own import.
    pytest.mark.filterwarnings("ignore:pythonjsonlogger.jsonlogger has been moved:DeprecationWarning"),
]

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def build() -> binder.Build:
    return binder.render()


def test_the_build_is_condas_with_our_python_and_our_script(build: binder.Build) -> None:
    assert (build.pack, build.python) == ("CondaBuildPack", "3.12")
    assert build.scripts == ("binder/postBuild",)
    assert build.start is None
    assert os.access(ROOT / "binder" / "postBuild", os.X_OK)


def test_the_environment_is_a_layer_that_commits_do_not_touch(build: binder.Build) -> None:
    """It is made before the repository is copied, from a file that names nothing of it."""
    lines = build.dockerfile.splitlines()
    made = next(i for i, line in enumerate(lines) if "env update" in line and "binder/environment.yml" in line)
    copied = next(i for i, line in enumerate(lines) if re.match(r"COPY .* src/ ", line))
    ran = lines.index("RUN ./binder/postBuild")
    assert made < copied < ran
    packages = yaml.safe_load((ROOT / "binder" / "environment.yml").read_text())["dependencies"]
    assert packages == [f"python={build.python}", "pip"]


@pytest.mark.parametrize("broken", ["no environment", "python not pinned", "local path"])
def test_what_would_go_wrong_is_seen(tmp_path: Path, broken: str) -> None:
    """The checks above fail where repo2docker would quietly make something else."""
    folder = tmp_path / "binder"
    folder.mkdir()
    (folder / "postBuild").write_text("#!/bin/sh\n")
    packages = {"python not pinned": ["pip"], "local path": ["python=3.12", "pip", {"pip": ["-e .."]}]}
    if broken in packages:
        (folder / "environment.yml").write_text(yaml.safe_dump({"dependencies": packages[broken]}))
    found = binder.render(tmp_path)
    if broken == "no environment":
        assert found.pack == "PythonBuildPack"
    elif broken == "python not pinned":
        assert found.python != "3.12"
    else:
        assert found.files == ()


def test_the_lock_of_a_session_is_small() -> None:
    names = re.findall(r"^([a-z0-9._-]+)==", (ROOT / "constraints" / "binder.txt").read_text(), re.MULTILINE)
    assert not {"torch", "napari", "pyqt6", "qtpy", "simpleitk", "pytest", "jupyterhub", "boto3"} & set(names)
    lab = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["lab"]
    assert {re.split(r"[>\[]", item)[0] for item in lab} <= set(names)


def test_badge_and_link_open_the_first_notebook_in_lab() -> None:
    readme = (ROOT / "README.md").read_text()
    (link,) = re.findall(r"\]\((https://mybinder\.org/v2/[^)]*)\)", readme)
    assert link.endswith("?urlpath=lab/tree/notebooks/00_start.ipynb")
    assert (ROOT / "notebooks" / "00_start.ipynb").exists()


def test_the_scripts_run_in_a_clean_environment_and_a_session_runs_the_first_notebook(tmp_path: Path) -> None:
    checkout, figures = binder.replay(tmp_path)
    assert figures.server_s < 120
    python = tmp_path / "venv" / "bin" / "python"
    where = subprocess.run(
        [python, "-c", "import json, ndlab, sys; print(json.dumps([ndlab.__file__, sys.version_info[:2]]))"],
        cwd=tmp_path, capture_output=True, text=True, check=True, env=dict(os.environ) | {"PYTHONPATH": ""},
    )  # fmt: skip
    assert json.loads(where.stdout)[0] == str(checkout / "ndlab" / "__init__.py"), "the checkout itself, editable"
    out = tmp_path / "ran.ipynb"
    subprocess.run(
        [python, "-m", "jupyter", "execute", "notebooks/00_start.ipynb", f"--output={out}"],
        cwd=checkout, check=True, capture_output=True, env=dict(os.environ) | {"PYTHONPATH": "", "HOME": str(tmp_path)},
    )  # fmt: skip
    outputs = [one for cell in nbformat.read(out, 4).cells for one in cell.get("outputs", [])]
    assert any("image/png" in one.get("data", {}) for one in outputs)
    assert not any(one["output_type"] == "error" for one in outputs)
