"""A disk without space refuses in words and loses nothing; one that cannot be written is read; R64."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUN = f'"{sys.executable}" -m tests.annotations.full_disk "$0"'


@cache
def mounting() -> list[str] | None:
    """Return the command under which file systems can be mounted that nobody else sees; None where there is none."""
    for command in (["unshare", "--user", "--map-root-user", "--mount"], ["unshare", "--mount"]):
        if (
            shutil.which("unshare")
            and not subprocess.run(
                [*command, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False
            ).returncode
        ):
            return command
    return None


def run(script: str, folder: Path) -> str:
    done = subprocess.run(
        [*(mounting() or []), "sh", "-c", script, str(folder)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_r64_a_disk_that_fills_up_at_any_step(tmp_path: Path) -> None:
    how = "fill" if mounting() else "limit"
    script = f'mount -t tmpfs -o size=16m tmpfs "$0" && exec {RUN} fill' if mounting() else f"exec {RUN} limit"
    told = dict(line.split(": ") for line in run(script, tmp_path).splitlines())
    assert {"write", "flush", "undo", "delete", "merge", "flush in bulk"} <= told.keys()
    assert how == "limit" or {"add", "update", "delete objects", "undo objects"} <= told.keys()
    assert all(int(times) > 0 for times in told.values())
    assert int(told["flush"]) > 3


@pytest.mark.skipif(sys.platform != "linux", reason="mounts")
def test_a_disk_that_is_mounted_read_only_is_read(tmp_path: Path) -> None:
    if mounting():
        mounted = 'mount -t tmpfs -o size=16m tmpfs "$0"'
        told = run(f'{mounted} && ({RUN} prepare; mount -o remount,ro "$0" && exec {RUN} read)', tmp_path)
        assert told == "read\n"
        return
    # Nothing can be mounted here: permissions do what they can, for all but root, whom they do not bind.
    if os.getuid():
        run(f"{RUN} prepare; chmod -R a-w $0; {RUN} read; done=$?; chmod -R u+w $0; exit $done", tmp_path)
