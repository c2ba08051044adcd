"""Files that the package ships, and which of them were used: what a figure was made from."""

from __future__ import annotations

import hashlib
from pathlib import Path

__all__ = ["DATA", "shipped", "used"]

DATA = Path(__file__).resolve().parent / "data"

_used: dict[str, Path] = {}


def shipped(name: str) -> Path:
    """Return the path of a shipped file or folder, and note that it was used."""
    _used[name] = DATA / name
    return DATA / name


def used() -> dict[str, dict[str, str]]:
    """Return what was used in this process, each with a digest of its bytes.

    Examples
    --------
    >>> path = shipped("kasthuri2015/sasd.csv")
    >>> used()["kasthuri2015/sasd.csv"]["sample"]
    'kasthuri2015/sasd.csv'
    """
    return {name: {"sample": name, "blake2b": _digest(path)} for name, path in sorted(_used.items())}


def _digest(path: Path) -> str:
    found = hashlib.blake2b(digest_size=16)
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            found.update(file.read_bytes())
    return found.hexdigest()
