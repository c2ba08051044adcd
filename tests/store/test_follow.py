"""Following a microscope: sections appear once they are whole, at every level, and nothing is lost on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ndlab.errors import Conflict, NotFound, Problems
from ndlab.store import state
from ndlab.store.follow import Followed, follow
from ndlab.store.ingest import verify
from ndlab.store.multiscale import open_store
from ndlab.store.records import open_record
from tests.store.test_pyramid import assert_pyramid, image, read_level

ROOT = Path(__file__).parents[2]
VALUES = image((40, 150, 200))
QUICK: dict[str, Any] = {"voxel_size": (40, 4, 4), "settle": 0.02, "poll": 0.01}


def land(folder: Path, sections: range, values: np.ndarray[Any, Any] = VALUES, name: str = "s{z:03d}.png") -> None:
    """Put sections into the folder, each whole at once."""
    folder.mkdir(exist_ok=True)
    for z in sections:
        part = folder / f".{z}.part"
        Image.fromarray(values[z]).save(part, format="PNG")
        part.rename(folder / name.format(z=z))


def assert_followed(path: Path, values: np.ndarray[Any, Any]) -> None:
    stored = open_store(path)
    np.testing.assert_array_equal(read_level(stored, 0), values)
    assert_pyramid(values, stored)
    assert verify(path) == []
    assert state.read(stored.url).stale == {}


@pytest.mark.parametrize("version", ["0.5", "0.4"])
def test_sections_are_appended_and_the_pyramid_follows(tmp_path: Path, version: str) -> None:
    folder, path = tmp_path / "in", tmp_path / "v"
    land(folder, range(5))
    depths: list[int] = []
    options = QUICK | {"version": version, "on_batch": depths.append}
    found = follow(folder, path, sections=5, **options)
    assert (found.sections, found.stopped) == (5, "sections")
    assert_followed(path, VALUES[:5])
    window = found.stored.channels[0].window
    land(folder, range(5, 40))
    found = follow(folder, path, idle=0.3, **options)
    assert (found.sections, found.stopped) == (40, "idle")
    assert {5, 16, 32, 40} <= set(depths), "batches end with the layers of shards"
    assert len(depths) < 20, "several that have landed make one batch"
    assert_followed(path, VALUES)
    assert window == found.stored.channels[0].window == (1, 254)


def test_readable_while_sections_land(tmp_path: Path) -> None:
    """Files grow byte by byte and out of order; a reader beside sees whole sections only."""
    folder, path = tmp_path / "in", tmp_path / "v"
    folder.mkdir()
    stop = threading.Event()
    results: list[Followed | BaseException] = []

    def run() -> None:
        try:
            results.append(follow(folder, path, stop=stop, **QUICK | {"settle": 0.1}))
        except BaseException as error:
            results.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    seen: set[int] = set()
    whole = tmp_path / "whole"
    land(whole, range(24))
    for z in [0, 2, 1, *range(3, 24)]:
        raw = (whole / f"s{z:03d}.png").read_bytes()
        with open(folder / f"s{z:03d}.png", "wb") as file:
            for part in (raw[: len(raw) // 2], raw[len(raw) // 2 :]):
                file.write(part)
                file.flush()
                time.sleep(0.01)
        seen.add(check_what_is_there(path))
    deadline = time.monotonic() + 30
    while check_what_is_there(path) < 24 and time.monotonic() < deadline and not results:
        seen.add(check_what_is_there(path))
        time.sleep(0.02)
    stop.set()
    thread.join()
    assert isinstance(results[0], Followed), results
    assert (results[0].sections, results[0].stopped) == (24, "stop")
    assert len(seen) > 2, "the volume grew step by step"
    assert_followed(path, VALUES[:24])


def check_what_is_there(path: Path) -> int:
    """Every section that the metadata names is there; return how many."""
    if not (path / "zarr.json").exists():
        return 0
    stored = open_store(path)
    array = stored.levels[0].array
    depth = array.shape[0]
    np.testing.assert_array_equal(array.read((0, 0, 0), (depth, *array.shape[1:])), VALUES[:depth])
    for level, shape in zip(stored.levels, array_shapes(stored), strict=True):
        assert level.array.shape[0] >= shape, "no level lags behind the finest"
    return int(depth)


def array_shapes(stored: Any) -> list[int]:
    depth = stored.levels[0].array.shape[0]
    sizes = [level.calibration.voxel_size[0] for level in stored.levels]
    return [int((depth - 1) // (size / sizes[0]) + 1) for size in sizes]


def test_a_gap_is_waited_for(tmp_path: Path) -> None:
    folder, path = tmp_path / "in", tmp_path / "v"
    land(folder, range(4))
    land(folder, range(5, 9))
    assert follow(folder, path, idle=0.2, **QUICK).sections == 4
    land(folder, range(4, 5))
    assert follow(folder, path, idle=0.2, **QUICK).sections == 9
    assert_followed(path, VALUES[:9])


def test_channels(tmp_path: Path) -> None:
    folder, path = tmp_path / "in", tmp_path / "v"
    values = np.stack([VALUES, 255 - VALUES])
    options = QUICK | {"pattern": "z{z}_{c}.png"}
    for c, name in enumerate("ab"):
        land(folder, range(6 if c else 9), values[c], f"z{{z}}_{name}.png")
    made = follow(folder, path, idle=0.3, **options)
    assert made.sections == 6, "sections 6 to 8 lack a channel"
    land(tmp_path / "late", range(3), values[0], "z{z}_a.png")
    with pytest.raises(NotFound, match="no section has landed"):
        follow(tmp_path / "late", tmp_path / "w", idle=0.2, channels=["a", "b"], **options)
    land(folder, range(6, 9), values[1], "z{z}_b.png")
    made = follow(folder, path, idle=0.3, **options)
    assert [channel.name for channel in made.stored.channels] == ["a", "b"]
    assert_followed(path, values[:, :9])
    follow(tmp_path / "late", tmp_path / "w", idle=0.2, **options)
    land(tmp_path / "late", range(5), values[1], "z{z}_b.png")
    land(tmp_path / "late", range(3, 5), values[0], "z{z}_a.png")
    with pytest.raises(Conflict, match="these differ: channels"):
        follow(tmp_path / "late", tmp_path / "w", idle=0.2, **options)


_FOLLOW = """
import sys
from ndlab.store.follow import follow
follow(sys.argv[1], sys.argv[2], voxel_size=(40, 4, 4), sections=40, settle=0, poll=0.01, idle=20, name="v",
       chunks=(4, 32, 32), shards=(8, 64, 64))
