"""Ingest: equal to numpy for every source and format, refused whole where something is wrong, resumable, bounded."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from ndlab.errors import Conflict, NotFound, Problems, RunFailed
from ndlab.store.ingest import ingest, verify
from ndlab.store.multiscale import open_store
from ndlab.store.records import open_record
from tests.store.test_pyramid import assert_pyramid, image, labels, read_level

ROOT = Path(__file__).parents[2]
SIZE = (8, 8, 8)


def smooth(shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """An image that compresses."""
    grids = np.meshgrid(*(np.linspace(0, 3, n) for n in shape), indexing="ij")
    return (100 + 50 * np.sin(sum(grids))).astype(np.uint8)


def write_slices(folder: Path, values: np.ndarray[Any, Any], name: str = "sec{z:04d}.png", first: int = 0) -> Path:
    from PIL import Image

    folder.mkdir(exist_ok=True)
    for z, plane in enumerate(values):
        Image.fromarray(plane).save(folder / name.format(z=z + first))
    return folder


def digests(store: Path) -> dict[str, str]:
    """Content of every file, but for the records of runs, which hold times."""
    return {
        str(path.relative_to(store)): hashlib.blake2b(path.read_bytes()).hexdigest()
        for path in sorted(store.rglob("*"))
        if path.is_file() and "runs" not in path.parts
    }


# ------------------------------------------------------------------------------------------- what is written


@pytest.mark.parametrize("version", ["0.5", "0.4", "precomputed"])
@pytest.mark.parametrize("kind", ["image", "labels"])
def test_array_to_every_format(tmp_path: Path, version: str, kind: str) -> None:
    values = (image if kind == "image" else labels)((70, 90, 130))
    # Precomputed counts offsets in whole voxels of each level.
    offset = (80, 0, 12) if version != "precomputed" else (80, 0, 128)
    made = ingest(values, tmp_path / "v", voxel_size=(40, 4, 4), offset=offset, version=version)
    stored = open_store(tmp_path / "v")
    assert (stored.kind, stored.levels[0].array.dtype) == (kind, values.dtype)
    assert_pyramid(values, stored)
    for level, shape in zip(stored.levels, made.receipt["settings"]["levels"], strict=True):
        assert level.calibration is not None
        assert level.calibration.offset == offset
        assert level.calibration.voxel_size == tuple(s * f for s, f in zip((40, 4, 4), shape["factors"], strict=True))
    assert verify(tmp_path / "v") == []


def test_zarr_python_reads_what_is_written(tmp_path: Path) -> None:
    values = smooth((40, 100, 150))
    ingest(values, tmp_path / "v", voxel_size=SIZE)
    group = zarr.open_group(tmp_path / "v", mode="r")
    level = group["0"]
    assert isinstance(level, zarr.Array)
    np.testing.assert_array_equal(np.asarray(level[...]), values)
    assert level.shards == (64, 128, 256)
    assert level.chunks == (64, 64, 64)
    assert level.metadata.dimension_names == ("z", "y", "x")  # type: ignore[union-attr]


def test_five_axes(tmp_path: Path) -> None:
    values = image((2, 3, 20, 70, 66))
    made = ingest(values, tmp_path / "v", voxel_size=SIZE, channels=["a", "b", "c"])
    assert made.stored.axes == ("t", "c", "z", "y", "x")
    assert [channel.name for channel in made.stored.channels] == ["a", "b", "c"]
    assert_pyramid(values, open_store(tmp_path / "v"))
    assert verify(tmp_path / "v") == []
    assert made.receipt["runs"][0]["blocks"] == 6


def _as_dask(values: np.ndarray[Any, Any], folder: Path) -> Any:
    import dask.array as da

    return da.from_array(values, chunks=(16, 40, 40))


def _as_h5py(values: np.ndarray[Any, Any], folder: Path) -> Any:
    import h5py

    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("a", data=values, chunks=(8, 8, 8))
    return h5py.File(folder / "a.h5", "r")["a"]


def _as_zarr(values: np.ndarray[Any, Any], folder: Path) -> Any:
    return zarr.create_array(folder / "a.zarr", data=values, chunks=(16, 16, 16))


def _as_npy(values: np.ndarray[Any, Any], folder: Path) -> Any:
    np.save(folder / "a.npy", values)
    return str(folder / "a.npy")


def _as_memmap(values: np.ndarray[Any, Any], folder: Path) -> Any:
    np.save(folder / "a.npy", values)
    return np.load(folder / "a.npy", mmap_mode="r")


def _as_big_endian(values: np.ndarray[Any, Any], folder: Path) -> Any:
    return values.astype(values.dtype.newbyteorder(">"))


@pytest.mark.parametrize("make", [_as_dask, _as_h5py, _as_zarr, _as_npy, _as_memmap, _as_big_endian])
def test_any_array(tmp_path: Path, make: Callable[[np.ndarray[Any, Any], Path], Any]) -> None:
    values = np.random.default_rng(0).integers(0, 60000, (33, 70, 80)).astype(np.uint16)
    source = make(values, tmp_path)
    ingest(source, tmp_path / "v", voxel_size=SIZE)
    assert_pyramid(values, open_store(tmp_path / "v"))
    if hasattr(source, "file"):
        source.file.close()


def test_data_array_brings_its_calibration(tmp_path: Path) -> None:
    import xarray as xr

    values = image((20, 30, 70))
    coords = {
        axis: (axis, corner + (np.arange(n) + 0.5) * size, {"units": "um"})
        for axis, n, size, corner in zip("zyx", values.shape, (0.04, 0.004, 0.004), (1, 0, 0), strict=True)
    }
    array = xr.DataArray(values, dims=("z", "y", "x"), coords=coords, name="stack").transpose("x", "z", "y")
    made = ingest(array, tmp_path / "v")
    found = made.stored.levels[0].calibration
    assert found is not None
    assert found.voxel_size == pytest.approx((40, 4, 4))
    assert found.offset == pytest.approx((1000, 0, 0))
    assert made.stored.name == "stack"
    np.testing.assert_array_equal(read_level(made.stored, 0), values)


@pytest.mark.parametrize("memory", [None, "340 MiB"])
def test_folder_of_slices(tmp_path: Path, memory: str | None) -> None:
    """Sections wider than a shard are decoded once each, into memory or a scratch file; both give the same store."""
    values = image((40, 1100, 600))
    folder = write_slices(tmp_path / "slices", values, first=2917)
    lines: list[str] = []
    options: dict[str, Any] = {"shards": (32, 512, 512), "chunks": (32, 64, 64), "task_bytes": "1 MiB"}
    ingest(folder, tmp_path / "v", voxel_size=SIZE, memory=memory, say=lines.append, **options)
    stored = open_store(tmp_path / "v")
    np.testing.assert_array_equal(read_level(stored, 0), values)
    assert_pyramid(values, stored)
    assert verify(tmp_path / "v") == []
    assert ("scratch file of 20.1 MiB" in lines[0]) == (memory is not None)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["slices", "v"], "no scratch file is left"
    blocks = json.loads((tmp_path / "v/.ndlab/checksums.json").read_text())["blocks"]
    assert len(blocks) == 2 * 3 * 2


def test_each_section_is_decoded_once(tmp_path: Path) -> None:
    from ndlab.store.arrays import Level, Stored
    from ndlab.store.ingest.sources import IndexedArray

    values = image((40, 1100, 600))
    read = np.zeros(40, int)

    class Sections(IndexedArray):
        def read(self, start: Any, stop: Any, out: Any = None) -> np.ndarray[Any, Any]:
            read[start[0] : stop[0]] += 1
            return super().read(start, stop, out)

    array = Sections(values, "zyx")
    array.chunks = (1, 1100, 600)
    source = Stored("", "sections", ("z", "y", "x"), (Level(array, None),))
    ingest(source, tmp_path / "v", voxel_size=SIZE, shards=(32, 512, 512), chunks=(32, 64, 64), task_bytes=1, workers=2)
    assert_pyramid(values, open_store(tmp_path / "v"))
    sampled = 8
    assert read.sum() <= 40 + sampled * 32
    assert (read >= 1).all()


def test_channels_and_time_points_from_names(tmp_path: Path) -> None:
    from PIL import Image

    values = image((2, 3, 5, 40, 50))
    folder = tmp_path / "slices"
    folder.mkdir()
    for t, c, z in np.ndindex(2, 3, 5):
        Image.fromarray(values[t, c, z]).save(folder / f"img_t{t}_ch{'rgb'[c]}_z{z}.png")
    made = ingest(folder, tmp_path / "v", voxel_size=SIZE, pattern="img_t{t}_ch{c}_z{z}.png")
    order = [c.name for c in made.stored.channels]
    assert sorted(order) == ["b", "g", "r"]
    np.testing.assert_array_equal(read_level(made.stored, 0), values[:, ["rgb".index(c) for c in order]])


def test_rgb_slices_become_channels(tmp_path: Path) -> None:
    values = image((6, 700, 600, 3))
    folder = write_slices(tmp_path / "slices", values)
    made = ingest(folder, tmp_path / "v", voxel_size=SIZE)
    assert [c.color for c in made.stored.channels] == ["FF0000", "00FF00", "0000FF"]
    np.testing.assert_array_equal(read_level(made.stored, 0), values.transpose(3, 0, 1, 2))
    assert verify(tmp_path / "v") == []


def test_real_fib_sem(tmp_path: Path, shared_data: Path) -> None:
    import h5py

    for name, kind, codec in (("image", "image", ("none", "zstd 1")), ("gt", "labels", ("zstd 1",))):
        (path,) = (p for p in (shared_data / "gala_fibsem_mini").rglob("*.h5") if name in p.name and "train" in p.name)
        with h5py.File(path) as file:
            values = file["stack"][...]
        made = ingest(path, tmp_path / name, dataset="stack", voxel_size=(10, 10, 10))
        assert made.stored.kind == kind
        assert made.stored.levels[0].array.codec in codec
        assert_pyramid(values, made.stored)


# ------------------------------------------------------------------------------------------- codecs, window


def test_codec_is_chosen_by_a_sample(tmp_path: Path) -> None:
    chosen = {
        name: ingest(values, tmp_path / name, voxel_size=SIZE).stored.levels[0].array.codec
        for name, values in (
            ("noise", image((64, 64, 64))),
            ("smooth", smooth((64, 64, 64))),
            ("ids", labels((64,) * 3)),
        )
    }
    assert chosen == {"noise": "none", "smooth": "zstd 1", "ids": "zstd 1"}


@pytest.mark.parametrize(
    ("codec", "words"),
    [
        ({"id": "blosc", "cname": "zstd", "clevel": 3, "shuffle": 2}, "blosc zstd 3"),
        ({"name": "gzip", "configuration": {"level": 4}}, "gzip 4"),
        ("zstd 5", "zstd 5"),
        (None, "none"),
    ],
)
@pytest.mark.parametrize("version", ["0.5", "0.4"])
def test_any_codec(tmp_path: Path, codec: Any, words: str, version: str) -> None:
    values = smooth((40, 70, 70))
    made = ingest(values, tmp_path / "v", voxel_size=SIZE, codec=codec, version=version)
    assert made.stored.levels[0].array.codec == words
    assert_pyramid(values, made.stored)


def test_window_is_the_half_percent_percentiles(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = np.stack([rng.normal(120, 10, (70, 80, 200)), rng.normal(60, 20, (70, 80, 200))]).clip(0, 255)
    made = ingest(values.astype(np.uint8), tmp_path / "v", voxel_size=SIZE)
    for channel, one in zip(made.stored.channels, values.astype(np.uint8), strict=True):
        assert channel.window is not None
        assert channel.window == pytest.approx(np.percentile(one, (0.5, 99.5)), abs=1)
        assert channel.limits == (0, 255)


def test_window_of_floats_and_of_a_constant(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(5, 1, (40, 50, 60)).astype(np.float32)
    values[0, 0, 0] = np.nan
    window = ingest(values, tmp_path / "f", voxel_size=SIZE).stored.channels[0].window
    assert window == pytest.approx(np.nanpercentile(values, (0.5, 99.5)), abs=0.3)
    constant = ingest(np.full((9, 9, 9), 7, np.uint8), tmp_path / "c", voxel_size=SIZE)
    assert constant.stored.channels[0].window == (0, 255)


# ------------------------------------------------------------------------------------------- what is refused


def refused(tmp_path: Path, source: Any, dest: str = "v", **options: Any) -> list[str]:
    """The problems, after a look that nothing was written."""
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(Problems, match="nothing was written") as caught:
        ingest(source, tmp_path / dest, **options)
    assert sorted(tmp_path.rglob("*")) == before
    return caught.value.problems


def test_everything_wrong_is_said_at_once(tmp_path: Path) -> None:
    folder = write_slices(tmp_path / "slices", image((8, 40, 50)))
    (folder / "sec0003.png").unlink()
    (folder / "sec0005.png").write_bytes((folder / "sec0005.png").read_bytes()[:60])
    write_slices(folder, image((1, 41, 50)), "sec{z:04d}.png", first=6)
    problems = refused(tmp_path, folder, "bad name!", voxel_size=(0, 4, 4), codec="zap", levels=0, memory="1 MiB")
    text = "\n".join(problems)
    for words in ("bad name!", "voxel_size was (0, 4, 4)", "codec 'zap'", "levels=0", "memory='1 MiB'", "3", "sec0005",
                  "sec0006.png", "40"):  # fmt: skip
        assert words in text
    assert len(problems) >= 8


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: (f / "sec0002.png").unlink(), "2"),
        (lambda f: write_slices(f, image((1, 40, 50)), "sec{z:05d}.png", first=2), "2 times"),
        (lambda f: write_slices(f, image((1, 40, 51)), first=2), "51 x 40"),
        (lambda f: write_slices(f, image((1, 40, 50)).astype(np.uint16), first=2), "pixels"),
        (lambda f: write_slices(f, image((1, 40, 50, 3)), first=2), "pixels"),
        (lambda f: (f / "sec0002.png").write_bytes(b""), "sec0002.png"),
        (lambda f: (f / "sec0002.png").write_bytes(b"no picture"), "sec0002.png"),
        (lambda f: write_slices(f, image((1, 40, 50)), "sec{z:04d}.tif", first=4), "mixed"),
        (lambda f: write_slices(f, image((1, 40, 50)), "overview.png"), "overview.png"),
    ],
)
def test_bad_folders(tmp_path: Path, change: Callable[[Path], Any], words: str) -> None:
    folder = write_slices(tmp_path / "slices", image((4, 40, 50)))
    change(folder)
    problems = refused(tmp_path, folder, voxel_size=SIZE)
    assert any(words in problem for problem in problems), problems


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "no voxel size"),
        ({"voxel_size": (0, 4, 4)}, "three positive numbers"),
        ({"voxel_size": (4, 4)}, "three positive numbers"),
        ({"voxel_size": 4}, "voxel_size was 4. a voxel size is three positive numbers"),
        ({"voxel_size": "40,4,4"}, "voxel_size was '40,4,4'"),
        ({"voxel_size": (4, 4, float("nan"))}, "three positive numbers"),
        ({"voxel_size": (4, 4, 4), "unit": "furlong"}, "furlong"),
        ({"voxel_size": SIZE, "offset": (1, 2)}, "offset"),
        ({"voxel_size": SIZE, "kind": "picture"}, "kind"),
        ({"voxel_size": SIZE, "version": "0.6"}, "version"),
        ({"voxel_size": SIZE, "chunks": (0, 8, 8)}, "chunks=(0, 8, 8): three whole numbers"),
        ({"voxel_size": SIZE, "chunks": 8}, "chunks=8: three whole numbers"),
        ({"voxel_size": SIZE, "shards": "big"}, "shards='big': three whole numbers"),
        ({"voxel_size": SIZE, "levels": "3"}, "levels='3': level 0 always exists"),
        ({"voxel_size": SIZE, "chunks": (8, 8, 8), "shards": (12, 8, 8)}, "whole numbers of chunks"),
        ({"voxel_size": SIZE, "shards": (100, 100, 100)}, "give chunks"),
        ({"voxel_size": SIZE, "shards": (64, 64, 64), "version": "0.4"}, "only version 0.5"),
        ({"voxel_size": SIZE, "codec": {"id": "nothing"}}, "nothing"),
        ({"voxel_size": SIZE, "codec": "blosc", "version": "precomputed"}, "compressed_segmentation"),
        ({"voxel_size": SIZE, "channels": ["a", "b"]}, "2 channel names for 1 channels"),
        ({"voxel_size": SIZE, "offset": (8, 8, 12), "version": "precomputed"}, "whole voxels"),
        ({"voxel_size": SIZE, "memory": "much"}, "memory"),
        ({"voxel_size": SIZE, "memory": 1000}, "at least"),
        ({"voxel_size": SIZE, "axes": "zy"}, "axes"),
    ],
)
def test_bad_options(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    problems = refused(tmp_path, image((8, 9, 10)), **options)
    assert any(words in problem for problem in problems), problems


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (np.zeros((2, 2, 2), complex), "complex"),
        (np.zeros((0, 5, 5), np.uint8), "no voxel"),
        (np.zeros((1,) * 6, np.uint8), "1 to 5 axes"),
        (object(), "source is an address"),
        ("/nowhere/at/all", "nothing at"),
    ],
)
def test_bad_sources(tmp_path: Path, source: Any, words: str) -> None:
    problems = refused(tmp_path, source, voxel_size=SIZE)
    assert any(words in problem for problem in problems), problems


def test_labels_that_are_no_whole_numbers(tmp_path: Path) -> None:
    problems = refused(tmp_path, np.zeros((4, 4, 4), np.float32), voxel_size=SIZE, kind="labels")
    assert "labels are whole numbers" in problems[0]


@pytest.mark.parametrize("name", ["with space", "a:b", ".hidden", "Ünicode", "x" * 201, "a*b"])
def test_bad_destination_names(tmp_path: Path, name: str) -> None:
    assert "destination name" in refused(tmp_path, image((4, 4, 4)), name, voxel_size=SIZE)[0]


def test_destinations_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.txt").write_text("x")
    zarr.create_array(tmp_path / "store", shape=(4, 4, 4), dtype="u1")
    values = image((4, 4, 4))
    assert "is a file" in refused(tmp_path, values, "file", voxel_size=SIZE)[0]
    assert "holds other things" in refused(tmp_path, values, "folder", voxel_size=SIZE)[0]
    assert "holds other things" in refused(tmp_path, values, "folder", voxel_size=SIZE, overwrite=True)[0]
    assert "a store is at" in refused(tmp_path, values, "store", voxel_size=SIZE)[0]
    problems = refused(tmp_path, tmp_path / "store", "store/inside", voxel_size=SIZE)
    assert "in one another" in problems[0]
    with pytest.raises(Problems, match="read-only"):
        ingest(values, "http://127.0.0.1/v", voxel_size=SIZE)
    assert ingest(values, tmp_path / "store", voxel_size=SIZE, overwrite=True).stored.format == "OME-Zarr 0.5"


def test_a_unitless_scale_is_no_voxel_size(tmp_path: Path) -> None:
    """1, 1, 10 of what? The unit is asked for, and it reaches every level."""
    group = zarr.create_group(tmp_path / "source", zarr_format=2)
    group.create_array("0", data=image((20, 80, 80)), chunks=(8, 16, 16))
    group.attrs["multiscales"] = [
        {
            "version": "0.4",
            "axes": [{"name": n, "type": "space"} for n in "zyx"],
            "datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [10, 1, 1]}]}],
        }
    ]
    assert "without a length unit" in refused(tmp_path, tmp_path / "source")[0]
    made = ingest(tmp_path / "source", tmp_path / "v", unit="micrometer")
    sizes = [level.calibration.voxel_size for level in made.stored.levels if level.calibration is not None]
    assert sizes == [(10_000, 1000, 1000), (10_000, 2000, 2000)]
    made = ingest(tmp_path / "source", tmp_path / "w", voxel_size=(0.05, 0.004, 0.004), unit="um")
    assert made.stored.levels[0].calibration is not None
    assert made.stored.levels[0].calibration.voxel_size == (50, 4, 4)


def test_a_full_disk_is_foreseen(tmp_path: Path) -> None:
    petabyte = np.broadcast_to(np.uint8(3), (100_000, 100_000, 100_000))
    problems = refused(tmp_path, petabyte, voxel_size=SIZE, codec=None)
    assert "are free on that disk" in problems[0]


# ------------------------------------------------------------------------------------------- resuming


_INGEST = """
import sys, numpy as np
from ndlab.store.ingest import ingest
source = sys.argv[1]
ingest(np.load(source, mmap_mode="r") if source.endswith(".npy") else source, sys.argv[2], voxel_size=(40, 4, 4),
       chunks=(16, 32, 32), shards=(16, 64, 64), memory=sys.argv[3], task_bytes="64 KiB", name="v", workers=2)
