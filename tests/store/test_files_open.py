"""Which reader opens what, and the promises that hold for all of them."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import nibabel
import nrrd
import numpy as np
import pytest
import tifffile
from PIL import Image

from ndlab.errors import BadRequest, NotFound, Unsupported
from ndlab.store.arrays import Array
from ndlab.store.files import can_open, open_file
from ndlab.store.files.kept import Kept
from ndlab.store.files.units import nm_per, seconds_per
from tests.store.reading import numbers

VALUES = numbers((6, 20, 24), "u1")
FORMATS = ("HDF5", "NIfTI-1", "NRRD", "NumPy", "PNG slices", "TIFF", "TIFF tiles", "gzip NIfTI-1")


@pytest.fixture(scope="module")
def one_of_each(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("each")
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("v", data=VALUES, chunks=(2, 8, 8), compression="gzip")
    nibabel.save(nibabel.Nifti1Image(VALUES.T, np.eye(4)), folder / "a.nii")
    nibabel.save(nibabel.Nifti1Image(VALUES.T, np.eye(4)), folder / "a.nii.gz")
    nrrd.write(str(folder / "a.nrrd"), VALUES.T)
    np.save(folder / "a.npy", VALUES)
    (folder / "slices").mkdir()
    for i, plane in enumerate(VALUES):
        Image.fromarray(plane).save(folder / "slices" / f"{i}.png")
    tifffile.imwrite(folder / "a.tif", VALUES, photometric="minisblack")
    tifffile.imwrite(folder / "b.tif", VALUES, photometric="minisblack", tile=(16, 16), compression="zlib")
    names = ("a.h5", "a.nii", "a.nrrd", "a.npy", "slices", "a.tif", "b.tif", "a.nii.gz")
    return {kind: folder / name for kind, name in zip(FORMATS, names, strict=True)}


@pytest.mark.parametrize("kind", FORMATS)
def test_each_format_opens_by_path_or_text_and_says_what_it_is(one_of_each: dict[str, Path], kind: str) -> None:
    path = one_of_each[kind]
    assert can_open(path)
    for address in (path, str(path)):
        stored = open_file(address)
        assert stored.format == kind.removeprefix("gzip ").removesuffix(" tiles")
        assert stored.levels[0].array.read((1, 2, 3), (5, 19, 23)).tolist() == VALUES[1:5, 2:19, 3:23].tolist()


@pytest.mark.parametrize("kind", FORMATS)
def test_content_decides_where_a_name_misleads(one_of_each: dict[str, Path], kind: str, tmp_path: Path) -> None:
    path = one_of_each[kind]
    if path.is_dir() or "NIfTI" in kind:
        return  # A folder has no content to look at; NIfTI goes by its name, as in its own tools.
    (tmp_path / "nameless").write_bytes(path.read_bytes())
    assert open_file(tmp_path / "nameless").levels[0].array.shape == VALUES.shape


def _sum(array: Array, z: int) -> int:
    return int(array.read((z, 0, 0), (z + 1, *array.shape[1:])).sum())


def test_arrays_travel_to_spawned_processes(one_of_each: dict[str, Path]) -> None:
    arrays = [open_file(path).levels[0].array for path in one_of_each.values()]
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        for z in (0, 5):
            sums = list(pool.map(_sum, arrays, [z] * len(arrays)))
            assert sums == [int(VALUES[z].sum())] * len(arrays)


@pytest.mark.parametrize("kind", FORMATS)
def test_threads_read_at_once(one_of_each: dict[str, Path], kind: str) -> None:
    array = open_file(one_of_each[kind]).levels[0].array
    wrong: list[Any] = []
    start = threading.Barrier(6)

    def look(seed: int) -> None:
        start.wait()
        rng = np.random.default_rng(seed)
        for _ in range(10):
            a, b = np.sort(rng.integers(0, np.array(VALUES.shape) + 1, (2, 3)), axis=0)
            if not np.array_equal(array.read(a, b), VALUES[tuple(map(slice, a, b))]):
                wrong.append((a, b))

    threads = [threading.Thread(target=look, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_what_is_not_there_or_not_known_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"nothing at .*nowhere\.tif"):
        open_file(tmp_path / "nowhere.tif")
    assert not can_open(tmp_path / "nowhere.tif")
    (tmp_path / "movie.avi").write_bytes(b"RIFF1234AVI ")
    with pytest.raises(Unsupported, match=r"of no format that ndlab knows.*HDF5.*NumPy \(\.npy\)"):
        open_file(tmp_path / "movie.avi")
    assert not can_open(tmp_path / "movie.avi")


@pytest.mark.parametrize(
    ("name", "noun"),
    [("a.graphml", "a graph"), ("A.CSV", "a table"), ("cell.swc", "a skeleton"), ("objects.sqlite", "a database")],
)
def test_graphs_and_tables_are_refused_by_name(tmp_path: Path, name: str, noun: str) -> None:
    (tmp_path / name).write_text("x")
    with pytest.raises(Unsupported, match=rf"{name} is {noun}, not a volume.*read it with") as caught:
        open_file(tmp_path / name)
    assert caught.value.feature == noun
    assert not can_open(tmp_path / name)


def test_a_folder_of_files_that_are_volumes_names_them(tmp_path: Path) -> None:
    for name in ("b.nii.gz", "a.npy", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(
        NotFound, match=r"no numbered slices in .*, but a\.npy, b\.nii\.gz\. open one of them: .*a\.npy"
    ):
        open_file(tmp_path)


def test_an_option_that_the_format_lacks_is_named(one_of_each: dict[str, Path]) -> None:
    with pytest.raises(BadRequest, match=r"option 'pattern' for .*a\.h5.*this format takes dataset, axes"):
        open_file(one_of_each["HDF5"], pattern="{z}.png")


def test_nothing_heavy_is_imported_before_a_file_is_opened() -> None:
    heavy = ["h5py", "tifffile", "imagecodecs", "PIL", "nibabel", "nrrd"]
    code = f"import sys, ndlab.store.files, ndlab.store.export; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_kept_things_are_made_once_and_the_oldest_go_first() -> None:
    kept: Kept[bytes] = Kept(10, len)
    made: list[str] = []

    def make(key: str, size: int) -> bytes:
        made.append(key)
        return bytes(size)

    for key in ("a", "b", "a", "c", "a", "b"):
        kept.get(key, lambda key=key: make(key, 4))  # type: ignore[misc]
    assert made == ["a", "b", "c", "b"]
    for _ in range(2):
        kept.get("big", lambda: make("big", 11))
    assert made[-2:] == ["big", "big"]
    with pytest.raises(ZeroDivisionError):
        kept.get("bad", lambda: bytes(1 // 0))
    assert kept.get("bad", lambda: b"ok") == b"ok"


def test_threads_that_ask_for_the_same_thing_make_it_once() -> None:
    kept: Kept[int] = Kept(4)
    made: list[int] = []
    start = threading.Barrier(8)

    def make() -> int:
        made.append(1)
        return 5

    def ask() -> None:
        start.wait()
        kept.get("k", make)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]


def test_units_as_files_spell_them() -> None:
    assert [nm_per(u) for u in ("nm", "micron", "µm", "μm", "mm", "Angstrom", "cm")] == [
        1,
        1e3,
        1e3,
        1e3,
        1e6,
        0.1,
        1e7,
    ]
    assert [nm_per(u) for u in (None, "", "pixel", "sec")] == [None] * 4
    assert [seconds_per(u) for u in ("sec", "msec", "usec", "s", "min", "mm", None)] == [
        1,
        1e-3,
        1e-6,
        1,
        60,
        None,
        None,
    ]