"""


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 8))])
def test_goes_on_after_kill_minus_nine(tmp_path: Path, seed: int) -> None:
    folder, path = tmp_path / "in", tmp_path / "v"
    land(folder, range(40))
    command = [sys.executable, "-c", _FOLLOW, str(folder)]
    subprocess.run([*command, str(tmp_path / "whole")], check=True, cwd=ROOT)
    rng, kills = np.random.default_rng(seed), 0
    for _ in range(4):
        with subprocess.Popen([*command, str(path)], cwd=ROOT) as process:
            deadline = time.monotonic() + 30
            while not (path / ".ndlab/follow.json").exists() and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.002)
            time.sleep(float(rng.random()) * 0.3)
            os.kill(process.pid, signal.SIGKILL)
        kills += process.returncode == -signal.SIGKILL
        if (path / "zarr.json").exists():
            check_what_is_there(path)
    assert kills
    subprocess.run([*command, str(path)], check=True, cwd=ROOT)
    assert_followed(path, VALUES)
    for file in sorted((tmp_path / "whole").rglob("*")):
        if file.is_file() and ".ndlab" not in file.parts and file.name != "zarr.json":
            assert (path / file.relative_to(tmp_path / "whole")).read_bytes() == file.read_bytes()


def test_a_file_that_never_gets_whole_is_named(tmp_path: Path) -> None:
    folder, path = tmp_path / "in", tmp_path / "v"
    land(folder, range(3))
    (folder / "s003.png").write_bytes((folder / "s002.png").read_bytes()[:500])
    with pytest.raises(Problems, match=r"s003\.png rests and cannot be read"):
        follow(folder, path, patience=0.2, **QUICK)
    assert_volume_is_three_deep(path)
    land(folder, range(3, 4))
    follow(folder, path, sections=4, **QUICK)
    assert_followed(path, VALUES[:4])


def assert_volume_is_three_deep(path: Path) -> None:
    assert_pyramid(VALUES[:3], open_store(path))


def test_a_section_of_another_size_stops_it(tmp_path: Path) -> None:
    folder, path = tmp_path / "in", tmp_path / "v"
    land(folder, range(3))
    follow(folder, path, sections=3, **QUICK)
    Image.fromarray(image((151, 200))).save(folder / "s003.png")
    with pytest.raises(Exception, match=r"s003\.png"):
        follow(folder, path, sections=4, **QUICK)
    assert_volume_is_three_deep(path)


def test_a_section_before_the_first_is_refused(tmp_path: Path) -> None:
    folder, path = tmp_path / "in", tmp_path / "v"
    land(folder, range(3, 6))
    assert follow(folder, path, idle=0.2, **QUICK).sections == 3
    land(folder, range(2, 3))
    with pytest.raises(Conflict, match=r"section 2 landed .* begins with section 3"):
        follow(folder, path, idle=0.2, **QUICK)


def test_other_settings_do_not_go_on(tmp_path: Path) -> None:
    folder, path = tmp_path / "in", tmp_path / "v"
    land(folder, range(3))
    follow(folder, path, sections=3, **QUICK)
    with pytest.raises(Conflict, match="these differ: voxel_size"):
        follow(folder, path, sections=3, **QUICK | {"voxel_size": (50, 4, 4)})
    with open_record(str(path), "follow"), pytest.raises(Conflict, match="held by another Run"):
        follow(folder, path, sections=3, **QUICK)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"voxel_size": None}, "no voxel size"),
        ({"voxel_size": (0, 4, 4)}, "three positive numbers"),
        ({"version": "precomputed"}, "one extent for good"),
        ({"codec": "zap"}, "zap"),
        ({"chunks": (1, 2)}, "three whole numbers"),
    ],
)
def test_bad_options_write_nothing(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    land(tmp_path / "in", range(2))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(Problems, match=words):
        follow(tmp_path / "in", tmp_path / "v", idle=0.1, **QUICK | options)
    assert sorted(tmp_path.rglob("*")) == before


def test_nothing_landed(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(NotFound, match="no section has landed"):
        follow(tmp_path / "in", tmp_path / "v", idle=0.1, **QUICK)
    with pytest.raises(Problems, match="no folder"):
        follow(tmp_path / "nowhere", tmp_path / "v", idle=0.1, **QUICK)
    land(tmp_path / "full", range(1))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("x")
    with pytest.raises(Problems, match="holds other things"):
        follow(tmp_path / "full", tmp_path / "other", idle=0.1, **QUICK)
