"""Which format a file is of, and safe writing: a file appears only once it is complete."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ndlab.annotations.exchange import delimited, documents, feather, flat, layers, nifti, parquet, swc
from ndlab.errors import BadRequest, Conflict, NotFound, ReadOnly, TooLarge

if TYPE_CHECKING:
    pass

__all__ = ["export", "load"]

_WRITERS: dict[str, Callable[..., None]] = {
    ".csv": delimited.write, ".json": documents.write, ".jsonl": documents.write_lines,
    ".parquet": parquet.write, ".swc": swc.write,
}  # fmt: skip
_READERS: dict[str, Callable[..., Iterator[Any]]] = {
    ".csv": delimited.read, ".csv.gz": delimited.read, ".json": documents.read, ".jsonl": documents.read_lines,
    ".parquet": parquet.read, ".feather": feather.read, ".arrow": feather.read, ".swc": swc.read,
    ".nii": nifti.read, ".nii.gz": nifti.read,
}  # fmt: skip


def export(query: Any, dest: str | os.PathLike[str], overwrite: bool = False, **options: Any) -> Path:
    """Write objects to a file, whose format its name says, or a ``precomputed://`` folder, and return its path.

    Parameters
    ----------
    query : Query or path
        The objects, or a Parquet file of rows with positions, which go to a folder without passing a database.
    dest : path
    overwrite : bool
        Replace what is there.
    **options
        Of the format, as for `Query.export`.

    Raises
    ------
    Conflict
        If something is there.
    BadRequest, Problems
        For what the format does not hold; nothing is written.
    """
    if layers.is_layer(dest):
        return _folder(query, layers.place(dest), overwrite, **options)
    if not hasattr(query, "batches"):
        raise BadRequest(f"{query} as {dest}", "a Parquet file goes to a precomputed:// folder only",
                         "load it into annotations, and export those")  # fmt: skip
    path = Path(dest).expanduser()
    write = _of(path, _WRITERS)
    if path.exists() and not overwrite:
        raise Conflict(f"export to {path}", "there is a file already", "pass overwrite=True to replace it")
    part = path.with_name(f".{path.name}.part")
    with _disk(path):
        try:
            write(query, part, **options)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    return path


def _folder(query: Any, path: Path, overwrite: bool, **options: Any) -> Path:
    """Write a folder, which takes its name only once it is complete."""
    if path.exists() and not (overwrite and layers.is_own(path)):
        remedy = "pass overwrite=True to replace it" if layers.is_own(path) else "name another place"
        raise Conflict(f"export to {path}", "something is there already", remedy)
    mark = uuid.uuid4().hex[:12]
    part, old = (path.with_name(f".{path.name}.{mark}.{what}") for what in ("part", "old"))
    with _disk(path):
        try:
            layers.write(query, part, **options)
            if path.exists():
                path.rename(old)
            part.rename(path)
        finally:
            shutil.rmtree(part, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)
    return path


def load(
    path: str | os.PathLike[str], rename: Mapping[str, str] | None = None, *, unit: Any = None, rows: int | None = None,
    **options: Any,
) -> Iterator[Any]:  # fmt: skip
    """Yield tables of a file's or folder's objects, with columns renamed; those with `unit` are flat tables."""
    if layers.is_layer(path):
        for table in layers.read(layers.place(path), **options):
            yield _renamed(table, rename) if rename else table
        return
    source = Path(path).expanduser()
    read = _of(source, _READERS)
    if not source.is_file():
        raise NotFound(f"no file at {source}", "", "check the path")
    if read is nifti.read:
        options |= {} if unit is None else {"unit": unit}
    elif unit is not None:
        yield from flat.read(source, partial(read, **options), unit, rows, rename)
        return
    if rows is not None:
        raise BadRequest(f"rows={rows}", "rows are counted of flat tables", "pass unit=, too: what positions count in")
    for table in read(source, **options):
        yield _renamed(table, rename) if rename else table


def _renamed(table: Any, rename: Mapping[str, str]) -> Any:
    names = list(table) if isinstance(table, Mapping) else table.schema.names
    strange = sorted(set(rename) - set(names))
    if strange:
        raise BadRequest(f"rename of {', '.join(strange)}", f"the columns are {', '.join(names)}"[:500])
    if isinstance(table, Mapping):
        return {rename.get(name, name): column for name, column in table.items()}
    return table.rename_columns([rename.get(name, name) for name in names])


def _of(path: Path, known: Mapping[str, Any]) -> Any:
    suffixes = [one.lower() for one in path.suffixes[-2:]]
    found = known.get("".join(suffixes)) or known.get(path.suffix.lower())
    if found is None:
        raise BadRequest(f"{path.name} as annotations", f"the formats are {', '.join(known)}", "name the file so")
    return found


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    """Name what the disk refuses."""
    try:
        yield
    except (PermissionError, FileNotFoundError, NotADirectoryError) as error:
        if isinstance(error, ReadOnly | NotFound):
            raise
        raise ReadOnly(f"{path} cannot be written", str(error), "choose a folder that is there and writable") from None
    except OSError as error:
        if error.errno not in (28, 27, 122):  # no space, file too large, over quota
            raise
        raise TooLarge(f"{path}: no space left", str(error), "free some space; nothing was left behind") from None
