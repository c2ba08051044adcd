"""Graphs that are folders, geff and Parquet: their files, and how they come as a zip."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

from ndlab.errors import BadRequest, TooLarge

__all__ = ["files_of", "is_geff", "unpacked"]

_MOST_FILES = 10_000


def files_of(path: Path) -> list[Path]:
    """Return a path that is a file, else the files below it, sorted."""
    return sorted(one for one in path.rglob("*") if not one.is_dir()) if path.is_dir() else [path]


def is_geff(path: Path) -> bool:
    """Tell whether a Zarr folder holds a graph."""
    for name in (".zattrs", "zarr.json"):
        try:
            found = json.loads((path / name).read_bytes())
        except (OSError, ValueError):
            continue
        if isinstance(found, dict) and "geff" in (found.get("attributes") or found):
            return True
    return False


def unpacked(body: bytes, path: Path, most: int) -> None:
    """Unpack the zip of one folder to a path; its files may lie in a folder of their own in it.

    Raises
    ------
    BadRequest
        If it is no zip, or is damaged.
    TooLarge
        If it unpacks to more than `most` bytes: a small zip may hold anything.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as file:
            members = [one for one in file.infolist() if not one.is_dir()]
            size = sum(one.file_size for one in members)
            if size > most or len(members) > _MOST_FILES:
                raise TooLarge(f"a zip of {len(members)} files and {size} bytes", f"{_MOST_FILES} files and {most} "
                               "bytes are taken", "send a smaller graph", nbytes=size, limit=most)  # fmt: skip
            for one in members:
                _extract(file, one, path, _top(members))
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, RuntimeError, NotImplementedError) as error:
        if isinstance(error, BadRequest | TooLarge):
            raise
        raise BadRequest(f"a body of {len(body)} bytes for {path.name}", "it is no zip that can be unpacked",
                         f"send the folder as a zip: zip -r {path.stem}.zip {path.name}") from None  # fmt: skip


def _top(members: list[zipfile.ZipInfo]) -> str:
    """Return the one folder that all files of a zip lie in, if it is called as a graph is."""
    tops = {one.filename.partition("/")[0] for one in members if "/" in one.filename}
    (top,) = tops if len(tops) == 1 and all("/" in one.filename for one in members) else ("",)
    return f"{top}/" if top.lower().endswith((".geff", ".zarr", ".parquet")) else ""


def _extract(file: zipfile.ZipFile, one: zipfile.ZipInfo, path: Path, top: str) -> None:
    parts = one.filename.removeprefix(top).split("/")
    if any(part in ("", ".", "..") or "\\" in part or "\x00" in part for part in parts):
        raise BadRequest(f"{one.filename[:100]!r} in a zip", "it is no path below the folder", "leave it out")
    dest = path.joinpath(*parts)
    dest.parent.mkdir(parents=True, exist_ok=True)
    dest.write_bytes(file.read(one))
