"""The graph files of a served folder, by name: found, read, described; a new one is taken whole or not at all.

A graph's name is that of its file, ending included: ``worm.graphml``. It lies directly in the folder; what begins with
a dot, and what a link leads to outside the folder, is not there.
"""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Collection, Hashable
from dataclasses import dataclass
from pathlib import Path

from ndlab.errors import BadMetadata, BadRequest, Conflict, NdlabError, NotFound, ReadOnly, TooLarge
from ndlab.graph import Graph
from ndlab.graph.files import ENDINGS, Format, format_of
from ndlab.serve.graphs.facts import Facts, facts_of
from ndlab.serve.graphs.folders import files_of, is_geff, unpacked
from ndlab.store.create import exists
from ndlab.store.kv import local_path

__all__ = ["Facts", "GraphFile", "GraphFolder"]

_STRANGE = re.compile(r"[/\\\x00-\x1f\x7f]")
_LONGEST = 200
_KNOWN = 100_000


@dataclass(frozen=True)
class GraphFile:
    """One graph as it lies in the folder."""

    name: str
    path: Path
    format: Format

    @property
    def files(self) -> list[Path]:
        """Its files: itself, or those of its folder."""
        return files_of(self.path)

    @property
    def nbytes(self) -> int:
        """Bytes of its files."""
        return sum(one.stat().st_size for one in self.files)

    @property
    def stamp(self) -> Hashable:
        """A mark that changes when a file of it does."""
        found = [(one, one.stat()) for one in self.files]
        return tuple((str(one), s.st_mtime_ns, s.st_ino, s.st_size) for one, s in found)


class GraphFolder:
    r"""The graphs directly in a folder of this machine; a remote one, or a folder that is itself a store, has none.

    Parameters
    ----------
    url : str
        As `ndlab.store.kv.normal_url` gives it.
    writable : bool
        Whether new ones may be put there.
    most : int
        Bytes of the largest graph that is read.

    Examples
    --------
    >>> folder = GraphFolder(tempfile.mkdtemp(), writable=True)
    >>> folder.put("toy.edgelist", b"a b\nb c\n").about["edges"]
    2
    >>> folder.names(), folder.read("toy.edgelist").ids.tolist()
    (('toy.edgelist',), ['a', 'b', 'c'])
    """

    def __init__(self, url: str, *, writable: bool = False, most: int = 512 << 20) -> None:
        self._url, self._writable, self.most = url, writable, most
        self._known: OrderedDict[str, tuple[Hashable, Facts]] = OrderedDict()
        self._looked: tuple[Hashable, bool] = (None, False)
        self._lock = threading.Lock()

    @property
    def _root(self) -> Path | None:
        root = local_path(self._url)
        if root is None or not root.is_dir():
            return None
        about = root.stat()
        seen = about.st_ino, about.st_mtime_ns  # what would make it a store lies directly in it
        if self._looked[0] != seen:
            self._looked = seen, exists(self._url)
        return None if self._looked[1] else root

    # --- who is there -------------------------------------------------------------------------------------------

    def names(self, among: Collection[str] | None = None, match: str = "*") -> tuple[str, ...]:
        """Return the names, sorted: of those that are listed, and that a pattern of ``*`` and ``?`` matches."""
        root = self._root
        if among is None:
            among = [one.name for one in root.iterdir()] if root is not None else ()
        return tuple(sorted({one for one in among if fnmatch.fnmatchcase(one, match) and self._at(root, one)}))

    def file(self, name: str) -> GraphFile:
        """Return one.

        Raises
        ------
        NotFound
            If there is none of that name.
        """
        found = self._at(self._root, name)
        if found is None:
            raise NotFound(f"graph {name[:100]!r}", "the folder has no graph file of that name",
                           "ask /v1/graphs for the names")  # fmt: skip
        return found

    def _at(self, root: Path | None, name: str) -> GraphFile | None:
        if root is None or _wrong(name) or Path(name).suffix.lower() not in ENDINGS:
            return None
        path, kind = root / name, format_of(Path(name), None)
        try:
            there = path.is_dir() if kind.is_folder else path.is_file()
            there |= kind.name == "parquet" and path.is_file()
            if not there or (path.suffix.lower() == ".zarr" and not is_geff(path)):
                return None
            inside = os.path.realpath(root) + os.sep
            leaves = not all(os.path.realpath(one, strict=True).startswith(inside) for one in {path, *files_of(path)})
        except (OSError, ValueError, RuntimeError):  # a name that the disk does not take, a link to itself
            return None
        return None if leaves else GraphFile(name, path, kind)

    # --- reading ------------------------------------------------------------------------------------------------

    def read(self, name: str) -> Graph:
        """Read one.

        Raises
        ------
        NotFound, BadMetadata
            If it is not there, or not what its ending says.
        TooLarge
            If it is larger than is read at once.
        """
        found = self.file(name)
        self._check_size(f"graph {name!r}", found.nbytes)
        return _loaded(found)

    def facts(self, name: str) -> Facts:
        """Describe one; a file that has not changed since is not read again."""
        found = self.file(name)
        stamp = found.stamp
        with self._lock:
            known = self._known.get(name)
        if known is None or known[0] != stamp:
            known = stamp, facts_of(self.read(name))
            with self._lock:
                self._known[name] = known
                self._known.move_to_end(name)
                while len(self._known) > _KNOWN:
                    self._known.popitem(last=False)
        return known[1]

    def _check_size(self, what: str, nbytes: int) -> None:
        if nbytes > self.most:
            raise TooLarge(f"{what} of {nbytes} bytes", f"{self.most} are read at once", "read it with ndlab.graph",
                           nbytes=nbytes, limit=self.most)  # fmt: skip

    # --- writing ------------------------------------------------------------------------------------------------

    def put(self, name: str, body: bytes, *, overwrite: bool = False) -> Facts:
        """Store a graph file after it was read; geff and a folder of Parquet come as a zip of theirs.

        Raises
        ------
        ReadOnly
            If the folder takes none.
        BadRequest
            If the name is no file's name with an ending that is known, or the body is not what it says.
        Conflict
            If one is there, and `overwrite` is not set.
        """
        root = self._root
        if root is None or not self._writable:
            raise ReadOnly(f"a graph for {name[:100]!r}", "this server takes none", "start it with --writable")
        if _wrong(name):
            raise BadRequest(f"a graph of the name {name[:100]!r}", f"a name is a file's, of {_LONGEST} bytes at most, "
                             "without a slash and without a dot in front", "put worm.graphml")  # fmt: skip
        kind = format_of(Path(name), None)
        _refuse_existing(root / name, overwrite)
        self._check_size("a body", len(body))
        # Beside where it goes, so that it gets there by a rename.
        part = Path(tempfile.mkdtemp(prefix=".ndlab-graph-", dir=root))
        try:
            made = GraphFile(name, part / name, kind)
            _laid(made, body, self.most)
            facts = _taken(made, part)
            _placed(made.path, root / name, overwrite)
        finally:
            shutil.rmtree(part, ignore_errors=True)
        return facts


