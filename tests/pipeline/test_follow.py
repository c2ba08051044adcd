"""A record of another process is read as it grows: each byte once, whatever happens to the file."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ndlab.errors import BadMetadata
from ndlab.geometry import Grid
from ndlab.pipeline import Record, Run, Step
from ndlab.pipeline.follow import Follower
from ndlab.pipeline.lines import StepLines, line_bytes, read_lines
from ndlab.pipeline.tasks import Tasks
from ndlab.pipeline.work import Failure, Report

TASKS = Tasks(Grid((10, 10, 100), (1, 1, 1)))


def told(steps: dict[str, StepLines]) -> object:
    return {
        name: (one.fingerprint, sorted(one.done), one.failed, one.retried, one.basis, one.codes)
        for name, one in steps.items()
    }


def whole(path: Path) -> object:
    """What reading all of it anew says."""
    return told(StepLines.load(read_lines(path))[0])


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the record of two steps, with retries, failures that were mended, and workers."""
    path = tmp_path_factory.mktemp("record") / "run.jsonl"
    with Record(path) as record:
        record.begin("first", "f", tasks=TASKS, code="a")
        failed = {7: Failure("Traceback:\nValueError: no", 2), 8: Failure("KeyError", 1)}
        record.add_report("first", Report([1, 2, 5], [0.5] * 3, "here", attempts={2: 3}, failed=failed), TASKS)
        record.begin("second", "g", tasks=Tasks(Grid((1, 1, 4), (1, 1, 1))))
        record.add_report("second", Report([0, 3], [0.25] * 2, "there", [1, 2]), Tasks(Grid((1, 1, 4), (1, 1, 1))))
        record.add_report("first", Report([7], [0.5], "there", attempts={7: 2}), TASKS)
    return path.read_bytes()


@given(data=st.data())
def test_it_knows_what_the_whole_lines_say_wherever_the_writer_was_interrupted(
    written: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(written)), max_size=6)))
    path = tmp_path_factory.mktemp("torn") / "run.jsonl"
    follower = Follower(path)
    for cut in [*cuts, len(written)]:
        path.write_bytes(written[:cut])
        follower.refresh()
        assert told(follower.steps) == whole(path)


def bytes_read() -> int:
    """Bytes that this thread has asked the system for."""
    counts = dict(line.split(": ") for line in Path("/proc/thread-self/io").read_text().splitlines())
    return int(counts["rchar"])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts what a thread reads")
def test_each_byte_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with Record(path) as record:
        record.begin("first", "f", tasks=TASKS)
        follower, cost = Follower(path), []
        for start in range(0, len(TASKS), 500):
            record.add_report("first", Report(list(range(start, start + 500)), [0.5] * 500, "here"), TASKS)
            grown = path.stat().st_size
            overhead = -bytes_read() + bytes_read()
            before = bytes_read()
            assert follower.refresh()
            cost.append(bytes_read() - before - overhead)
            assert len(follower.steps["first"].done) == start + 500
        # The end of what was known is read again, to know the file by it.
        assert grown <= sum(cost) <= grown + 256 * len(cost)
        assert max(cost) < grown / 10
        before = bytes_read()
        assert not follower.refresh()
        assert bytes_read() - before == overhead, "what has not changed is not read"


def test_a_record_that_was_emptied_and_filled_again_is_read_anew(written: bytes, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(written)
    follower = Follower(path)
    follower.refresh()
    with Record(path) as record:
        record.forget()
        record.begin("first", "f", tasks=TASKS, code="a")
        # Longer than before, so that the length alone gives nothing away.
        record.add_report("first", Report(list(range(100, 300)), [0.125] * 200, "here"), TASKS)
        assert path.stat().st_size > len(written)
        assert follower.refresh()
        assert told(follower.steps) == whole(path)


def test_a_record_that_was_cut_replaced_or_removed_is_noticed(written: bytes, tmp_path: Path) -> None:
    path, other = tmp_path / "run.jsonl", tmp_path / "other.jsonl"
    path.write_bytes(written)
    follower = Follower(path)
    follower.refresh()
    os.truncate(path, written.index(b"\n", len(written) // 2) + 1)
    assert follower.refresh()
    assert told(follower.steps) == whole(path)
    other.write_bytes(line_bytes({"step": "third", "fingerprint": "h"}) * 200)
    other.replace(path)
    assert follower.refresh()
    assert list(follower.steps) == ["third"]
    path.unlink()
    assert follower.refresh()
    assert not follower.refresh()
    assert follower.steps == {}


def test_a_damaged_record_is_named_each_time(written: bytes, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(written + b"!!!\n")
    follower = Follower(path)
    for _ in range(2):
        with pytest.raises(BadMetadata, match=r"run\.jsonl is damaged"):
            follower.refresh()
    path.write_bytes(written)
    assert follower.refresh()
    assert told(follower.steps) == whole(path)


def test_a_run_is_followed_line_by_line(tmp_path: Path) -> None:
    path, seen = tmp_path / "run.jsonl", []
    follower = Follower(path)

    def look(block: object) -> None:
        follower.refresh()
        seen.append(len(follower.steps["look"].done))

    Run(Step("look", look), Grid((1, 1, 20), (1, 1, 1)), path, workers=1, group=1).run()
    follower.refresh()
    assert seen == sorted(seen)
    assert 10 < seen[-1] < len(follower.steps["look"].done) == 20
