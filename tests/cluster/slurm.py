"""A real SLURM on this machine: munge, the controller and one node's daemon, on the loopback, in a folder."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.cluster.processes import free_port, program

__all__ = ["slurm"]

_CONFIG = """
ClusterName=ndlab
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={daemon}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmdParameters=config_overrides
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0
JobCompType=jobcomp/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
KillWait=5
MailProg=/bin/true
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=4000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=00:30:00 State=UP
"""


@contextmanager
def slurm() -> Iterator[dict[str, str]]:
    """Yield the environment in which sbatch, squeue and scancel speak to a SLURM of one node with four slots."""
    for name in ("munged", "slurmctld", "slurmd", "sbatch", "scancel"):
        if shutil.which(name, path=_PATH) is None:
            pytest.fail(f"there is no {name}: install what system-packages-cluster.txt lists")
    with tempfile.TemporaryDirectory(prefix="ndlab-slurm-") as name, ExitStack() as stack:
        folder = Path(name)
        for part in ("state", "spool"):
            (folder / part).mkdir()
        key = folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        sockets = folder / "munge.socket"
        stack.enter_context(
            program(
                [_where("munged"), "--foreground", "--force", f"--key-file={key}", f"--socket={sockets}",
                 f"--pid-file={folder}/munged.pid", f"--log-file={folder}/munged.log", f"--seed-file={folder}/seed"],
                folder / "munged.out", sockets.exists,
            )
        )  # fmt: skip
        config = folder / "slurm.conf"
        config.write_text(
            _CONFIG.format(
                host=socket.gethostname().partition(".")[0], controller=free_port(), daemon=free_port(),
                folder=folder, user="root" if os.geteuid() == 0 else os.environ["USER"],
            )
        )  # fmt: skip
        environment = {"SLURM_CONF": str(config), "PATH": _PATH}
        for daemon, up in (("slurmctld", "ping"), ("slurmd", "node")):
            stack.enter_context(
                program([_where(daemon), "-D", "-f", str(config)], folder / f"{daemon}.out",
                        partial(_up, up, environment), environment=environment)
            )  # fmt: skip
        try:
            yield environment
        finally:
            _empty(environment)


def _empty(environment: dict[str, str]) -> None:
    """Take every job back, and wait until it is gone: a job's process is in no session of ours."""
    _ask(["scancel", "--state=PENDING,RUNNING,SUSPENDED", f"--user={os.geteuid()}"], environment)
    end = time.monotonic() + 30
    while _ask(["squeue", "--noheader"], environment).strip() and time.monotonic() < end:
        time.sleep(0.2)


_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])


def _where(name: str) -> str:
    found = shutil.which(name, path=_PATH)
    assert found is not None
    return found


def _up(what: str, environment: dict[str, str]) -> bool:
    if what == "ping":
        return " UP" in _ask(["scontrol", "ping"], environment)
    return _ask(["sinfo", "--noheader", "--format=%T"], environment).strip() in ("idle", "mixed", "allocated")


def _ask(command: list[str], environment: dict[str, str]) -> str:
    """What one of SLURM's commands says."""
    done = subprocess.run(
        command, env=dict(os.environ) | environment, capture_output=True, text=True, check=False, timeout=60
    )
    return done.stdout