"""


def run_ingest(source: Path, dest: Path, memory: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", _INGEST, str(source), str(dest), memory], cwd=ROOT)


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 8))])
@pytest.mark.parametrize("sort", ["array", "slices"])
def test_resumes_after_kill_minus_nine(tmp_path: Path, seed: int, sort: str) -> None:
    """Killed at random moments, up to three times: the store ends up the same, byte for byte."""
    rng = np.random.default_rng(seed)
    values = np.concatenate([smooth((40, 300, 300)), image((40, 300, 300))])
    memory = "2 GiB"
    if sort == "array":
        np.save(tmp_path / "a.npy", values)
        source = tmp_path / "a.npy"
    else:
        source = write_slices(tmp_path / "slices", values)
        memory = ("340 MiB", "2 GiB")[seed % 2]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert run_ingest(source, whole, memory).wait() == 0
    kills = 0
    for _ in range(3):
        process = run_ingest(source, killed, memory)
        record = killed / ".ndlab" / "runs" / "ingest.jsonl"
        lines, deadline = int(rng.integers(1, 60)), time.monotonic() + 30
        while process.poll() is None and time.monotonic() < deadline:
            if record.exists() and record.read_bytes().count(b"\n") >= lines:
                time.sleep(float(rng.random()) * 0.01)
                break
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    assert kills, "at least one was cut off"
    assert run_ingest(source, killed, memory).wait() == 0
    assert json.loads((killed / ".ndlab/ingest.json").read_text())["complete"]
    expected, found = digests(whole), digests(killed)
    assert found == expected
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([source.name, "whole", "killed"])
    assert_pyramid(values, open_store(killed))


def test_a_finished_ingest_is_not_repeated(tmp_path: Path) -> None:
    values = image((20, 30, 40))
    ingest(values, tmp_path / "v", voxel_size=SIZE)
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "v" / "0").rglob("*")}
    again = ingest(values, tmp_path / "v", voxel_size=SIZE)
    assert again.receipt["skipped"] == "finished before"
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "v" / "0").rglob("*")} == before


def test_other_settings_or_other_voxels_do_not_resume(tmp_path: Path) -> None:
    values = image((20, 30, 40))
    ingest(values, tmp_path / "v", voxel_size=SIZE)
    with pytest.raises(Conflict, match="these differ: voxel_size"):
        ingest(values, tmp_path / "v", voxel_size=(8, 8, 9))
    with pytest.raises(Conflict, match="the voxels of the source"):
        ingest(255 - values, tmp_path / "v", voxel_size=SIZE)
    made = ingest(255 - values, tmp_path / "v", voxel_size=SIZE, overwrite=True)
    np.testing.assert_array_equal(read_level(made.stored, 0), 255 - values)
    assert verify(tmp_path / "v") == []


def test_two_ingests_into_one_store_are_refused(tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    with (
        open_record(str(tmp_path / "v"), "ingest"),
        pytest.raises(Conflict, match="held by another Run"),
    ):
        ingest(image((20, 30, 40)), tmp_path / "v", voxel_size=SIZE)


def test_a_source_that_breaks_half_way_can_be_mended(tmp_path: Path) -> None:
    values = image((64, 64, 64))

    class Broken:
        shape, dtype = values.shape, values.dtype
        bad = True

        def __getitem__(self, key: tuple[slice, ...]) -> np.ndarray[Any, Any]:
            if self.bad and key[0].stop - key[0].start == 32 and key[0].start == 32:
                raise OSError("input/output error")
            return values[key]

    source = Broken()
    options: dict[str, Any] = {"voxel_size": SIZE, "shards": (32, 64, 64), "chunks": (16, 16, 16)}
    options |= {"levels": 2, "task_bytes": 1}
    with pytest.raises(RunFailed, match="1 of 2 blocks failed, 1 are done") as caught:
        ingest(source, tmp_path / "v", **options)
    assert "input/output error" in str(caught.value)
    with pytest.raises(Conflict, match="begun and not finished"):
        ingest(source, tmp_path / "v", resume=False, **options)
    source.bad = False
    made = ingest(source, tmp_path / "v", **options)
    assert made.receipt["runs"][0]["skipped"] == 1
    assert_pyramid(values, made.stored)


# ------------------------------------------------------------------------------------------- checksums, memory, Dask


def test_verify_finds_a_changed_voxel(tmp_path: Path) -> None:
    values = image((40, 80, 80))
    ingest(values, tmp_path / "v", voxel_size=SIZE, shards=(16, 32, 32), chunks=(16, 16, 16), levels=1, task_bytes=1)
    path = next(p for p in (tmp_path / "v" / "0" / "c").rglob("*") if p.is_file())
    raw = bytearray(path.read_bytes())
    raw[17] ^= 1
    path.write_bytes(raw)
    found = verify(tmp_path / "v")
    assert len(found) == 1
    assert "differ" in found[0] or "cannot be read" in found[0]
    zarr.create_array(tmp_path / "plain", shape=(4, 4, 4), dtype="u1")
    with pytest.raises(NotFound, match="no checksums"):
        verify(tmp_path / "plain")


_BIG = """
import sys, numpy as np
from ndlab.store.ingest import ingest
from ndlab.store.multiscale import open_store

