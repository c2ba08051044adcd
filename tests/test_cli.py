"""The command itself: help, exit status, messages, words. What commands do with stores is in test_cli_stores."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ndlab
from ndlab.cli import COMMANDS, main, words
from ndlab.errors import BadRequest, NdlabError
from ndlab.metadata.units import to_nm
from tests.test_architecture import HEAVY

NAMES = [one.name for one in COMMANDS]


def shell(*given: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """The real command in a process of its own."""
    command = [sys.executable, "-m", "ndlab", *map(str, given)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, **options)


# ------------------------------------------------------------------------------------------------ the command


def test_the_commands_are_these() -> None:
    promised = {
        "info",
        "ingest",
        "pyramid",
        "correct",
        "cutout",
        "export",
        "datasets",
        "doctor",
        "lab",
        "paper",
        "backup",
        "restore",
        "serve",
    }
    assert promised <= set(NAMES)
    assert len(set(NAMES)) == len(NAMES)


def test_help_loads_nothing_heavy_and_lists_every_command() -> None:
    code = (
        "import sys\nfrom ndlab.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "print('LOADED', *sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.partition("LOADED")[2].split())
    assert not loaded & (HEAVY | {"zarr", "tensorstore", "numpy", "numcodecs", "tqdm", "PIL", "h5py", "tifffile"})
    assert all(re.search(rf"^  {name} ", done.stdout, re.MULTILINE) for name in NAMES)


@pytest.mark.parametrize("command", COMMANDS, ids=NAMES)
def test_help_of_each_command_shows_its_example(command: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([command.name, "--help"])
    assert end.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith(f"usage: ndlab {command.name} ")
    assert "example:" in out
    for line in command.example.splitlines():
        assert line.startswith(f"ndlab {command.name}")
        assert line in out


@pytest.mark.parametrize(
    "line", [line for one in COMMANDS for line in one.example.splitlines()], ids=lambda line: line[:40]
)
def test_every_example_parses(line: str) -> None:
    """What an example names need not be there, but its options must exist."""
    from ndlab.cli import _joined, _parser

    assert callable(_parser().parse_args(_joined(line.split()[1:])).run)


def test_no_command_and_an_unknown_one_end_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "commands:" in capsys.readouterr().err
    with pytest.raises(SystemExit) as end:
        main(["frobnicate"])
    assert end.value.code == 2
    assert "invalid choice: 'frobnicate'" in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert main(["version"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"ndlab {ndlab.__version__}\nndlab {ndlab.__version__} on Python")
    assert main(["version", "--json"]) == 0
    assert f'"ndlab": "{ndlab.__version__}"' in capsys.readouterr().out


def test_a_mistake_is_one_message_on_stderr_and_status_2(tmp_path: Path) -> None:
    done = shell("info", tmp_path / "absent.zarr")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"ndlab: nothing at {tmp_path / 'absent.zarr'}")
    assert "Traceback" not in done.stderr


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    done = shell("info", tmp_path / "absent.zarr", env=os.environ | {"NDLAB_DEBUG": "1"})
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "NotFound" in done.stderr


def test_debug_raises_in_process_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NDLAB_DEBUG", "1")
    with pytest.raises(NdlabError, match="nothing at"):
        main(["info", str(tmp_path / "absent.zarr")])
    monkeypatch.setenv("NDLAB_DEBUG", "0")
    assert main(["info", str(tmp_path / "absent.zarr")]) == 2


def test_a_system_error_is_one_message_and_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    np.save(tmp_path / "a.npy", np.zeros((2, 3, 4), "u1"))
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "key").write_text("1")
    assert main(["backup", str(tmp_path / "store"), str(tmp_path / "file" / "sub" / "x.zip")]) == 1
    err = capsys.readouterr().err
    assert err.startswith("ndlab: ")
    assert "Not a directory" in err or "File exists" in err


def test_a_closed_pipe_is_quiet() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-m", "ndlab", "datasets", "--json"], stdout=writer, stderr=subprocess.PIPE,
                          text=True, check=False, timeout=60)  # fmt: skip
    os.close(writer)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_an_interrupt_ends_with_130(tmp_path: Path) -> None:
    """A probe of a server that never answers, interrupted as by the keyboard."""
    import socket

    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/em"
        # What a shell starts in the background ignores the signal, and so do its children unless they say otherwise.
        program = (
            "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
            "from ndlab.cli import main; sys.exit(main())"
        )
        command = [sys.executable, "-c", program, "datasets", "--probe", url, "--timeout", "60"]
        running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        mute.settimeout(60)
        mute.accept()[0].close()
        time.sleep(0.5)
        running.send_signal(signal.SIGINT)
        try:
            err = running.communicate(timeout=30)[1]
        finally:
            running.kill()
    assert running.returncode == 130
    assert err.strip().endswith("ndlab: interrupted")
    assert "Traceback" not in err


# ------------------------------------------------------------------------------------------------ words


@pytest.mark.parametrize(
    ("text", "unit", "nm"),
    [
        ("40,4,4", None, (40, 4, 4)),
        ("40x4x4nm", None, (40, 4, 4)),
        ("0.04,0.004,0.004um", None, (40, 4, 4)),
        ("0.04 um, 0.004 um, 4 nm", None, (40, 4, 4)),
        ("40×4×4 µm", None, (40000, 4000, 4000)),
        ("8", None, (8, 8, 8)),
        ("1e-3mm", None, (1000, 1000, 1000)),
        ("0.03,0.003,0.003", "micrometer", (30, 3, 3)),
        ("-5,0,.5", None, (-5, 0, 0.5)),
    ],
)
def test_lengths_are_read_exactly(text: str, unit: str | None, nm: tuple[float, ...]) -> None:
    assert words.lengths(text, "--voxel-size", unit) == nm


@pytest.mark.parametrize(
    ("text", "unit", "reason"),
    [
        ("40,4", None, "three numbers"),
        ("40,4,4,4", None, "three numbers"),
        ("a,b,c", None, "three numbers"),
        ("", None, "three numbers"),
        ("40,,4", None, "three numbers"),
        ("4um,4,4nm", None, "some numbers have a unit"),
        ("4um,4,4", None, "some numbers have a unit"),
        ("4,4,4um", "nm", "the unit is given twice"),
        ("4,4,4parrots", None, "parrots"),
    ],
)
def test_lengths_that_cannot_be_read_say_why(text: str, unit: str | None, reason: str) -> None:
    with pytest.raises(BadRequest, match=reason):
        words.lengths(text, "--voxel-size", unit)


@given(
    st.tuples(*[st.floats(1e-3, 1e6, allow_nan=False)] * 3),
    st.sampled_from(["nm", "um", "µm", "mm", "micrometer", "angstrom"]),
)
def test_lengths_follow_the_unit(sizes: tuple[float, float, float], unit: str) -> None:
    found = words.lengths(",".join(map(repr, sizes)) + unit, "--voxel-size")
    np.testing.assert_allclose(found, [s * to_nm(unit) for s in sizes], rtol=1e-12)


EXTENT = (10, 64, 80)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0:10,0:64,0:80", ((0, 10), (0, 64), (0, 80))),
        (":,:,:", ((0, 10), (0, 64), (0, 80))),
        ("2:,:5,7", ((2, 10), (0, 5), (7, 8))),
        (" 1:2, 3:4 ,5 : 6", ((1, 2), (3, 4), (5, 6))),
        ("10:10,0:0,:", ((10, 10), (0, 0), (0, 80))),
    ],
)
def test_boxes(text: str, expected: tuple[tuple[int, int], ...]) -> None:
    assert words.box(text, EXTENT, 0) == tuple(slice(*one) for one in expected)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0:10,0:64", "three ranges"),
        ("0:10,0:64,0:80,0:1", "three ranges"),
        ("0-10,0:64,0:80", "three ranges"),
        ("0:1:2,:,:", "three ranges"),
        ("1.5:2,:,:", "three ranges"),
        ("5:2,:,:", "ends before it starts"),
        ("-1:3,:,:", "leaves the volume"),
        ("-1,:,:", "leaves the volume"),
        ("0:11,:,:", "level 3 spans 0:10,0:64,0:80"),
        ("10,:,:", "leaves the volume"),
    ],
)
def test_boxes_that_make_no_sense_say_why(text: str, reason: str) -> None:
    with pytest.raises(BadRequest, match=reason):
        words.box(text, EXTENT, 3)


@given(st.lists(st.integers(-3, 90), min_size=6, max_size=6))
def test_a_box_is_exactly_what_was_typed_or_refused(n: list[int]) -> None:
    text = f"{n[0]}:{n[1]},{n[2]}:{n[3]},{n[4]}:{n[5]}"
    fits = all(0 <= a <= b <= e for a, b, e in zip(n[::2], n[1::2], EXTENT, strict=True))
    if fits:
        assert words.box(text, EXTENT, 0) == (slice(n[0], n[1]), slice(n[2], n[3]), slice(n[4], n[5]))
    else:
        with pytest.raises(BadRequest):
            words.box(text, EXTENT, 0)


def test_positions() -> None:
    assert words.positions("-40:4e3,:,12.5") == (slice(-40.0, 4000.0), slice(None, None), 12.5)
    with pytest.raises(BadRequest, match=r"--nm 0:1,2:3.*three ranges.*--nm 0:4000"):
        words.positions("0:1,2:3")


def test_shapes_and_codecs_and_time_points() -> None:
    assert words.shape(None, "--chunks") is None
    with pytest.raises(BadRequest, match="--chunks 1,2"):
        words.shape("1,2", "--chunks")
    with pytest.raises(BadRequest, match="whole numbers"):
        words.shape("-1,2,3", "--chunks")
    assert words.codec('[{"name": "bytes"}]') == [{"name": "bytes"}]
    with pytest.raises(BadRequest, match="it is no JSON"):
        words.codec("{blosc")
    assert (words.time_point("3"), words.time_point(None)) == (3, None)
    with pytest.raises(BadRequest, match="time points are counted from 0"):
        words.time_point("-1")
    assert (words.channel("1"), words.channel("membrane")) == (1, "membrane")


# ------------------------------------------------------------------------------------------------ datasets, lab, paper


def test_datasets(capsys: pytest.CaptureFixture[str]) -> None:
    import json

    assert main(["datasets", "--table", "1A", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 30
    assert {row["unit"] for row in rows} == {"nm"}
    assert main(["datasets", "kasthuri11"]) == 0
    assert re.search(r"voxel_size +30, 3, 3", capsys.readouterr().out)
    assert main(["datasets", "--search", "mouse cortex", "--table", "1A"]) == 0
    told = capsys.readouterr()
    assert "kasthuri11" in told.out
    assert re.search(r"\d+ datasets; ndlab datasets NAME says more", told.err)
    assert main(["datasets", "--search", "unicorn"]) == 0
    assert "no dataset fits" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (["kasthuri12"], "near names are"),
        (["--table", "9"], "table is one of"),
        (["--kind", "sound"], "kind is one of"),
        (["kasthuri11", "--table", "1A"], "a name stands for one dataset"),
        (["kasthuri11", "--probe", "bock11"], "a name stands for one dataset"),
        (["--probe", "nothing-of-that-name"], "no dataset 'nothing-of-that-name'"),
        (["--probe", "bock11", "--timeout", "0"], "must be above zero"),
    ],
)
def test_datasets_asked_wrongly(given: list[str], reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets", *given]) == 2
    assert reason in capsys.readouterr().err


def test_a_probe_tells_by_its_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "good.npy", np.arange(24, dtype="u1").reshape(2, 3, 4))
    np.save(tmp_path / "flat.npy", np.ones((2, 3, 4), "u1"))
    assert main(["datasets", "--probe", str(tmp_path / "good.npy")]) == 0
    assert ": ok." in capsys.readouterr().out
    assert main(["datasets", "--probe", str(tmp_path / "flat.npy"), "--json"]) == 1
    assert '"status": "constant"' in capsys.readouterr().out
    assert main(["datasets", "--probe", "lee14"]) == 1


def test_lab_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "--notebooks", str(tmp_path)]) == 2
    assert "no 00_start notebook in" in capsys.readouterr().err
    (tmp_path / "00_start.ipynb").write_text("{}")
    assert main(["lab", "--notebooks", str(tmp_path), "--data", str(tmp_path / "absent")]) == 2
    assert "is no folder" in capsys.readouterr().err


def test_lab_without_jupyterlab_names_the_extra(tmp_path: Path) -> None:
    """In an interpreter that finds ndlab and what it needs, but no jupyterlab."""
    code = (
        "import sys\n"
        "from importlib.machinery import FileFinder, SourceFileLoader, ExtensionFileLoader, EXTENSION_SUFFIXES\n"
        "sys.path_hooks.clear(); sys.path_importer_cache.clear()\n"
        "class Finder(FileFinder):\n"
        "    def find_spec(self, name, target=None):\n"
        "        return None if name == 'jupyterlab' else super().find_spec(name, target)\n"
        "loaders = (SourceFileLoader, ['.py']), (ExtensionFileLoader, EXTENSION_SUFFIXES)\n"
        "sys.path_hooks.append(Finder.path_hook(*loaders))\n"
        "from ndlab.cli import main\n"
        f"sys.exit(main(['lab', '--notebooks', {str(tmp_path)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2, done.stderr
    assert 'jupyterlab is not installed. type pip install "ndlab[lab]"' in done.stderr


def page(opener: urllib.request.OpenerDirector, url: str) -> bytes:
    """Return what an address answers; it is written to the log a moment before anybody listens there."""
    for left in reversed(range(100)):
        try:
            with opener.open(url, timeout=30) as answer:
                found: bytes = answer.read()
                return found
        except urllib.error.URLError as error:
            if not left or not isinstance(error.reason, ConnectionRefusedError):
                raise
            time.sleep(0.1)
    raise AssertionError


def test_lab_starts_jupyterlab_on_the_first_notebook(tmp_path: Path) -> None:
    pytest.importorskip("jupyterlab", reason="the [lab] extra")
    (tmp_path / "00_start.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    command = [sys.executable, "-m", "ndlab", "lab", "--notebooks", str(tmp_path), "--", "--no-browser", "--port=0",
               "--allow-root", "--ip=127.0.0.1"]  # fmt: skip
    log = tmp_path / "log"
    with log.open("w") as out:
        running = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True,
                                   env=os.environ | {"HOME": str(tmp_path)})  # fmt: skip
    try:
        for _ in range(600):
            found = re.search(r"http://127\.0\.0\.1:\d+/lab/tree/00_start\.ipynb\?token=\w+(?=\s)", log.read_text())
            if found or running.poll() is not None:
                break
            time.sleep(0.1)
        assert found, log.read_text()
        no_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        assert b"JupyterLab" in page(no_proxy, found.group())
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait(30)


def test_paper_runs_notebooks_and_fails_when_a_number_is_off(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    nbformat = pytest.importorskip("nbformat", reason="the [lab] extra")
    (tmp_path / "nb").mkdir()
    for name, value in (("good", 4), ("off", 5)):
        code = (
            "from ndlab.paper import Results\n"
            f"r = Results({name!r}, 'T')\nr.number('two and two', {value}, published=4)\nr.check()"
        )
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
        nbformat.write(notebook, tmp_path / "nb" / f"{name}.ipynb")
    out = tmp_path / "out"
    common = ["paper", "--out", str(out), "--notebooks", str(tmp_path / "nb")]
    assert main([*common, "--only", "good", "--quiet"]) == 0, capfd.readouterr().err
    assert (out / "report.html").stat().st_size > 0
    assert main(common) == 1
    assert "FAILED: off" in capfd.readouterr().err
    assert main([*common, "--only", "absent"]) == 2
    assert "no notebook matches" in capfd.readouterr().err
    assert main([*common, "--data", str(tmp_path / "absent")]) == 2
    assert "is not a folder" in capfd.readouterr().err
