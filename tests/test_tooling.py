"""The scripts behind `make setup` and `make system`, and what a skip means."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import setup, system

ROOT = Path(__file__).resolve().parent.parent
pytest_plugins = ["pytester"]


# ------------------------------------------------------------------------------------------------ find-python.sh
def find_python(path: Path | str, *names: str, oldest: str = "3.11") -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(path), "HOME": "/nonexistent", "OLDEST": oldest}
    command = ["/bin/sh", str(ROOT / "scripts" / "find-python.sh"), *names]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def script(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def test_a_shim_that_answers_not_found_is_passed_over(tmp_path: Path) -> None:
    script(tmp_path / "shims" / "python3", "echo 'python3: command not found' >&2; exit 127")
    real = script(tmp_path / "real" / "python3", f'exec {sys.executable} "$@"')
    assert find_python(f"{tmp_path}/shims:{tmp_path}/real").stdout.strip() == str(real)


def test_names_are_tried_in_order_and_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    one = script(tmp_path / "one", f'exec {sys.executable} "$@"')
    two = script(tmp_path / "two", f'exec {sys.executable} "$@"')
    assert find_python(tmp_path, "two", "one").stdout.strip() == str(two)
    assert find_python("/nonexistent", "three", str(one)).stdout.strip() == str(one)


def test_no_python_that_is_new_enough_says_what_to_do(tmp_path: Path) -> None:
    script(tmp_path / "python3", f'exec {sys.executable} "$@"')
    done = find_python(tmp_path, oldest="9.9")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "needs Python 9.9 or newer" in done.stderr
    assert "make setup PYTHON=" in done.stderr


# ------------------------------------------------------------------------------------------------ setup.py
def test_the_stamp_changes_with_the_lock_and_with_python(tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("a==1\n")
    first = setup.digest(lock, "3.11")
    assert setup.digest(lock, "3.11") == first
    assert setup.digest(lock, "3.12") != first
    lock.write_text("a==2\n")
    assert setup.digest(lock, "3.11") != first


def test_version_of_an_interpreter_that_does_not_run_is_none(tmp_path: Path) -> None:
    assert setup.version_of(sys.executable) == f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert setup.version_of(tmp_path / "nothing") is None
    assert setup.version_of(script(tmp_path / "broken", "exit 1")) is None


def test_uv_is_told_of_the_mirrors_that_pip_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "pip.conf"
    config.write_text(
        "[global]\nindex-url = https://mirror.example/simple\n"
        "extra-index-url =\n    https://a.example/simple\n    https://b.example/simple\nfind-links = wheels more\n"
    )
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_", "SSL_CERT"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    monkeypatch.setenv("PIP_FIND_LINKS", "from-environment")
    monkeypatch.setenv("UV_INSECURE_HOST", "own.example")
    monkeypatch.setenv("PIP_TRUSTED_HOST", "other.example")
    told = setup.uv_environment(Path(sys.executable))
    assert told["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"
    assert told["UV_INDEX"].endswith("https://a.example/simple https://b.example/simple")
    assert told["UV_FIND_LINKS"] == "from-environment"
    assert told["UV_INSECURE_HOST"] == "own.example", "what uv was told itself wins"


def test_a_set_up_environment_is_left_alone(tmp_path: Path) -> None:
    """With the stamp in place, set-up says and does nothing; without it, it starts."""
    python = script(tmp_path / "venv" / "bin" / "python", f'exec {sys.executable} "$@"')
    lock = ROOT / "constraints" / "dev.txt"
    stamp = tmp_path / "venv" / ".ndlab-dev"
    stamp.write_text(setup.digest(lock, setup.version_of(python)))
    command = [sys.executable, str(ROOT / "scripts" / "setup.py"), "--venv", str(tmp_path / "venv")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
    python.unlink()
    done = subprocess.run([*command, "--python", "/nonexistent/python"], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stdout.startswith("setting up venv from constraints/dev.txt")


# ------------------------------------------------------------------------------------------------ system.py
LIST = """
# a comment