class Upsampled:
    '''A real segmentation, each voxel repeated: 512^3 uint64 ids, 2 GiB of which a block at a time exists.'''
    def __init__(self, url):
        self.array = open_store(url).levels[0].array
        self.factors = (2, 2, 4)
        self.shape = (512, 512, 1024)
        self.dtype = np.dtype("uint64")
    def __getitem__(self, key):
        start = [k.start // f for k, f in zip(key, self.factors)]
        stop = [-(-k.stop // f) for k, f in zip(key, self.factors)]
        values = self.array.read(start, stop).astype("uint64")
        for axis, f in enumerate(self.factors):
            values = np.repeat(values, f, axis)
        return values[tuple(slice(k.start - a * f, k.stop - a * f) for k, a, f in zip(key, start, self.factors))]

source = Upsampled(sys.argv[1])
assert np.prod(source.shape) * 8 == 2 << 30
made = ingest(source, sys.argv[2], voxel_size=(20, 16, 8), memory="1 GiB")
assert made.stored.kind == "labels"
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(made.receipt["memory"], int(peak.split()[1]) << 10)
"""


def test_two_gigabytes_of_labels_under_one_gigabyte(tmp_path: Path, shared_data: Path) -> None:
    source = shared_data / "pinky_segmentation" / "zarr3_sharded.ome.zarr"
    command = [sys.executable, "-c", _BIG, str(source), str(tmp_path / "v")]
    output = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    stated, peak = map(int, output.split())
    assert peak < 1 << 30
    assert peak <= stated <= 1 << 30, "it keeps what it states"
    stored = open_store(tmp_path / "v")
    original = open_store(source).levels[0].array
    np.testing.assert_array_equal(
        stored.levels[0].array.read((300, 200, 400), (310, 220, 440))[::2, ::2, ::4],
        original.read((150, 100, 100), (155, 110, 110)),
    )
    # Majority of equal voxels: two levels up nothing is lost in y and x.
    assert stored.levels[1].array.shape == (512, 512, 512)


def test_on_a_dask_cluster(tmp_path: Path) -> None:
    import distributed

    values = image((40, 1100, 600))
    folder = write_slices(tmp_path / "slices", values)
    np.save(tmp_path / "a.npy", values)
    options: dict[str, Any] = {"voxel_size": SIZE, "shards": (32, 512, 512), "chunks": (32, 64, 64), "name": "v"}
    options["task_bytes"] = "1 MiB"
    ingest(folder, tmp_path / "threads", client=False, **options)
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", host="127.0.0.1"
    )
    with cluster, distributed.Client(cluster):
        made = ingest(folder, tmp_path / "cluster", **options)
        assert all(run["runner"].startswith("Dask client") for run in made.receipt["runs"])
        made = ingest(tmp_path / "a.npy", tmp_path / "file", **options)
        assert made.receipt["runs"][0]["runner"].startswith("Dask client")
        made = ingest(values, tmp_path / "memory", **options)
        assert made.receipt["runs"][0]["runner"].endswith("threads"), "an array in memory does not travel"
    expected = digests(tmp_path / "threads")
    assert digests(tmp_path / "cluster") == expected
    says_its_source = {"zarr.json", ".ndlab/ingest.json"}
    for other in ("file", "memory"):
        found = digests(tmp_path / other)
        assert found.keys() == expected.keys()
        assert {k for k in found if found[k] != expected[k]} == says_its_source
