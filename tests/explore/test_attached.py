"""A Run found again by the address of what it wrote: by another kernel, which has nothing but what is on disk."""

from __future__ import annotations

import json
import operator
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndlab import explore
from ndlab.errors import BadRequest, NotFound, RunFailed
from ndlab.explore.attached import attached
from ndlab.explore.kept import Kept
from ndlab.explore.widget import RunWidget
from ndlab.geometry import Box, Grid
from ndlab.pipeline import BlockStep, Receipt, Record, Run, Step
from ndlab.volume import Volume
from ndlab.volume import open as open_volume
from tests.explore.test_run import finished
from tests.explore.test_watch import Page

SHAPE, BLOCK = (16, 16, 32), (8, 8, 8)
VALUES = np.random.default_rng(0).integers(1, 100, SHAPE, "u1")
VALUES[8, 8, 0] = SPECIAL = 200


def invert(image: Any, folder: str) -> Any:
    """Wait for a file in one of the blocks; fail where another file says so."""
    while image.flat[0] == SPECIAL and not (Path(folder) / "go").exists():
        (Path(folder) / "waits").touch()
        time.sleep(0.01)
    if (Path(folder) / "broken").exists():
        raise ValueError("the detector saturated here")
    return 255 - image


def planned(folder: Path, function: Any = invert, **how: Any) -> Run:
    source = folder / "raw.zarr"
    if not source.exists():
        Volume.from_array(VALUES, (40, 8, 8)).like(source, chunks=BLOCK).write(Box((0, 0, 0), SHAPE), VALUES)
    step = BlockStep(
        "invert", function, {"folder": str(folder)}, open_volume(source), output=folder / "out.zarr", dtype="u1"
    )
    return step.plan(block=BLOCK, workers=1, group=1, **how)


def follow(shown: RunWidget) -> Page:
    """Have a page at the widget, as a notebook has."""
    page = Page()
    if shown.facts["preview"]:
        page.picture = np.zeros((shown.facts["preview"]["height"], shown.facts["preview"]["width"]), np.uint8)
    shown.send = lambda content, buffers=None: page(content, buffers or [])
    shown.watch.receive({"t": "hello"})
    return page


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """Return a folder in which a Run was stopped after the first of 16 blocks."""
    (tmp_path / "go").touch()
    run = planned(tmp_path)
    run.subscribe(lambda event: run.stop() if event.progress.done else None)
    with pytest.raises(RunFailed, match="was stopped"):
        run.run()
    return tmp_path


def test_one_that_stopped_is_shown_as_it_is_and_goes_on_by_the_button(stopped: Path) -> None:
    shown = explore.run(stopped / "out.zarr")
    page = follow(shown)
    assert isinstance(shown.run, Run)
    assert shown.run.state.phase == "waiting", "showing is not starting"
    before = page.statuses[-1]["done"]
    assert (page.phase, 1 <= before < 16) == ("stopped", True)
    assert np.count_nonzero(page.states == 1) == before
    assert "invert(folder=" in page.statuses[-1]["receipt"]
    assert f"stopped, {before} of 16 blocks" in page.statuses[-1]["receipt"]
    assert page.statuses[-1]["where"] == "1 thread"
    assert (shown.facts["startable"], shown.facts["total"]) == (True, 16)
    assert shown.facts["inputs"][0][0] == "volume"
    shown.watch.receive({"t": "start"})
    page.wait_for("done")
    assert page.statuses[-1]["skipped"] == before
    assert np.array_equal(open_volume(stopped / "out.zarr").read(), 255 - VALUES)


def test_the_code_that_the_page_gives_goes_on_in_another_kernel(stopped: Path) -> None:
    code = explore.run(str(stopped / "out.zarr")).facts["code"]
    assert code is not None
    assert "explore.run(" in code
    assert "start=True" in code
    ended = code.replace("explore.run", "shown = explore.run") + "; print(shown.run.wait())"
    done = subprocess.run(
        [sys.executable, "-c", ended], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    )
    assert "done, 16 of 16 blocks" in done.stdout


def test_a_run_at_hand_gives_the_same_code(tmp_path: Path) -> None:
    run = planned(tmp_path)
    assert str(tmp_path / "out.zarr") in str(explore.run(run, start=False).facts["code"])
    assert explore.run(Run(Step("size", size), Grid((1, 1, 2), (1, 1, 1))), start=False).facts["code"] is None