sh|nothing-called-this   some-package   running scripts
no-such-1|no-such-2      one,two        seeing a page
"""


def test_a_need_is_met_by_any_of_its_commands() -> None:
    first, second = system.needs(LIST)
    assert first.met()
    assert not second.met()
    assert second == system.Need(("no-such-1", "no-such-2"), ("one", "two"), "seeing a page")


def test_a_need_is_met_by_a_file_that_is_not_on_path(tmp_path: Path) -> None:
    """Debian keeps a server's commands in a folder for each version."""
    (need,) = system.needs(f"no-such|{tmp_path}/*/bin/initdb postgresql a server")
    assert not need.met()
    script(tmp_path / "15" / "bin" / "initdb", "true")
    assert need.met()


def test_without_root_each_missing_one_is_named(tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text(LIST)
    code = (
        "import os, sys, pathlib; from scripts import system; os.geteuid = lambda: 1000\n"
        f"system.LIST = pathlib.Path({str(listed)!r}); sys.exit(system.main())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("missing:") == 1
    assert "no-such-1 or no-such-2, for seeing a page" in done.stderr
    assert "sudo apt-get install one two" in done.stderr


def test_with_root_on_debian_apt_is_asked_and_a_failure_shows(tmp_path: Path) -> None:
    """apt-get itself is replaced: the real one would install for the length of a test."""
    log = tmp_path / "log"
    script(tmp_path / "bin" / "apt-get", f'echo "$@" >> {log}')
    (tmp_path / "list.txt").write_text(LIST)
    code = (
        "import os, sys, pathlib; from scripts import system; os.geteuid = lambda: 0\n"
        f"system.LIST = pathlib.Path({str(tmp_path / 'list.txt')!r}); sys.exit(system.main())"
    )
    environment = dict(os.environ) | {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, check=False)
    assert log.read_text().splitlines() == ["-qq update", "-qq install -y --no-install-recommends one two"]
    assert done.returncode == 1
    assert b"missing: no-such-1" in done.stderr


def test_the_committed_list_is_met() -> None:
    assert system.needs(system.LIST.read_text())
    assert system.missing() == []


# ------------------------------------------------------------------------------------------------ conftest.py
TESTS = """
def test_needs_data(shared_data):
    assert shared_data.is_dir()

def test_plain():
    pass
"""


@pytest.fixture
def session(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A test session of its own with our conftest."""
    shutil.copy(ROOT / "tests" / "conftest.py", pytester.path)
    monkeypatch.delenv("NDLAB_TEST_DATA", raising=False)
    return pytester


def test_without_data_a_skip_is_counted_and_the_run_is_green(session: pytest.Pytester) -> None:
    session.makepyfile(TESTS)
    result = session.runpytest_subprocess()
    assert result.ret == 0
    result.stdout.fnmatch_lines(["1 tests skipped: set NDLAB_TEST_DATA", "*1 passed, 1 skipped*"])


def test_with_data_nothing_skips(
    session: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("NDLAB_TEST_DATA", str(tmp_path_factory.mktemp("data")))
    session.makepyfile(TESTS)
    result = session.runpytest_subprocess()
    assert result.ret == 0
    result.stdout.fnmatch_lines(["0 tests skipped", "*2 passed*"])


SKIPPED_TEST = "import pytest\n\ndef test_a():\n    pytest.skip('no reason')\n\ndef test_b():\n    pass\n"
SKIPPED_MODULE = "import pytest\n\npytest.skip('no reason', allow_module_level=True)\n"


@pytest.mark.parametrize(
    ("skipping", "workers"),
    [(SKIPPED_TEST, []), (SKIPPED_MODULE, []), (SKIPPED_TEST, ["-n", "2"])],
    ids=["test", "module", "xdist"],
)
def test_with_data_a_skip_is_a_failure(
    session: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, skipping: str, workers: list[str]
) -> None:
    monkeypatch.setenv("NDLAB_TEST_DATA", str(tmp_path))
    session.makepyfile(skipping)
    result = session.runpytest_subprocess(*workers)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*FAILED: 1 skipped although NDLAB_TEST_DATA is set*", "*no reason*"])


def test_data_that_are_not_there_fail(
    session: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NDLAB_TEST_DATA", str(tmp_path / "nothing"))
    session.makepyfile(TESTS)
    result = session.runpytest_subprocess()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*nothing is no folder*"])
