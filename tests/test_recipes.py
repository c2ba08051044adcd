"""Runs as files: a recipe repeats its run, the receipt beside an output resumes it, and the command line does both."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from ndlab.cli import main
from ndlab.errors import BadRequest, NotFound, RunFailed
from ndlab.geometry import Grid
from ndlab.pipeline import BlockStep, Record, Run, Step, attach, load, status
from ndlab.pipeline.importing import import_name, named
from ndlab.pipeline.places import runs_folder
from ndlab.pipeline.toml import dumps
from ndlab.store.records import record_path
from ndlab.volume import Volume
from ndlab.volume import open as open_volume

LAYOUT = {"chunks": (4, 8, 8), "shards": (8, 16, 16), "levels": 1}
ROOT = Path(__file__).parents[1]


def gently(image: np.ndarray[Any, Any], sigma: float) -> np.ndarray[Any, Any]:
    """Smooth; slow enough to be killed, and failing where a file says so."""
    time.sleep(0.02)
    if Path("broken").exists():
        raise OSError("the file says so")
    found: np.ndarray[Any, Any] = ndimage.gaussian_filter(image, sigma, truncate=2.0)
    return found


def weigh(block: Any, factor: int, t: int) -> int:
    return int(block.size) * factor


@pytest.fixture
def source(tmp_path: Path) -> Volume:
    values = np.random.default_rng(0).integers(0, 255, (20, 40, 44), np.uint8)
    made = Volume.from_array(values, voxel_size=(40, 4, 4)).like(str(tmp_path / "em.zarr"), **LAYOUT)
    made.write(None, values)
    return made


def smooth(source: Volume, dest: Path, **more: Any) -> BlockStep:
    options: dict[str, Any] = {"output": str(dest), "overlap": 4, "options": LAYOUT} | more
    return BlockStep("smooth", gently, {"sigma": 2.0}, {"image": source}, **options)


def test_a_recipe_repeats_its_run(tmp_path: Path, source: Volume) -> None:
    view = source[3:19, 5:40, :]
    run = smooth(view, tmp_path / "a.zarr", seed=3).plan(block=(8, 16, 16), workers=2, retries=2)
    run.run()
    recipe = run.recipe(tmp_path / "smooth.toml")
    assert tomllib.loads((tmp_path / "smooth.toml").read_text()) == recipe
    assert recipe["inputs"]["image"]["start"] == [3, 5, 0]
    said = repr(open_volume(tmp_path / "a.zarr"))
    assert f"made by          smooth(sigma=2.0) from {source.url} level 0, version 1" in said
    again = load(tmp_path / "smooth.toml", workers=1)
    assert again.step.fingerprint == run.step.fingerprint
    assert (again.retries, again.step.seed) == (2, 3)
    assert again.run().skipped == len(run)
    recipe["output"]["url"] = str(tmp_path / "b.zarr")
    load(recipe, workers=2).run()
    np.testing.assert_array_equal(open_volume(tmp_path / "a.zarr").read(), open_volume(tmp_path / "b.zarr").read())
    np.testing.assert_array_equal(
        open_volume(tmp_path / "a.zarr").read(), ndimage.gaussian_filter(view.read(), 2.0, truncate=2.0)
    )


def test_recipes_of_channels_parts_and_places(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 255, (3, 8, 16, 16), np.uint8)
    made = Volume.from_array(values, voxel_size=(4, 4, 4)).like(str(tmp_path / "c.zarr"), **LAYOUT)
    made.write(None, values)
    base = made.isel(c=0).like(str(tmp_path / "base.zarr"), **LAYOUT)
    step = BlockStep("invert", np.invert, inputs=made.isel(c=1)[2:6], output=base[2:6])
    step.plan(workers=1).run()
    once = base.read()
    base.write(None, 0)
    recipe = tomllib.loads(dumps(step.plan(workers=1).recipe()))
    load(recipe, workers=1, overwrite=True).run()
    np.testing.assert_array_equal(base.read(), once)
    np.testing.assert_array_equal(once[2:6], ~values[1, 2:6])


def test_a_plain_run_and_a_reduction_have_recipes(tmp_path: Path) -> None:
    run = Run(Step("weigh", weigh, {"factor": 3}), Grid((4, 6, 8), (2, 3, 4)), tmp_path / "run.jsonl", t=range(2))
    assert run.reduce(np.add) == 2 * 3 * 4 * 6 * 8
    again = load(tomllib.loads(dumps(run.recipe())), workers=1)
    assert (len(again), again.reduction) == (16, (np.add, 8))
    assert again.reduce(np.add) == 2 * 3 * 4 * 6 * 8
    assert again.receipt is not None
    assert again.receipt.skipped == 16


def test_what_has_no_recipe_says_why(tmp_path: Path, source: Volume) -> None:
    with pytest.raises(BadRequest, match="cannot be imported"):
        Run(Step("here", lambda block: 1), Grid((1, 1, 1), (1, 1, 1))).recipe()
    with pytest.raises(BadRequest, match="list of 1 boxes"):
        Run(Step("weigh", weigh, {"factor": 1}), list(Grid((1, 1, 1), (1, 1, 1)))).recipe()
    with pytest.raises(BadRequest, match=r"params\.factor is a ndarray"):
        Run(Step("weigh", weigh, {"factor": np.ones(3)}), Grid((1, 1, 1), (1, 1, 1))).recipe()
    memory = Volume.from_array(np.zeros((2, 2, 2), "u1"), voxel_size=(4, 4, 4))
    with pytest.raises(BadRequest, match="in memory"):
        BlockStep("sum", np.sum, inputs=memory).plan(workers=1).recipe()
    with pytest.raises(BadRequest, match=r"it has stpe"):
        load({"stpe": {}, "step": {"name": "a", "function": "numpy:sum"}})
    (tmp_path / "bad.toml").write_text("step = [")
    with pytest.raises(BadRequest, match="no TOML"):
        load(tmp_path / "bad.toml")
    with pytest.raises(NotFound, match="no recipe at"):
        load(tmp_path / "none.toml")
    with pytest.raises(NotFound, match="no run left a receipt"):
        attach(source)
    for wrong in ("numpy.sum", "numpy:nothing", "no_such_module:f", "numpy:pi"):
        with pytest.raises(BadRequest, match="function"):
            named(wrong)
    assert named(import_name(math.floor)) is math.floor


def test_status_and_attach_by_output(tmp_path: Path, source: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    dest = tmp_path / "out.zarr"
    run = smooth(source, dest).plan(block=(8, 16, 16), workers=1, group=1)
    run.progress = lambda progress: run.stop() if progress.done == 3 else None
    with pytest.raises(RunFailed, match=r"was stopped: [34] of 27 blocks are done") as caught:
        run.run()
    assert caught.value.stopped
    assert run.state.phase == "stopped"
    (found,) = status(dest)
    assert (found.state, found.total, found.done) == ("stopped", 27, caught.value.done)
    assert found.receipt is not None
    assert found.receipt.state == "stopped"
    assert "smooth.gaussian" not in str(found.receipt)
    assert str(source.url) in str(found.receipt), "the receipt names its inputs"

    (tmp_path / "broken").touch()
    with pytest.raises(RunFailed, match=r"[89] of 27 blocks failed"):
        attach(dest, workers=1).run()
    (found,) = status(dest)
    assert found.state == "failed"
    assert 8 <= len(found.failed) <= 9
    assert "OSError: the file says so" in str(found)
    (tmp_path / "broken").unlink()

    with Record(found.record):
        assert status(dest)[0].state == "running"
        assert status(dest)[0].process == str(os.getpid())
    receipt = attach(open_volume(dest), "smooth", workers=2).run()
    assert receipt.skipped == caught.value.done
    assert status(dest)[0].state == "done"
    with pytest.raises(NotFound, match="these are: smooth"):
        attach(dest, "other")
    np.testing.assert_array_equal(open_volume(dest).read(), ndimage.gaussian_filter(source.read(), 2.0, truncate=2.0))


def test_a_run_of_a_notebook_is_not_attached_by_name(tmp_path: Path, source: Volume) -> None:
    BlockStep("here", lambda image: ~image, inputs=source, output=str(tmp_path / "o"), options=LAYOUT).plan().run()
    with pytest.raises(BadRequest, match="defined in a notebook"):
        attach(tmp_path / "o")


def test_records_stand_where_the_store_looks_for_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    for url in (str(tmp_path / "v"), "s3://bucket/v"):
        assert record_path(url, "a/b").parent == runs_folder(url)
        assert "/" not in record_path(url, "a/b").name


# --- the command line ---------------------------------------------------------------------------------------------


def ndlab(*words: str, cwd: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ndlab", *words]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=env, check=check)


def test_run_killed_status_resume(tmp_path: Path, source: Volume) -> None:
    """In a folder with the function's file, as on a cluster's login node: run, kill -9, status, resume."""
    (tmp_path / "steps.py").write_text((ROOT / "tests" / "test_recipes.py").read_text().partition("@pytest.fixture")[0])
    recipe = smooth(source, tmp_path / "out.zarr").plan(block=(8, 8, 8), workers=1, group=1).recipe()
    recipe["step"]["function"] = "steps:gently"
    recipe["run"]["group"] = 1
    (tmp_path / "smooth.toml").write_text(dumps(recipe))
    __import__("shutil").rmtree(tmp_path / "out.zarr")

    command = [sys.executable, "-m", "ndlab", "run", "smooth.toml", "--workers", "1"]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "memory" in process.stderr.readline(), "what it will cost is said first"
        record = tmp_path / "out.zarr" / ".ndlab" / "runs" / "smooth.jsonl"
        deadline = time.monotonic() + 60
        while not (record.exists() and record.read_bytes().count(b'"n":') > 5) and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    told = ndlab("status", "out.zarr", cwd=tmp_path, check=False)
    assert told.returncode == 1
    assert "smooth: stopped" in told.stdout
    before = json.loads(ndlab("status", "out.zarr", "--json", cwd=tmp_path, check=False).stdout)[0]
    assert 5 < before["done"] < before["total"]
    done = json.loads(ndlab("resume", "out.zarr", "--workers", "2", "--json", cwd=tmp_path).stdout)
    assert (done["done"], done["skipped"]) == (before["total"], before["done"])
    assert "smooth: done" in ndlab("status", "out.zarr", cwd=tmp_path).stdout
    np.testing.assert_array_equal(
        open_volume(tmp_path / "out.zarr").read(), ndimage.gaussian_filter(source.read(), 2.0, truncate=2.0)
    )


def test_a_reduction_from_the_command_line(tmp_path: Path, source: Volume, capsys: pytest.CaptureFixture[str]) -> None:
    run = BlockStep("sum", np.sum, {"dtype": "int64"}, source).plan(block=(8, 16, 16), workers=1)
    run.reduce(np.add)
    run.recipe(tmp_path / "sum.toml")
    assert main(["run", str(tmp_path / "sum.toml"), "--save", str(tmp_path / "sum.json"), "--quiet"]) == 0
    assert json.loads((tmp_path / "sum.json").read_text()) == int(source.read().sum(dtype=np.int64))
    assert "sum(dtype='int64'): done" in capsys.readouterr().out


def test_honest_exit_codes(tmp_path: Path, source: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = smooth(source, tmp_path / "out.zarr").plan(block=(8, 16, 16), workers=1)
    run.recipe(tmp_path / "smooth.toml")
    (tmp_path / "broken").touch()
    assert main(["run", "smooth.toml", "--quiet"]) == 1
    assert main(["status", "out.zarr"]) == 1
    assert main(["resume", "missing.zarr"]) == 2
    assert main(["run", "smooth.toml", "--workers", "2", "--scheduler", "tcp://127.0.0.1:1"]) == 2
    (tmp_path / "broken").unlink()
    assert main(["resume", "out.zarr", "--quiet", "--workers", "2"]) == 0
    assert main(["status", "out.zarr"]) == 0


TOML = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(table=st.dictionaries(st.text(), TOML, max_size=5))
def test_toml_comes_back_as_it_went(table: dict[str, Any]) -> None:
    try:
        text = dumps(table)
        text.encode()
    except UnicodeEncodeError:
        return  # half a surrogate pair is no text
    assert tomllib.loads(text) == table