def _wrong(name: str) -> bool:
    encoded = name.encode(errors="replace")
    return not name or name.startswith(".") or len(encoded) > _LONGEST or bool(_STRANGE.search(name))


def _loaded(found: GraphFile) -> Graph:
    """Read a file as what its ending says, never as a zip that may unpack to anything."""
    try:
        graph = found.format.load(found.path, Graph)
    except NdlabError:
        raise
    except Exception as error:  # whatever a parser says of a file, the file is wrong
        raise BadMetadata(f"{found.name} as {found.format.name}", f"it does not read: {type(error).__name__}",
                          "its owner has to mend it") from None  # fmt: skip
    return graph if "name" in graph.attributes else graph.with_attributes(name=Path(found.name).stem)


def _refuse_existing(path: Path, overwrite: bool) -> None:
    if not os.path.lexists(path):
        return
    if path.is_dir():
        raise Conflict(f"{path.name} exists", "a folder is not replaced", "put it under another name")
    if not overwrite:
        raise Conflict(f"{path.name} exists", "", "add ?overwrite=1 to replace it, or put it under another name")


def _laid(made: GraphFile, body: bytes, most: int) -> None:
    """Write a body to the disk."""
    if made.format.is_folder and not (made.format.name == "parquet" and body.startswith(b"PAR1")):
        unpacked(body, made.path, most)
        return
    with made.path.open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())


def _taken(made: GraphFile, part: Path) -> Facts:
    """Describe what was posted; what is wrong with it is the sender's mistake."""
    try:
        return facts_of(_loaded(made))
    except NdlabError as error:
        asked = error.asked.replace(f"{part}{os.sep}", "")
        why = error.exists.replace(f"{part}{os.sep}", "")
        raise BadRequest(asked, why, f"send {made.format.name} under a name that ends in "
                         f"{' or '.join(made.format.suffixes)}") from None  # fmt: skip


def _placed(made: Path, path: Path, overwrite: bool) -> None:
    """Bring a finished file to its place; of two at the same time one is told that the other was first."""
    if made.is_dir():
        made.rename(path)
    elif overwrite:
        made.replace(path)
    else:
        try:
            path.hardlink_to(made)
        except FileExistsError:
            _refuse_existing(path, overwrite)
