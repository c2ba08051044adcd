"""A cluster of Dask of which each part is a process that can be killed: a scheduler, and workers that come and go."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.cluster.processes import free_port, listening, program

__all__ = ["Machines"]

_ROOT = Path(__file__).resolve().parents[2]


class Machines:
    """A scheduler on a port that it keeps, and workers of one thread that nobody restarts."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder, self._stack = folder, ExitStack()
        folder.mkdir(parents=True, exist_ok=True)
        self._environment = {"PYTHONPATH": str(_ROOT), "OMP_NUM_THREADS": "1"} | dict(environment)
        self._port, self._count = free_port(), 0
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.workers: list[subprocess.Popen[bytes]] = []

    @property
    def address(self) -> str:
        """Where the scheduler is."""
        return f"tcp://127.0.0.1:{self._port}"

    def __enter__(self) -> Machines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def start_scheduler(self) -> None:
        """Start the scheduler, or another one in its place."""
        self.scheduler = self._start("scheduler", f"--port={self._port}", "--host=127.0.0.1", "--no-dashboard",
                                     up=lambda: listening(self._port))  # fmt: skip

    def add_workers(self, count: int) -> None:
        """Start workers; they are there when the scheduler says so."""
        for _ in range(count):
            self.workers.append(
                self._start("worker", self.address, "--nthreads=1", "--no-nanny", "--host=127.0.0.1", "--no-dashboard",
                            "--memory-limit=0", "--death-timeout=30", f"--local-directory={self._folder}")
            )  # fmt: skip

    def kill_worker(self) -> None:
        """Kill the oldest worker that runs."""
        victim = next(one for one in self.workers if one.poll() is None)
        victim.send_signal(signal.SIGKILL)
        victim.wait()

    def kill_scheduler(self) -> None:
        """Kill the scheduler, and with it all that it knows."""
        assert self.scheduler is not None
        self.scheduler.send_signal(signal.SIGKILL)
        self.scheduler.wait()

    def client(self) -> Any:
        """A client of the scheduler."""
        import distributed

        return distributed.Client(self.address, timeout=60, set_as_default=False)

    def _start(self, *words: str, up: Any = None) -> subprocess.Popen[bytes]:
        self._count += 1
        log = self._folder / f"{self._count}-{words[0]}.log"
        command = [sys.executable, "-m", "dask", *words]
        return self._stack.enter_context(
            program(command, log, up or (lambda: True), environment=dict(os.environ) | self._environment)
        )
