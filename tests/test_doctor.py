"""The doctor finds each kind of damage, names it, and leaves a healthy store and environment alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import zarr

import ndlab
from ndlab import metadata
from ndlab.doctor import Finding, Report, diagnose, environment
from ndlab.doctor.chunks import decode
from ndlab.geometry import Box, Calibration
from ndlab.metadata import Multiscale
from ndlab.store.backup import backup
from ndlab.store.create import create
from ndlab.store.ingest import ingest
from ndlab.store.memory import MemoryArray
from ndlab.store.multiscale import open_store
from tests.servers import FolderServer, serving

FINE = Calibration((40, 4, 4))


def make(
    url: Path,
    shapes: tuple[tuple[int, ...], ...] = ((8, 40, 41), (8, 20, 21)),
    *,
    shards: tuple[int, ...] | None = (8, 32, 32),
    factors: tuple[tuple[int, int, int], ...] = ((1, 1, 1), (1, 2, 2)),
    filled: int | None = None,
) -> Path:
    """A store of random voxels in its first `filled` levels."""
    scales = tuple(metadata.Scale(f"s{i}", FINE.coarser(f)) for i, f in enumerate(factors))
    stored = create(str(url), Multiscale(("z", "y", "x"), scales), shapes, "u2",
                    chunks=[(8, 16, 16)] * len(shapes), shards=[shards] * len(shapes))  # fmt: skip
    rng = np.random.default_rng(0)
    for level in stored.levels[:filled]:
        level.array.write((0, 0, 0), rng.integers(1, 2000, level.array.shape, "u2"))
    return url


def found(report: Report, what: str) -> Finding:
    """The worst finding about `what`."""
    listed = [f for f in report.findings if f.what == what]
    assert listed, f"nothing about {what}:\n{report}"
    return max(listed, key=lambda f: ("ok", "note", "problem").index(f.status))


def test_a_healthy_store_has_no_finding_but_ok(tmp_path: Path) -> None:
    report = diagnose(make(tmp_path / "a"))
    assert report.ok
    assert {f.status for f in report.findings} == {"ok"}
    assert [f.what for f in report.findings] == ["metadata", "level 1", "chunks 0", "chunks 1"]
    assert found(report, "chunks 0").detail == "all 9 decode"
    assert str(report).endswith("no problem")
    assert json.loads(json.dumps(report.as_dict()))["ok"] is True


def test_nothing_there_and_broken_metadata_are_problems(tmp_path: Path) -> None:
    report = diagnose(tmp_path / "absent")
    assert not report.ok
    assert "nothing at" in found(report, "metadata").detail
    (tmp_path / "slices").mkdir()
    for name in ("a_1.png", "a_3.png"):
        (tmp_path / "slices" / name).write_bytes(b"")
    assert "missing" in found(diagnose(tmp_path / "slices"), "metadata").detail
    (make(tmp_path / "a") / "zarr.json").write_text("{ not json")
    assert "is not JSON" in found(diagnose(tmp_path / "a"), "metadata").detail


def test_a_level_of_the_wrong_size_is_a_problem(tmp_path: Path) -> None:
    report = diagnose(make(tmp_path / "a", ((8, 40, 41), (8, 20, 12))))
    level = found(report, "level 1")
    assert level.status == "problem"
    assert "8 × 20 × 21 was expected" in level.detail
    assert "do not cover the same space" in level.detail
    assert level.remedy == f"ndlab pyramid {tmp_path / 'a'}"


def test_a_level_rounded_down_is_noted(tmp_path: Path) -> None:
    report = diagnose(make(tmp_path / "a", ((8, 40, 41), (8, 20, 20))))
    assert report.ok
    assert found(report, "level 1").status == "note"
    assert "may lack a border" in found(report, "level 1").detail


def test_a_level_of_another_type_is_a_problem(tmp_path: Path) -> None:
    url = make(tmp_path / "a")
    shutil.rmtree(url / "s1")
    zarr.create_array(url / "s1", shape=(8, 20, 21), chunks=(8, 16, 16), dtype="u1", fill_value=1)
    assert "it holds uint8, level 0 holds uint16" in found(diagnose(url), "level 1").detail


def test_a_level_that_is_gone_is_a_problem_and_the_rest_is_still_checked(tmp_path: Path) -> None:
    url = make(tmp_path / "a")
    shutil.rmtree(url / "s1")
    report = diagnose(url)
    assert "no array at" in found(report, "level 1").detail
    assert found(report, "chunks 0").status == "ok"
    assert not any(f.what == "chunks 1" for f in report.findings)


def test_a_stale_level_is_a_problem_with_its_place(tmp_path: Path) -> None:
    url = make(tmp_path / "a")
    ndlab.open(url).write(Box((0, 0, 0), (2, 4, 4)), 7)
    level = found(diagnose(url), "level 1")
    assert level.status == "problem"
    assert "stale" in level.detail
    assert "(0, 0, 0) to (2, 2, 2)" in level.detail


@pytest.mark.parametrize("shards", [None, (8, 32, 32)])
def test_every_damaged_chunk_is_named(tmp_path: Path, shards: tuple[int, ...] | None) -> None:
    url = make(tmp_path / "a", shards=shards)
    damaged = url / "s0" / "c" / "0" / "1" / "1"
    raw = bytearray(damaged.read_bytes())
    if shards is None:
        raw[4:40] = b"\xff" * 36
    else:
        raw[-10] ^= 0xFF  # in the shard's index
    damaged.write_bytes(bytes(raw))
    chunks = found(diagnose(url), "chunks 0")
    assert chunks.status == "problem"
    assert ("(0, 16, 16)" if shards is None else "(0, 32, 32)") in chunks.detail
    assert chunks.detail.startswith("1 of 9 cannot be decoded")
    assert found(diagnose(url), "chunks 1").status == "ok"


def test_many_damaged_chunks_are_counted(tmp_path: Path) -> None:
    url = make(tmp_path / "a", shards=None)
    for path in (url / "s0" / "c").rglob("*"):
        if path.is_file():
            path.write_bytes(b"?")
    detail = found(diagnose(url), "chunks 0").detail
    assert detail.startswith("9 of 9 cannot be decoded")
    assert detail.endswith("and 4 more")


def test_a_sample_looks_at_some_chunks_the_first_and_last_among_them(tmp_path: Path) -> None:
    url = make(tmp_path / "a", shards=None)
    assert found(diagnose(url, sample=3), "chunks 0").detail == "3 of 9 decode"
    assert found(diagnose(url, sample=99), "chunks 0").detail == "all 9 decode"
    (url / "s0" / "c" / "0" / "2" / "2").write_bytes(b"?")
    assert found(diagnose(url, sample=2), "chunks 0").detail.startswith("1 of 2 cannot be decoded: at (0, 32, 32)")


def test_decoding_covers_time_and_channels_once() -> None:
    class Counting(MemoryArray):
        chunks = (1, 2, 4, 4, 4)

        def __init__(self) -> None:
            super().__init__(np.zeros((3, 5, 6, 8, 10), "u1"))
            self.chunks = (1, 2, 4, 4, 4)
            self.seen = np.zeros(self.shape, int)

        def read(self, start: object, stop: object, out: npt.NDArray[np.uint8] | None = None) -> npt.NDArray[np.uint8]:
            self.seen[tuple(map(slice, start, stop))] += 1  # type: ignore[call-overload]
            return np.zeros(1, "u1")

    array, told = Counting(), list[tuple[int, int]]()
    result = decode(array, workers=3, progress=lambda *now: told.append(now))
    assert (result.chunks, result.looked_at, result.bad) == (3 * 3 * 2 * 2 * 3, 3 * 3 * 2 * 2 * 3, ())
    assert array.seen.min() == array.seen.max() == 1
    assert told[-1][0] == told[-1][1] == len(told)


def test_an_empty_coarse_level_beside_a_full_one_is_a_problem(tmp_path: Path) -> None:
    voxels = found(diagnose(make(tmp_path / "a", filled=1)), "voxels")
    assert voxels.status == "problem"
    assert "nothing is stored at level 1" in voxels.detail
    assert found(diagnose(make(tmp_path / "b", filled=0)), "voxels").status == "note"


def test_a_store_without_voxel_size_is_noted(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "a", shape=(4, 4, 4), chunks=(2, 2, 2), dtype="u1")[:] = 3
    assert found(diagnose(tmp_path / "a"), "voxel size").status == "note"
    assert not any(f.what == "voxel size" for f in diagnose(tmp_path / "a", voxel_size=(8, 8, 8)).findings)


def test_a_store_over_http_is_checked(tmp_path: Path) -> None:
    make(tmp_path / "a")
    with serving(FolderServer(tmp_path)) as server:
        report = diagnose(f"{server.url}/a")
    assert report.ok, report
    assert found(report, "chunks 1").status == "ok"


# ------------------------------------------------------------------------------------------------ ingested stores


@pytest.fixture
def ingested(tmp_path: Path) -> Path:
    values = np.random.default_rng(5).integers(0, 255, (16, 80, 80), "u1")
    np.save(tmp_path / "a.npy", values)
    ingest(tmp_path / "a.npy", tmp_path / "em", voxel_size=(40, 4, 4), chunks=(16, 16, 16), shards=(16, 32, 32),
           workers=1, progress=False)  # fmt: skip
    return tmp_path / "em"


def test_an_ingested_store_matches_its_checksums(ingested: Path) -> None:
    report = diagnose(ingested)
    assert report.ok, report
    assert found(report, "checksums").status == "ok"
    assert not any(f.what == "checksums" for f in diagnose(ingested, sample=1).findings)


def test_voxels_changed_behind_ndlabs_back_are_a_problem(ingested: Path) -> None:
    zarr.open_array(ingested / "s0" if (ingested / "s0").exists() else ingested / "0", mode="r+")[3, 70, 70] = 1
    checksums = found(diagnose(ingested), "checksums")
    assert checksums.status == "problem"
    assert "voxels differ" in checksums.detail


def test_voxels_written_through_ndlab_are_only_noted(ingested: Path) -> None:
    ndlab.open(ingested).write(Box((0, 0, 0), (2, 2, 2)), 1)
    assert found(diagnose(ingested), "checksums").status == "note"


def test_an_unfinished_ingest_is_a_problem(ingested: Path) -> None:
    note = json.loads((ingested / ".ndlab" / "ingest.json").read_text())
    (ingested / ".ndlab" / "ingest.json").write_text(json.dumps(note | {"complete": False}))
    assert "begun and not finished" in found(diagnose(ingested), "ingest").detail


def test_a_damaged_backup_is_a_problem(ingested: Path, tmp_path: Path) -> None:
    backup(ingested, tmp_path / "copy")
    assert found(diagnose(tmp_path / "copy"), "backup").status == "ok"
    with (tmp_path / "copy" / "zarr.json").open("a") as file:
        file.write(" ")
    assert "zarr.json differs from its checksum" in found(diagnose(tmp_path / "copy"), "backup").detail


# ------------------------------------------------------------------------------------------------ environment


def test_this_environment_is_fit() -> None:
    report = environment()
    assert report.ok, report
    assert {"Python", "ndlab", "packages", "cores", "memory", "disk", "engine", "xarray"} <= {
        f.what for f in report.findings
    }
    assert f"numpy {np.__version__}" in found(report, "packages").detail


def test_missing_and_old_packages_and_extras_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ndlab-7.dist-info").mkdir()
    (tmp_path / "ndlab-7.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: ndlab\nVersion: 7\nRequires-Dist: numpy>=999\nRequires-Dist: no-such-package\n"
        "Requires-Dist: zarr>=2\nProvides-Extra: moon\nRequires-Dist: no-such-rocket; extra == 'moon'\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    report = environment()
    texts = [f.detail for f in report.problems]
    assert any(t == f"numpy {np.__version__} is too old: ndlab needs >=999" for t in texts)
    assert "no-such-package is not installed" in texts
    assert not any("zarr" in t for t in texts)
    assert found(report, "[moon]").status == "note"
    assert found(report, "[moon]").remedy == 'pip install "ndlab[moon]"'


def test_a_folder_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    assert found(environment(tmp_path / "absent"), "disk").status == "problem"


def test_a_report_counts_problems_and_wraps() -> None:
    one = Finding("a", "problem", "word " * 40, "do this")
    text = str(Report("x", (one, one)))
    assert text.endswith("2 problems")
    assert max(map(len, text.splitlines())) <= 120
    assert text.count("-> do this") == 2


def test_real_stores_open_and_decode(shared_data: Path) -> None:
    """Stores of others: none of those that open has a chunk that cannot be decoded."""
    seen = 0
    for path in sorted((shared_data / "stores").iterdir()):
        try:
            open_store(path)
        except (ValueError, OSError, NotImplementedError):
            continue
        report = diagnose(path, sample=4)
        seen += 1
        assert not any(f.what.startswith("chunks") and f.status == "problem" for f in report.findings), report
    assert seen