def size(block: Box) -> int:
    return block.size


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run in another process, which waits in its middle."""
    planned(tmp_path)
    code = "from pathlib import Path; from tests.explore.test_attached import planned; "
    code += f"planned(Path({str(tmp_path)!r})).run()"
    with subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2]) as process:
        end = time.monotonic() + 60
        while not (tmp_path / "waits").exists():
            assert time.monotonic() < end
            assert process.poll() is None
            time.sleep(0.02)
        yield process
        (tmp_path / "go").touch()


def test_one_that_still_runs_is_followed_to_its_end(tmp_path: Path, elsewhere: subprocess.Popen[bytes]) -> None:
    page = follow(explore.run(tmp_path / "out.zarr"))
    assert (page.phase, page.statuses[-1]["where"]) == ("elsewhere", f"process {elsewhere.pid}")
    assert page.statuses[-1]["receipt"] is None
    (tmp_path / "go").touch()
    page.wait_for("done")
    assert set(page.states.tolist()) == {1}
    assert "done, 16 of 16 blocks" in str(page.statuses[-1]["receipt"])


def test_one_that_was_killed_says_so(tmp_path: Path, elsewhere: subprocess.Popen[bytes]) -> None:
    page = follow(explore.run(tmp_path / "out.zarr"))
    elsewhere.kill()
    page.wait_for("stopped")
    assert 0 < page.statuses[-1]["done"] < 16
    assert "it was killed, or its machine went down" in str(page.statuses[-1]["receipt"])
    assert page.statuses[-1]["seconds"] == 0, "nobody knows how long it took"


def test_blocks_that_failed_come_with_their_tracebacks(tmp_path: Path) -> None:
    for name in ("go", "broken"):
        (tmp_path / name).touch()
    with pytest.raises(RunFailed):
        planned(tmp_path).run()
    shown = explore.run(tmp_path / "out.zarr")
    page = follow(shown)
    assert page.phase == "failed"
    assert page.statuses[-1]["failed"] == np.count_nonzero(page.states == 4) > 0
    shown.watch.receive({"t": "failures"})
    assert all("ValueError: the detector saturated here" in failure["error"] for failure in page.failures)
    (tmp_path / "broken").unlink()
    finished(explore.run(tmp_path / "out.zarr", start=True))
    assert follow(explore.run(tmp_path / "out.zarr")).phase == "done"


def begun_in_a_notebook(folder: Path) -> None:
    """Run a step whose function no other kernel can import, with one block that fails."""

    def local(image: Any, folder: str) -> Any:
        if image.flat[0] == SPECIAL:
            raise ValueError("too bright")
        return 255 - image

    with pytest.raises(RunFailed):
        planned(folder, local).run()


def test_a_function_of_a_notebook_leaves_the_record_to_look_at(tmp_path: Path) -> None:
    begun_in_a_notebook(tmp_path)
    shown = explore.run(tmp_path / "out.zarr")
    page = follow(shown)
    assert isinstance(shown.run, Kept)
    assert (page.phase, page.statuses[-1]["failed"]) == ("failed", np.count_nonzero(page.states == 4))
    assert "its function was defined in a notebook" in page.statuses[-1]["message"]
    assert "Run the cells that made the step again" in page.statuses[-1]["message"]
    facts = shown.facts
    assert (facts["startable"], facts["code"]) == (False, None)
    assert facts["inputs"] == [["volume", f"{tmp_path / 'raw.zarr'}, 16 × 16 × 32"]]
    assert facts["params"] == [["folder", str(tmp_path)]]
    assert facts["grid"]["counts"] == [2, 2, 4]
    shown.watch.failures()
    assert "ValueError: too bright" in page.failures[0]["error"]
    shown.watch.receive({"t": "start"})
    shown.watch.receive({"t": "stop"})
    shown.watch.receive({"t": "hello"})
    assert page.phase == "failed"
    assert "15 of 16 blocks done" in repr(shown)
    with pytest.raises(BadRequest, match="its function was defined in a notebook"):
        explore.run(tmp_path / "out.zarr", start=True)


def test_its_picture_is_what_was_written(tmp_path: Path) -> None:
    begun_in_a_notebook(tmp_path)
    page = follow(explore.run(tmp_path / "out.zarr", z=1))
    end = time.monotonic() + 10
    while not page.picture.all() and time.monotonic() < end:
        time.sleep(0.01)
    assert page.picture.shape == SHAPE[1:]
    assert np.corrcoef(page.picture.ravel(), 255.0 - VALUES[1].ravel())[0, 1] > 0.99


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"function": "no_such_module:f"}, "No module named 'no_such_module'"),
        ({"function": "tests.explore.test_attached:size"}, "This kernel cannot go on with it"),
        ({"dance": True}, "TypeError"),
    ],
)
def test_what_keeps_this_kernel_from_going_on_is_said(stopped: Path, change: dict[str, Any], said: str) -> None:
    path = stopped / "out.zarr" / ".ndlab" / "runs" / "invert.receipt.json"
    receipt = json.loads(path.read_text())
    receipt["recipe"]["step"] |= change
    path.write_text(json.dumps(receipt))
    found = attached(stopped / "out.zarr")
    assert isinstance(found, Kept)
    assert said in str(found.hint)
    assert found.look().phase == "stopped"


def test_a_step_that_would_do_something_else_now_is_not_gone_on_with(tmp_path: Path) -> None:
    record = tmp_path / "run.jsonl"
    Run(Step("size", size, identity="once"), Grid((1, 1, 2), (1, 1, 1)), record).run()
    found = attached(record)
    assert isinstance(found, Kept)
    assert "are not those of its record any more" in str(found.hint)


def test_a_record_of_its_own_is_found_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = Run(Step("size", size), Grid((1, 1, 4), (1, 1, 1)), "run.jsonl", workers=1)
    run.run()
    (tmp_path / "moved").mkdir()
    for name in ("run.jsonl", "run.receipt.json"):
        shutil.move(name, f"moved/{name}")
    page = follow(explore.run("moved/run.jsonl"))
    assert page.phase == "done"
    assert str(run.receipt) == page.statuses[-1]["receipt"]


def test_a_reduction_goes_on_as_one(tmp_path: Path) -> None:
    path, grid = tmp_path / "sum.jsonl", Grid((1, 1, 40), (1, 1, 1))
    run = Run(Step("size", size), grid, path, workers=1, group=1)
    run.subscribe(lambda event: run.stop() if event.progress.done > 3 else None)
    with pytest.raises(RunFailed, match="was stopped"):
        run.reduce(operator.add)
    shown = explore.run(path)
    assert follow(shown).phase == "stopped"
    assert finished(explore.run(path, start=True)) == 40
    again = Run(Step("size", size), grid, path)
    assert again.reduce(operator.add) == 40
    assert again.receipt is not None
    assert again.receipt.skipped == 40


def test_a_list_of_boxes_is_counted_and_not_mapped(tmp_path: Path) -> None:
    boxes = [Box((0, 0, 0), (1, 1, 2)), Box((2, 0, 0), (3, 1, 2))]
    Run(Step("size", size), boxes, tmp_path / "run.jsonl").run()
    shown = explore.run(tmp_path / "run.jsonl")
    assert (shown.status["phase"], shown.status["done"]) == ("done", 2)
    assert (shown.facts["total"], shown.facts["grid"]) == (2, None)


def test_where_nothing_is_recorded_the_message_says_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"wrote .*none\.zarr.*none is recorded in .*runs.*start one: explore\.run"):
        explore.run(tmp_path / "none.zarr")
    with pytest.raises(NotFound, match=r"none is recorded in .*run\.jsonl"):
        explore.run(tmp_path / "run.jsonl")
    Run(Step("size", size), Grid((1, 1, 2), (1, 1, 1)), tmp_path / "run.jsonl").run()
    with pytest.raises(NotFound, match=r"a run of dance that wrote .*these are recorded: size"):
        explore.run(tmp_path / "run.jsonl", name="dance")


def test_of_several_one_has_to_be_named(tmp_path: Path) -> None:
    runs = tmp_path / "out.zarr" / ".ndlab" / "runs"
    for name in ("first", "second"):
        Run(Step(name, size), Grid((1, 1, 2), (1, 1, 1)), runs / f"{name}.jsonl").run()
    with pytest.raises(BadRequest, match=r"2 runs wrote .*they are first, second.*explore\.run\(output, name="):
        explore.run(tmp_path / "out.zarr")
    assert explore.run(tmp_path / "out.zarr", name="second").facts["step"] == "second"


def test_steps_that_share_a_record_are_told_apart(tmp_path: Path) -> None:
    with Record(tmp_path / "run.jsonl") as record:
        for name, count in (("first", 2), ("second", 3)):
            Run(Step(name, size), Grid((1, 1, count), (1, 1, 1)), record).run()
    shown = explore.run(tmp_path / "run.jsonl", name="second")
    assert (shown.facts["step"], shown.status["phase"], shown.status["done"]) == ("second", "done", 3)
    assert Receipt.beside(tmp_path / "run.jsonl") is None


def test_retries_of_earlier_kernels_are_counted(tmp_path: Path) -> None:
    tried: set[Box] = set()

    def stumble(block: Box) -> None:
        if block not in tried:
            tried.add(block)
            raise OSError("busy")

    Run(Step("stumble", stumble), Grid((1, 1, 3), (1, 1, 1)), tmp_path / "run.jsonl", workers=1, retries=1).run()
    assert explore.run(tmp_path / "run.jsonl").status["retried"] == 3
