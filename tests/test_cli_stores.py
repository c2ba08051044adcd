"""What the commands do with stores: the files they write, held against numpy and the formats' own readers."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import h5py
import nibabel
import numpy as np
import numpy.typing as npt
import pytest
import tifffile
import zarr
from PIL import Image

import ndlab
from ndlab import metadata
from ndlab.cli import main
from ndlab.geometry import Box, Calibration
from ndlab.metadata import Channel, Multiscale
from ndlab.store.create import create
from tests.test_cli import shell

SIZE, CORNER = (40.0, 4.0, 4.0), (80.0, 12.0, -8.0)


@pytest.fixture
def values() -> npt.NDArray[np.uint8]:
    return np.random.default_rng(2).integers(0, 255, (10, 40, 60), "u1")


@pytest.fixture
def em(tmp_path: Path, values: npt.NDArray[np.uint8]) -> str:
    """Two levels, away from the origin; the coarse one is every second voxel, so that they differ."""
    fine = Calibration(SIZE, CORNER)
    scales = (metadata.Scale("s0", fine), metadata.Scale("s1", fine.coarser((1, 2, 2))))
    stored = create(str(tmp_path / "em.zarr"), Multiscale(("z", "y", "x"), scales, name="em"),
                    [values.shape, (10, 20, 30)], "u1", chunks=[(5, 20, 20)] * 2, shards=[None, None])  # fmt: skip
    stored.levels[0].array.write((0, 0, 0), values)
    stored.levels[1].array.write((0, 0, 0), np.ascontiguousarray(values[:, ::2, ::2]))
    return str(tmp_path / "em.zarr")


@pytest.fixture
def movie(tmp_path: Path) -> tuple[str, npt.NDArray[np.uint8]]:
    """Two time points, two named channels."""
    values = np.random.default_rng(4).integers(0, 255, (2, 2, 3, 8, 9), "u1")
    axes = ("t", "c", "z", "y", "x")
    m = Multiscale(axes, (metadata.Scale("s0", Calibration(SIZE)),), channels=(Channel("dapi"), Channel("membrane")))
    url = str(tmp_path / "movie.zarr")
    stored = create(url, m, [values.shape], "u1", chunks=[(1, 1, 3, 8, 9)], shards=[None])
    stored.levels[0].array.write((0,) * 5, values)
    return url, values


def told(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


# ------------------------------------------------------------------------------------------------ info


def test_info_json_is_for_scripts(em: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", em, "--json"]) == 0
    facts = told(capsys)
    assert facts["axes"] == ["z", "y", "x"]
    assert facts["shape"] == [10, 40, 60]
    assert facts["dtype"] == "uint8"
    assert (facts["voxel_size"], facts["offset"], facts["unit"]) == (list(SIZE), list(CORNER), "nanometer")
    assert [level["shape"] for level in facts["levels"]] == [[10, 40, 60], [10, 20, 30]]


def test_info_describes_a_level_and_takes_options(em: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", em, "--level", "1"]) == 0
    assert "40 × 8 × 8 nm" in capsys.readouterr().out
    np.save(tmp_path / "a.npy", np.zeros((2, 3, 4, 5), "u1"))
    assert main(["info", str(tmp_path / "a.npy"), "--json", "--axes", "tzyx", "--voxel-size", "0.04x.004x.004um"]) == 0
    facts = told(capsys)
    assert facts["axes"] == ["t", "z", "y", "x"]
    assert facts["voxel_size"] == [40, 4, 4]
    assert main(["info", em, "--level", "5"]) == 2
    assert "level 5 was asked for" in capsys.readouterr().err


def test_info_in_a_shell(em: str) -> None:
    done = shell("info", em, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["url"] == em


# ------------------------------------------------------------------------------------------------ cutout, export


def read_back(path: Path) -> npt.NDArray[Any]:
    """The voxels of a file by the reader of its own world, (z, y, x)."""
    match path.suffix:
        case ".npy":
            return np.asarray(np.load(path))
        case ".tif":
            return np.asarray(tifffile.imread(path))
        case ".h5":
            with h5py.File(path) as file:
                names: list[str] = []
                file.visititems(lambda name, node: names.append(name) if isinstance(node, h5py.Dataset) else None)
                return np.asarray(file[names[0]])
        case ".nii":
            return np.asarray(nibabel.load(path).dataobj).transpose(2, 1, 0)
        case ".png":
            with Image.open(path) as picture:
                return np.asarray(picture)
    raise AssertionError(path)


@pytest.mark.parametrize("name", ["a.npy", "a.tif", "a.h5", "a.nii"])
def test_cutout_by_voxels_in_each_format(
    em: str, tmp_path: Path, values: npt.NDArray[np.uint8], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cutout", em, "--box", "2:7,5:25,:30", "-o", str(tmp_path / name), "--json"]) == 0
    np.testing.assert_array_equal(read_back(tmp_path / name), values[2:7, 5:25, :30])
    facts = told(capsys)
    assert facts["file"] == str(tmp_path / name)
    assert facts["box"] == {"start": [2, 5, 0], "stop": [7, 25, 30], "level": 0}
    assert facts["shape"] == [5, 20, 30]
    assert facts["offset"] == [80 + 2 * 40, 12 + 5 * 4, -8]


def test_one_plane_is_a_picture(em: str, tmp_path: Path, values: npt.NDArray[np.uint8]) -> None:
    assert main(["cutout", em, "--box", "3,:,:", "-o", str(tmp_path / "a.png")]) == 0
    np.testing.assert_array_equal(read_back(tmp_path / "a.png"), values[3])


def test_many_planes_are_a_folder_of_pictures(em: str, tmp_path: Path, values: npt.NDArray[np.uint8]) -> None:
    assert main(["cutout", em, "--box", "3:6,:,:", "-o", str(tmp_path / "planes"), "--format", "png"]) == 0
    found = [read_back(path) for path in sorted((tmp_path / "planes").glob("*.png"))]
    np.testing.assert_array_equal(found, values[3:6])


def test_cutout_by_nm_takes_the_offset_into_account(em: str, tmp_path: Path, values: npt.NDArray[np.uint8]) -> None:
    assert main(["cutout", em, "--nm", "80:160,12:52,-8:32", "-o", str(tmp_path / "a.npy")]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), values[:2, :10, :10])
    assert main(["cutout", em, "--nm", "100,:,0:", "-o", str(tmp_path / "b.npy")]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "b.npy"), values[:1, :, 2:])
    assert main(["cutout", em, "--nm", "80:160,12:52,-8:32", "--level", "1", "-o", str(tmp_path / "c.npy")]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "c.npy"), values[:2, :10:2, :10:2])


def test_level_and_nearest_pick_the_level(em: str, tmp_path: Path, values: npt.NDArray[np.uint8]) -> None:
    for how, name in ((["--level", "1"], "a.npy"), (["--nearest", "40,8,8"], "b.npy")):
        assert main(["cutout", em, "--box", "0:2,0:5,0:5", *how, "-o", str(tmp_path / name)]) == 0
        np.testing.assert_array_equal(np.load(tmp_path / name), values[0:2, 0:10:2, 0:10:2])
    assert main(["cutout", em, "--box", "0:2,0:5,0:5", "--nearest", "40,7,7", "-o", str(tmp_path / "c.npy")]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "c.npy"), values[0:2, 0:5, 0:5])


def test_time_and_channel_by_number_and_name(
    movie: tuple[str, npt.NDArray[np.uint8]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url, values = movie
    for i, (given, expected) in enumerate([
        ([], values),
        (["-t", "1"], values[1]),
        (["-c", "membrane"], values[:, 1]),
        (["-t", "1", "-c", "0"], values[1, 0]),
    ]):  # fmt: skip
        out = tmp_path / f"{i}.npy"
        assert main(["cutout", url, "--box", "0:2,1:5,:", *given, "-o", str(out)]) == 0
        np.testing.assert_array_equal(np.load(out), expected[..., 0:2, 1:5, :])
    capsys.readouterr()
    for given, reason in ((["-c", "gfp"], "channel 'gfp'"), (["-t", "5"], "t 5 was asked for"), (["-t", "x"], "-t x")):
        assert main(["cutout", url, "--box", ":,:,:", *given, "-o", str(tmp_path / "no.npy")]) == 2
        assert reason in capsys.readouterr().err
    assert not (tmp_path / "no.npy").exists()


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (["--box", "-1:4,:,:"], "leaves the volume. level 0 spans 0:10,0:40,0:60 in (z, y, x)"),
        (["--box", "0:4,0:41,:"], "leaves the volume"),
        (["--box", "4:0,:,:"], "ends before it starts"),
        (["--box", "0:4,0:4"], "three ranges"),
        (["--box", "3:3,:,:"], "is empty"),
        (["--nm", "-100:100,:,:"], "the view spans 80 to 480 nm along z"),
        (["--nm", "81:82,:,:"], "holds no voxel centre"),
        (["--nm", "a:b,:,:"], "three ranges"),
        (["--box", ":,:,:", "--level", "2"], "there are levels 0 to 1"),
        (["--box", ":,:,:", "--nearest", "4,4"], "--nearest 4,4"),
    ],
)
def test_a_box_that_makes_no_sense_writes_nothing(
    em: str, tmp_path: Path, given: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cutout", em, *given, "-o", str(tmp_path / "a.npy")]) == 2
    err = capsys.readouterr().err
    assert err.startswith("ndlab: ")
    assert reason in err
    assert [path.name for path in tmp_path.iterdir()] == ["em.zarr"]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ([], "one of the arguments --box --nm is required"),
        (["--box", ":,:,:", "--nm", ":,:,:"], "not allowed with argument"),
        (["--box", ":,:,:", "--level", "1", "--nearest", "8"], "not allowed with argument"),
        (["--box"], "expected one argument"),
    ],
)
def test_options_that_exclude_each_other(
    em: str, given: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["cutout", em, "-o", "a.npy", *given])
    assert end.value.code == 2
    assert reason in capsys.readouterr().err


def test_a_file_is_replaced_only_when_forced(
    em: str, tmp_path: Path, values: npt.NDArray[np.uint8], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.npy").write_text("mine")
    line = ["cutout", em, "--box", "0,:,:", "-o", str(tmp_path / "a.npy")]
    assert main(line) == 2
    assert "a.npy exists" in capsys.readouterr().err
    assert (tmp_path / "a.npy").read_text() == "mine"
    assert main([*line, "--force"]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), values[:1])


def test_an_unknown_format_says_which_there_are(em: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cutout", em, "--box", "0,:,:", "-o", str(tmp_path / "a.xyz")]) == 2
    assert ".npy" in capsys.readouterr().err
    assert main(["cutout", em, "--box", "0,:,:", "-o", str(tmp_path / "a"), "--format", "gif"]) == 2
    assert "export format 'gif'" in capsys.readouterr().err
    assert main(["export", em, str(tmp_path / "absent" / "a.npy")]) == 2
    assert "no folder" in capsys.readouterr().err


def test_export_writes_a_whole_level(em: str, tmp_path: Path, values: npt.NDArray[np.uint8]) -> None:
    assert main(["export", em, str(tmp_path / "a.tif")]) == 0
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), values)
    assert main(["export", em, str(tmp_path / "b.nii"), "--level", "1"]) == 0
    np.testing.assert_array_equal(read_back(tmp_path / "b.nii"), values[:, ::2, ::2])
    again = ndlab.open(tmp_path / "b.nii")
    assert (again.voxel_size, again.offset) == ((40, 8, 8), CORNER)


def test_a_stale_level_is_said_and_a_current_one_not(
    em: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ndlab.open(em).write(Box((0, 0, 0), (2, 10, 10)), 9)
    assert main(["cutout", em, "--box", "0:2,0:5,0:5", "--level", "1", "-o", str(tmp_path / "a.npy"), "--json"]) == 0
    out, err = capsys.readouterr()
    assert err.startswith("ndlab: level 1 is stale here")
    assert f"`ndlab pyramid {em}`" in err
    assert "StaleLevelWarning" not in err
    assert json.loads(out)["stale"] is True
    assert main(["cutout", em, "--box", "0:2,0:5,0:5", "-o", str(tmp_path / "b.npy")]) == 0
    assert main(["cutout", em, "--box", "5:7,15:20,:5", "--level", "1", "-o", str(tmp_path / "c.npy")]) == 0
    assert "stale" not in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------ ingest, pyramid


@pytest.fixture
def slices(tmp_path: Path, values: npt.NDArray[np.uint8]) -> Path:
    (tmp_path / "slices").mkdir()
    for z, plane in enumerate(values):
        Image.fromarray(plane).save(tmp_path / "slices" / f"em_{z:03}.png")
    return tmp_path / "slices"


def test_slices_become_a_store_in_a_shell(slices: Path, tmp_path: Path, values: npt.NDArray[np.uint8]) -> None:
    done = shell("ingest", slices, tmp_path / "new.zarr", "--voxel-size", "0.04,0.004,0.004um", "--json", "--quiet")
    assert done.returncode == 0, done.stderr
    receipt = json.loads(done.stdout)
    assert receipt["complete"] is True
    assert receipt["memory"] > 0
    assert done.stderr == ""
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "new.zarr" / "0", mode="r")[:], values)
    volume = ndlab.open(tmp_path / "new.zarr")
    assert volume.voxel_size == SIZE
    again = shell("ingest", slices, tmp_path / "new.zarr", "--voxel-size", "40,4,4")
    assert again.returncode == 0, again.stderr
    assert "<ndlab.Volume" in again.stdout


def test_every_option_of_ingest_reaches_the_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = np.random.default_rng(0).integers(0, 9, (2, 20, 40, 40), "u2")
    np.save(tmp_path / "a.npy", values)
    line = ["ingest", str(tmp_path / "a.npy"), str(tmp_path / "b"), "--axes", "czyx", "--voxel-size", "30,3,3",
            "--offset=-1,2,3um", "--kind", "image", "--name", "retina", "--channels", "dapi,membrane", "--chunks",
            "10,20,20", "--codec", '{"id": "blosc", "cname": "lz4"}', "--version", "0.4", "--levels", "2", "--memory",
            "1 GiB", "--workers", "1", "--quiet"]  # fmt: skip
    assert main(line) == 0, capsys.readouterr().err
    volume = ndlab.open(tmp_path / "b")
    np.testing.assert_array_equal(volume.read(), values)
    assert (volume.format, volume.name, volume.kind) == ("OME-Zarr 0.4", "retina", "image")
    assert (volume.voxel_size, volume.offset) == ((30, 3, 3), (-1000, 2000, 3000))
    assert [c.name for c in volume.channels] == ["dapi", "membrane"]
    assert volume.chunks == (1, 10, 20, 20)
    assert "blosc" in volume.codec
    assert len(volume.levels) == 2


def test_ingest_in_other_units_and_without_codec(slices: Path, tmp_path: Path) -> None:
    line = ["ingest", str(slices), str(tmp_path / "b"), "--voxel-size", "0.03,0.003,0.003", "--unit", "micrometer",
            "--shards", "64", "--chunks", "32", "--codec", "none", "--kind", "labels", "--quiet"]  # fmt: skip
    assert main(line) == 0
    volume = ndlab.open(tmp_path / "b")
    assert volume.voxel_size == (30, 3, 3)
    assert (volume.codec, volume.kind) == ("none", "labels")


def test_bad_input_is_listed_whole_and_nothing_is_written(
    slices: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (slices / "em_004.png").unlink()
    Image.fromarray(np.zeros((7, 7), "u1")).save(slices / "em_006.png")
    assert main(["ingest", str(slices), str(tmp_path / "new.zarr"), "--levels", "0"]) == 2
    err = capsys.readouterr().err
    assert "nothing was written" in err
    assert re_count(err) >= 3
    assert not (tmp_path / "new.zarr").exists()
    for given, reason in (
        (["--voxel-size", "40,4"], "--voxel-size 40,4"),
        (["--voxel-size", "0,4,4"], "voxel"),
        (["--voxel-size", "40,4,4", "--chunks", "x"], "--chunks x"),
        (["--voxel-size", "40,4,4", "--codec", "{"], "it is no JSON"),
    ):
        assert main(["ingest", str(slices), str(tmp_path / "new.zarr"), *given]) == 2
        assert reason in capsys.readouterr().err
        assert not (tmp_path / "new.zarr").exists()


def re_count(text: str) -> int:
    """How many numbered problems a message lists."""
    return sum(line.strip()[:2] == f"{i}." for i, line in enumerate(text.splitlines()))


def test_a_slice_cut_short_is_named(slices: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = (slices / "em_005.png").read_bytes()
    (slices / "em_005.png").write_bytes(whole[: len(whole) // 2])
    assert main(["ingest", str(slices), str(tmp_path / "new.zarr"), "--voxel-size", "8", "--quiet"]) == 2
    assert "em_005.png" in capsys.readouterr().err
    assert not (tmp_path / "new.zarr").exists()


def test_a_failed_run_ends_with_1(em: str, capsys: pytest.CaptureFixture[str]) -> None:
    (Path(em) / "s0" / "c" / "1" / "0" / "2").write_bytes(b"?")
    assert main(["pyramid", em, "--all", "--quiet"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("ndlab: step ")
    assert "blocks failed" in err
    assert "s0" in err


def test_an_existing_store_is_replaced_only_when_asked(
    slices: Path, em: str, values: npt.NDArray[np.uint8], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ingest", str(slices), em, "--voxel-size", "8"]) == 2
    assert "a store is at" in capsys.readouterr().err
    assert ndlab.open(em).voxel_size == SIZE
    assert main(["ingest", str(slices), em, "--voxel-size", "8", "--overwrite", "--quiet"]) == 0
    assert ndlab.open(em).voxel_size == (8, 8, 8)


def test_follow_appends_what_lands(tmp_path: Path, values: npt.NDArray[np.uint8]) -> None:
    """The process is asked to end once the volume is seen to be as deep as what has landed."""
    (tmp_path / "scope").mkdir()

    def land(first: int, last: int) -> None:
        for z in range(first, last):
            Image.fromarray(values[z]).save(tmp_path / "scope" / f"em_{z:03}.png")

    land(0, 4)
    command = [sys.executable, "-m", "ndlab", "ingest", str(tmp_path / "scope"), str(tmp_path / "em"), "--follow",
               "--voxel-size", "40,4,4", "--settle", "0.1", "--idle", "60", "--json"]  # fmt: skip
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stderr is not None
    try:
        while running.stderr.readline() != "4 sections\n":
            assert running.poll() is None
        np.testing.assert_array_equal(ndlab.open(tmp_path / "em").read(), values[:4])
        land(4, 10)
        while running.stderr.readline() != "10 sections\n":
            assert running.poll() is None
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    finally:
        running.kill()
        running.wait(30)
    assert running.returncode == 0, err
    assert json.loads(out) == {"url": str(tmp_path / "em"), "sections": 10, "stopped": "stop"}
    assert "ending after the sections at hand" in err
    np.testing.assert_array_equal(ndlab.open(tmp_path / "em").read(), values)


def test_follow_ends_by_itself_where_it_is_told(
    slices: Path, tmp_path: Path, values: npt.NDArray[np.uint8], capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["ingest", str(slices), str(tmp_path / "em"), "--follow", "--voxel-size", "8", "--settle", "0", "--quiet"]
    handlers = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    assert main([*line, "--sections", "6"]) == 0
    assert "6 sections, ended by sections" in capsys.readouterr().out
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == handlers
    np.testing.assert_array_equal(ndlab.open(tmp_path / "em").read(), values[:6])
    assert main([*line, "--idle", "0.2"]) == 0
    assert "10 sections, ended by idle" in capsys.readouterr().out
    (tmp_path / "none").mkdir()
    assert (
        main(["ingest", str(tmp_path / "none"), str(tmp_path / "x"), "--follow", "--voxel-size", "8", "--idle", "0"])
        == 2
    )
    assert "no section has landed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (["--follow", "--voxel-size", "8", "--overwrite"], "--overwrite with --follow"),
        (["--follow", "--voxel-size", "8", "--memory", "1 GiB"], "--memory with --follow"),
        (["--follow", "--idle", "1"], "no voxel size"),
        (["--follow", "--voxel-size", "8", "--version", "precomputed"], "precomputed keeps one extent"),
        (["--voxel-size", "8", "--idle", "3"], "--idle without --follow"),
        (["--voxel-size", "8", "--settle", "0"], "--settle without --follow"),
    ],
)
def test_options_that_following_does_not_take(
    slices: Path, tmp_path: Path, given: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ingest", str(slices), str(tmp_path / "new"), *given]) == 2
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_second_signal_breaks_off() -> None:
    from ndlab.cli.following import _stopped_by_signals

    with _stopped_by_signals(quiet=True) as stop:
        signal.raise_signal(signal.SIGTERM)
        assert stop.is_set()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_pyramid_updates_what_is_stale(slices: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = str(tmp_path / "new.zarr")
    assert main(["ingest", str(slices), url, "--voxel-size", "8", "--levels", "2", "--quiet"]) == 0
    capsys.readouterr()
    assert main(["pyramid", url, "--json"]) == 0
    assert told(capsys) == {"url": url, "written": 0, "stale_before": [], "stale": []}
    ndlab.open(url).write(Box((0, 0, 0), (4, 8, 8)), 200)
    assert main(["pyramid", url, "--json", "--quiet"]) == 0
    facts = told(capsys)
    assert (facts["stale_before"], facts["stale"]) == ([1], [])
    assert facts["written"] >= 1
    coarse = ndlab.open(url, level=1)
    assert not coarse.stale
    assert (coarse[:2, :4, :4].read() == 200).all()
    assert main(["pyramid", url]) == 0
    assert "no level was stale" in capsys.readouterr().out
    zarr.open_array(tmp_path / "new.zarr" / "1", mode="r+")[:] = 0
    assert main(["pyramid", url, "--all"]) == 0
    assert (ndlab.open(url, level=1)[:2, :4, :4].read() == 200).all()


def test_pyramid_of_a_plain_array_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    zarr.create_array(tmp_path / "a", shape=(4, 4, 4), chunks=(2, 2, 2), dtype="u1")
    assert main(["pyramid", str(tmp_path / "a")]) == 2
    said = capsys.readouterr().err
    assert "levels are added to OME-Zarr 0.4 and 0.5" in said
    assert "copy it with ndlab.ingest" in said


# ------------------------------------------------------------------------------------------------ doctor, backup


def test_doctor_of_a_store(em: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", em]) == 0
    assert capsys.readouterr().out.endswith("no problem\n")
    (Path(em) / "s0" / "c" / "1" / "0" / "2").write_bytes(b"?")
    assert main(["doctor", em, "--json"]) == 1
    facts = told(capsys)
    assert facts["ok"] is False
    assert "(5, 0, 40)" in next(f["detail"] for f in facts["findings"] if f["status"] == "problem")
    assert main(["doctor", em, "--sample", "1"]) == 0
    assert main(["doctor", em, "--sample", "0"]) == 2
    assert "at least 1" in capsys.readouterr().err


def test_doctor_of_nothing_and_of_this_environment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", str(tmp_path / "absent")]) == 1
    assert "nothing at" in capsys.readouterr().out
    assert main(["doctor", "--json"]) == 0
    assert {"Python", "packages", "engine"} <= {f["what"] for f in told(capsys)["findings"]}


def test_backup_and_restore_in_a_shell(em: str, tmp_path: Path, values: npt.NDArray[np.uint8]) -> None:
    done = shell("backup", em, tmp_path / "em.zip")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{tmp_path / 'em.zip'}: 19 keys")
    again = shell("restore", tmp_path / "em.zip", tmp_path / "back", "--json")
    assert again.returncode == 0, again.stderr
    facts = json.loads(again.stdout)
    assert (facts["keys"], facts["source"], facts["restored"]) == (19, em, str(tmp_path / "back"))
    np.testing.assert_array_equal(ndlab.open(tmp_path / "back").read(), values)


def test_a_bar_is_drawn_where_somebody_looks(em: str, tmp_path: Path) -> None:
    """Standard error is a terminal here; elsewhere (the other tests) nothing is drawn."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (40, 100))
    try:
        for line in (["backup", em, str(tmp_path / "em.zip")], ["doctor", em], ["export", em, str(tmp_path / "a.npy")]):
            done = subprocess.run([sys.executable, "-m", "ndlab", *line], stdout=subprocess.PIPE, stderr=slave,
                                  check=False, timeout=60)  # fmt: skip
            drawn = b""
            while select.select([master], [], [], 0.1)[0]:
                drawn += os.read(master, 1 << 16)
            assert done.returncode == 0, drawn
            assert b"00:00" in drawn
            assert b"00:00" not in done.stdout
    finally:
        os.close(slave)
        os.close(master)


def test_backup_asked_wrongly(em: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backup", em, em + "/inside.zip"]) == 2
    assert "inside what it is a backup of" in capsys.readouterr().err
    assert main(["restore", em, str(tmp_path / "b")]) == 2
    assert "no backup at" in capsys.readouterr().err
    assert main(["backup", em, str(tmp_path / "copy")]) == 0
    (tmp_path / "copy" / "zarr.json").write_text("{}")
    assert main(["restore", str(tmp_path / "copy"), str(tmp_path / "b")]) == 2
    assert "zarr.json differs from its checksum" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()
