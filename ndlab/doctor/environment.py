"""Whether this machine and this Python have what ndlab needs."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from importlib import metadata as distributions
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ndlab import plugins
from ndlab.describe import available_memory, si_bytes
from ndlab.doctor.report import Finding, Report
from ndlab.errors import NdlabError

if TYPE_CHECKING:
    from packaging.requirements import Requirement

__all__ = ["environment"]

_OLDEST = (3, 11)
_LITTLE_MEMORY = 2 << 30
_LITTLE_DISK = 1 << 30
# What people do with an extra, and not what they develop ndlab with.
_DEVELOPMENT = ("dev", "bench")
_CGROUP = Path("/sys/fs/cgroup")


def environment(folder: str | os.PathLike[str] = ".") -> Report:
    """Look at Python, packages, extras, cores, memory, disk and the array engine, and return a `Report`.

    Parameters
    ----------
    folder : path
        Where data would be written: its disk is looked at.

    Examples
    --------
    >>> report = environment()
    >>> [f.what for f in report.findings][:3]
    ['Python', 'ndlab', 'packages']
    """
    return Report("this environment", tuple(_findings(Path(folder))))


def _findings(folder: Path) -> Iterator[Finding]:
    yield _python()
    yield from _packages()
    yield _cores()
    yield _memory()
    yield from (_disk(what, path) for what, path in (("disk", folder), ("temporary", Path(tempfile.gettempdir()))))
    yield _engine()
    yield _xarray()
    yield from _added()


def _python() -> Finding:
    words = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {sys.executable}"
    if sys.version_info < _OLDEST:
        return Finding("Python", "problem", words, "use Python 3.11 or newer")
    return Finding("Python", "ok", words)


def _packages() -> Iterator[Finding]:
    from packaging.requirements import Requirement

    try:
        found = distributions.distribution("ndlab")
    except distributions.PackageNotFoundError:
        yield Finding("ndlab", "problem", "ndlab is imported from a folder, but not installed", "pip install -e .")
        return
    yield Finding("ndlab", "ok", f"{found.version} in {Path(__file__).resolve().parents[1]}")
    listed = [Requirement(text) for text in found.requires or ()]
    core = [one for one in listed if one.marker is None or one.marker.evaluate({"extra": ""})]
    yield Finding("packages", "ok", ", ".join(f"{one.name} {v}" for one in core if (v := _installed(one.name))))
    for one in _lacking(core):
        have = _installed(one.name)
        detail = (
            f"{one.name} {have} is too old: ndlab needs {one.specifier}" if have else f"{one.name} is not installed"
        )
        yield Finding("packages", "problem", detail, f'pip install "{one.name}{one.specifier}"')
    for extra in found.metadata.get_all("Provides-Extra") or ():
        if extra not in _DEVELOPMENT:
            wanted = [one for one in listed if one.marker is not None and one.marker.evaluate({"extra": extra})]
            yield _extra(extra, [one for one in wanted if one not in core])


def _extra(name: str, wanted: list[Requirement]) -> Finding:
    missing = [one.name for one in _lacking(wanted)]
    if missing:
        return Finding(f"[{name}]", "note", f"not here: {', '.join(missing)}", f'pip install "ndlab[{name}]"')
    return Finding(f"[{name}]", "ok", ", ".join(f"{one.name} {_installed(one.name)}" for one in wanted))


def _lacking(wanted: Iterable[Requirement]) -> Iterator[Requirement]:
    for one in wanted:
        version = _installed(one.name)
        if version is None or not one.specifier.contains(version, prereleases=True):
            yield one


def _installed(name: str) -> str | None:
    try:
        return distributions.version(name)
    except distributions.PackageNotFoundError:
        return None


def _cores() -> Finding:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _read(_CGROUP / "cpu.max").split()
    if len(quota) == 2 and quota[0].isdigit() and int(quota[0]) < usable * int(quota[1]):
        allowed = int(quota[0]) / int(quota[1])
        return Finding("cores", "note", f"{usable}, of which the container may use {allowed:.2g}",
                       "start workers for as many only")  # fmt: skip
    return Finding("cores", "ok", str(usable))


def _memory() -> Finding:
    free, limit = available_memory(), _read(_CGROUP / "memory.max").strip()
    used = _read(_CGROUP / "memory.current").strip()
    words = "" if free is None else f"{si_bytes(free)} available"
    if limit.isdigit() and used.isdigit():
        left = max(0, int(limit) - int(used))
        words += f"{', ' if words else ''}{si_bytes(left)} left of the container's {si_bytes(int(limit))}"
        free = left if free is None else min(free, left)
    if free is not None and free < _LITTLE_MEMORY:
        return Finding("memory", "note", words, "work on boxes or coarser levels, with few workers")
    return Finding("memory", "ok", words or "the system does not say")


def _disk(what: str, folder: Path) -> Finding:
    try:
        usage = shutil.disk_usage(folder)
    except OSError as error:
        return Finding(what, "problem", f"{folder} cannot be looked at: {error.strerror}", "choose another folder")
    words = f"{si_bytes(usage.free)} free of {si_bytes(usage.total)} in {folder.resolve()}"
    if not os.access(folder, os.W_OK):
        return Finding(what, "note", f"{words}, which cannot be written", "write somewhere else")
    if usage.free < _LITTLE_DISK:
        return Finding(what, "note", words, "free some space before you write a volume there")
    return Finding(what, "ok", words)


def _engine() -> Finding:
    """Whether a small volume comes back as it was written: codecs, file system and array engine in one go."""
    from ndlab.geometry import Calibration
    from ndlab.metadata import Multiscale, Scale
    from ndlab.store.create import create

    values = np.arange(32**3, dtype=np.uint16).reshape(32, 32, 32)
    one = Multiscale(("z", "y", "x"), (Scale("s0", Calibration((8, 8, 8))),))
    try:
        with tempfile.TemporaryDirectory() as folder:
            stored = create(f"{folder}/a", one, [values.shape], "u2", chunks=[(16,) * 3], shards=[(32,) * 3])
            array = stored.levels[0].array
            array.write((0, 0, 0), values)
            same = np.array_equal(array.read((0, 0, 0), values.shape), values)
    except Exception as error:  # Whatever is broken, the report says so.
        return Finding(
            "engine", "problem", f"{type(error).__name__}: {error}", "pip install --force-reinstall tensorstore"
        )
    if not same:
        return Finding("engine", "problem", "a small volume did not come back as it was written",
                       "pip install --force-reinstall tensorstore zarr numcodecs")  # fmt: skip
    return Finding("engine", "ok", "a sharded zstd volume comes back as it was written")


def _xarray() -> Finding:
    if distributions.entry_points(group="xarray.backends", name="ndlab"):
        return Finding("xarray", "ok", 'xarray.open_dataset(url, engine="ndlab") is known')
    return Finding("xarray", "problem", 'xarray does not know engine="ndlab"', "pip install --force-reinstall ndlab")


def _added() -> Iterator[Finding]:
    """Import what other packages add, and say whether that can be done."""
    for group in plugins.GROUPS:
        names = plugins.names(group)
        if names:
            yield Finding(f"added {group}", "ok", ", ".join(names))
        for name in names:
            try:
                plugins.load(group, name)
            except NdlabError as error:
                yield Finding(f"added {group}", "problem", f"{error}")


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
