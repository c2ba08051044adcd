"""Graphs on their way out: as they lie, in another format, or many in one zip that is made as it is sent."""

from __future__ import annotations

import logging
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ndlab.errors import Conflict, Unsupported
from ndlab.graph import FORMATS, Graph, write
from ndlab.graph.files import Format
from ndlab.serve.graphs.folder import GraphFolder

__all__ = ["PIECE", "Sending", "archive", "made", "packed", "pieces", "refuse_loss"]

PIECE = 1 << 20
_log = logging.getLogger("ndlab.serve")
_SHOWN = 5
# Bytes of a zip that are worth a packet; fewer wait for the next graph.
_SENT = 1 << 16
# Graph files are text that any level makes small; the lowest takes a third of the time of the usual one.
_LEVEL = 1


@dataclass(frozen=True)
class Sending:
    """How graphs are asked for: `format` None is as they lie."""

    format: Format | None = None
    lossy: bool = False


def refuse_loss(
    folder: GraphFolder, names: Sequence[str], how: Sending, cancelled: Callable[[], bool] = lambda: False
) -> None:
    """Read what was not read before, and refuse before the first byte what the format cannot hold.

    Raises
    ------
    Conflict
        With what would be lost of which graphs.
    """
    losses = {name: () if cancelled() else _misses(folder, name, how) for name in names}
    lost = [f"{name}: {', '.join(words)}" for name, words in losses.items() if words]
    if lost and not how.lossy and how.format is not None:
        more = f"; and of {len(lost) - _SHOWN} more graphs" if len(lost) > _SHOWN else ""
        kinds = {name: Sending(kind) for name, kind in FORMATS.items()}
        whole = ", ".join(name for name in FORMATS if not any(_misses(folder, n, kinds[name]) for n in names))
        raise Conflict(f"{how.format.name} would lose of {'; of '.join(lost[:_SHOWN])}{more}",
                       f"these formats lose nothing: {whole}", "ask for one of them, or add lossy=1",
                       lost=lost)  # fmt: skip


def _misses(folder: GraphFolder, name: str, how: Sending) -> tuple[str, ...]:
    facts = folder.facts(name)
    asked = how.format
    return () if asked is None or asked == folder.file(name).format else facts.misses.get(asked.name, ())


@contextmanager
def made(graph: Graph, kind: Format, stem: str, *, lossy: bool) -> Iterator[Path]:
    """Write a graph in a format to a place that goes away.

    Raises
    ------
    Conflict
        If the format cannot hold it.
    """
    with tempfile.TemporaryDirectory(prefix="ndlab-graph-") as place:
        try:
            yield write(graph, Path(place, stem + kind.suffixes[0]), format=kind.name, lossy=lossy)
        except Unsupported as error:
            again = "ask for another format" if lossy else "ask for another format, or add lossy=1"
            raise Conflict(error.asked, error.exists, again) from None


def pieces(path: Path) -> Iterator[bytes]:
    """Yield the bytes of a file."""
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece


def archive(folder: GraphFolder, names: Sequence[str], how: Sending, cancelled: Callable[[], bool]) -> Iterator[bytes]:
    """Yield a zip of graphs, one in memory at a time.

    One that turns out in the middle not to go into the format breaks the zip off, which then has no end and which
    nobody takes for whole; the log says which it was.
    """
    titles = _titles(folder, names, how)
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as file:
        for name in names:
            if cancelled():
                return
            try:
                with _as_asked(folder, name, how) as path:
                    yield from _packed(file, path, titles[name], sink)
            except Conflict as error:
                _log.warning("a zip of graphs was broken off at %s: %s", name, error)
                raise Conflict(f"{name}: {error.asked}", error.exists, "leave it out with match=, or ask for another "
                               "format") from None  # fmt: skip
    yield sink.take()


@contextmanager
def _as_asked(folder: GraphFolder, name: str, how: Sending) -> Iterator[Path]:
    found = folder.file(name)
    if how.format is None or how.format == found.format:
        yield found.path
        return
    with made(folder.read(name), how.format, Path(name).stem, lossy=how.lossy) as path:
        yield path


def _titles(folder: GraphFolder, names: Sequence[str], how: Sending) -> dict[str, str]:
    """Return what each graph is called in the zip; two that would get the same name keep their endings."""
    taken: set[str] = set()
    found = {}
    for name in names:
        kind = how.format
        same = kind is None or kind == folder.file(name).format
        title = name if same or kind is None else Path(name).stem + kind.suffixes[0]
        while title in taken or (title != name and title in names):
            assert kind is not None
            title = title.removesuffix(kind.suffixes[0]) + Path(name).suffix + kind.suffixes[0]
        taken.add(title)
        found[name] = title
    return found


def packed(path: Path, title: str) -> Iterator[bytes]:
    """Yield a zip of one graph that is a folder."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as file:
        yield from _packed(file, path, title, sink)
    yield sink.take()


def _packed(file: zipfile.ZipFile, path: Path, title: str, sink: _Sink) -> Iterator[bytes]:
    if path.is_dir():
        for one in sorted(p for p in path.rglob("*") if p.is_file()):
            yield from _member(file, one, f"{title}/{one.relative_to(path).as_posix()}", sink)
    else:
        yield from _member(file, path, title, sink)


def _member(file: zipfile.ZipFile, path: Path, title: str, sink: _Sink) -> Iterator[bytes]:
    about = path.stat()
    # A zip counts years from 1980 to 2107.
    when = time.gmtime(min(max(about.st_mtime, 315_532_800), 4_354_819_198))
    info = zipfile.ZipInfo(title, when[:6])
    info.compress_type, info.file_size, info.external_attr = zipfile.ZIP_DEFLATED, about.st_size, 0o644 << 16
    with file.open(info, "w") as out:
        for piece in pieces(path):
            out.write(piece)
            if sink.nbytes >= _SENT:
                yield sink.take()
    if sink.nbytes >= _SENT:
        yield sink.take()


class _Sink:
    """What a zip is written to: it cannot be sought in, and is emptied as it fills."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.nbytes = 0

    def write(self, part: bytes) -> int:
        self._parts.append(bytes(part))
        self.nbytes += len(part)
        return len(part)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def take(self) -> bytes:
        taken, self._parts, self.nbytes = b"".join(self._parts), [], 0
        return taken
