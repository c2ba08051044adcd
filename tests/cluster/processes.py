"""Programs that run while a test does: started with a log, waited for, ended with all that they started."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

__all__ = ["dying_with_us", "end", "free_port", "listening", "program", "session_of"]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def listening(port: int) -> bool:
    """Whether somebody listens on a port of the loopback."""
    with socket.socket() as found:
        found.settimeout(1)
        return found.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def program(
    command: Sequence[str],
    log: Path,
    up: Callable[[], bool],
    *,
    environment: Mapping[str, str] | None = None,
    seconds: float = 60,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until the block ends; fail with its log if it is not `up` in time."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            dying_with_us(command), env=dict(os.environ) | dict(environment or {}), cwd=log.parent,
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
    try:
        until = time.monotonic() + seconds
        while not up():
            if process.poll() is not None or time.monotonic() > until:
                pytest.fail(f"{command[0]} did not start:\n{log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.1)
        yield process
    finally:
        end(process)


def dying_with_us(command: Sequence[str], signal_name: str = "KILL") -> list[str]:
    """The command, so that it is ended by the system if these tests are, however they are."""
    return ["setpriv", "--pdeathsig", signal_name, "--", *command]


def end(process: subprocess.Popen[bytes], seconds: float = 20) -> None:
    """Ask a program to end, and make it; what else is of its session ends with it."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for left in session_of(process.pid):
        left.kill()


def session_of(leader: int) -> list[psutil.Process]:
    """The processes whose session a process led."""
    found = []
    for one in psutil.process_iter():
        try:
            if os.getsid(one.pid) == leader and one.status() != psutil.STATUS_ZOMBIE:
                found.append(one)
        except (OSError, psutil.Error):
            continue
    return found
