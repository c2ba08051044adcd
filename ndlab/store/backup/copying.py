"""Copy every key of a store and prove the copy: backup, verify, restore."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

from ndlab.errors import BadRequest, Conflict, NotFound, Problems, Unsupported
from ndlab.store.backup.manifest import SUMS, Backup
from ndlab.store.backup.places import FolderSource, FolderTarget, Source, Stamps, Target, ZipSource, ZipTarget
from ndlab.store.kv import Kv, in_zip, local_path, normal_url

__all__ = ["backup", "restore", "verify"]

_STATE = ".ndlab/state.json"
_MOST_NAMED = 20

Url = str | os.PathLike[str]
Progress = Callable[[int, int], None]


def backup(url: Url, dest: Url, *, progress: Progress | None = None) -> Backup:
    """Copy every key of a store, or of a folder of stores, into one file or folder and return the `Backup`.

    A backup file is a plain zip whose members are the keys, so it opens in place: ``ndlab.open("em.zip")``.
    Memory stays at a few megabytes for a local store, and at eight keys (chunks or shards) for a remote one.

    Parameters
    ----------
    url : str or path
        Any address whose keys can be listed: a local folder, a zip file, ``s3://`` or ``gs://``.
    dest : str or path
        A local file that ends in ``.zip``, or else a folder, local or remote. Nothing may be there. A file or a local
        folder appears under its name when it is complete.
    progress : callable, optional
        Called with (keys done, keys in all) after each key.

    Raises
    ------
    NotFound
        If nothing is at `url`.
    Unsupported
        If its keys cannot be listed (http), or it is a single file.
    Conflict
        If something is at `dest`, or the store was written meanwhile; no backup is left then.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     at = pathlib.Path(folder)
    ...     _ = (at / "a").mkdir(), (at / "a" / "key").write_bytes(b"value")
    ...     made, _ = backup(at / "a", at / "a.zip"), restore(at / "a.zip", at / "b")
    ...     print(len(made), (at / "b" / "key").read_bytes())
    1 b'value'
    """
    source, target = _store(normal_url(url)), _new_target(normal_url(dest), normal_url(url))
    before = _kept(source)
    states = _states(source, before)
    sums: dict[str, str] = {}
    nbytes = 0
    with target:
        for key, stream in source.streams(before):
            mark = before[key]
            sums[key], copied = _copy(stream, target, key, mark[0] if mark else None)
            nbytes += copied
            if progress is not None:
                progress(len(sums), len(before))
        after = _kept(source)
        if after != before or _states(source, after) != states:
            changed = sorted(key for key in {*before, *after} if before.get(key, 0) != after.get(key, 0))
            raise Conflict(f"{source.url} was written while it was backed up",
                           f"changed: {', '.join(changed[:3]) or 'its version'}",
                           "wait for the writers to end and try again; no backup was left", keys=changed)  # fmt: skip
        created = datetime.now(UTC).isoformat(timespec="seconds")
        made = Backup(target.url, source.url, created, nbytes, sums)
        document = made.document()
        target.put(SUMS, iter([document]), len(document))
    return made


def restore(archive: Url, url: Url, *, progress: Progress | None = None) -> Backup:
    """Put the keys of a backup at an address, checking each against its SHA-256, and return the `Backup`.

    A local store appears under its name when it is complete and proven. Before a remote one is written, the whole
    backup is checked.

    Parameters
    ----------
    archive : str or path
        What `backup` made: a zip file or a folder.
    url : str or path
        Where the store goes; nothing may be there.

    Raises
    ------
    NotFound
        If no backup is at `archive`.
    BadMetadata
        If it is cut short or its manifest is damaged.
    Problems
        If keys are missing or differ from their checksums: all of them, by name. Nothing is written.
    Conflict
        If something is at `url`.
    """
    source, made = _archive(normal_url(archive))
    target = FolderTarget(_free(normal_url(url)))
    if target.local is None:
        _refuse(source.url, _damage(source, made, None))
    damage = _missing(source, made)
    # Documents at the root come last: until then nobody takes a remote folder for a store.
    order = sorted((key for key in made.sums if key not in damage), key=lambda key: (-key.count("/"), key))
    with target:
        for done, (key, stream) in enumerate(source.streams(order), 1):
            if _copy(stream, target, key, None)[0] != made.sums[key]:
                damage[key] = "differs from its checksum"
            if progress is not None:
                progress(done, len(order))
        _refuse(source.url, damage)
    return made


def verify(archive: Url, *, progress: Progress | None = None) -> dict[str, str]:
    """Read a whole backup and return what is wrong with it, by key; empty if it restores as it was.

    Raises
    ------
    NotFound, BadMetadata
        As `restore`.
    """
    source, made = _archive(normal_url(archive))
    return _damage(source, made, progress)


def _damage(source: Source, made: Backup, progress: Progress | None) -> dict[str, str]:
    damage = _missing(source, made)
    there = [key for key in made.sums if key not in damage]
    for done, (key, stream) in enumerate(source.streams(there), 1):
        if _digest(stream) != made.sums[key]:
            damage[key] = "differs from its checksum"
        if progress is not None:
            progress(done, len(there))
    return damage


def _missing(source: Source, made: Backup) -> dict[str, str]:
    return dict.fromkeys(sorted(set(made.sums) - set(source.stamps())), "is missing")


def _refuse(url: str, damage: Mapping[str, str]) -> None:
    if not damage:
        return
    named = [f"{key} {what}" for key, what in list(damage.items())[:_MOST_NAMED]]
    if len(damage) > len(named):
        named.append(f"and {len(damage) - len(named)} more")
    raise Problems(f"the backup {url} is damaged", named, "restore from another backup", keys=tuple(damage))


def _digest(stream: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for part in stream:
        digest.update(part)
    return digest.hexdigest()


def _copy(stream: Iterator[bytes], target: Target, key: str, size: int | None) -> tuple[str, int]:
    """Copy one key and return the SHA-256 and the number of the bytes that were read."""
    digest, nbytes = hashlib.sha256(), 0

    def passing() -> Iterator[bytes]:
        nonlocal nbytes
        for part in stream:
            digest.update(part)
            nbytes += len(part)
            yield part

    target.put(key, passing(), size)
    return digest.hexdigest(), nbytes


def _kept(source: Source) -> Stamps:
    """List the keys that a backup holds: all but the manifest of the backup that the store came from."""
    return {key: mark for key, mark in source.stamps().items() if key != SUMS}


def _states(source: Source, keys: Stamps) -> dict[str, str]:
    """Digest the states of all volumes below: every write through ndlab changes one."""
    return {key: _digest(stream) for key, stream in source.streams([k for k in keys if k.endswith(_STATE)])}


def _store(url: str) -> Source:
    if in_zip(url):
        return FolderSource(url)
    local = local_path(url)
    if local is not None and local.is_file():
        raise Unsupported(f"{url} is a single file", "a backup is made of a store, which is a folder of keys",
                          f"copy the file, or make a store of it first: ndlab ingest {url} DEST",
                          feature="backup of a file")  # fmt: skip
    if local is not None and not local.exists():
        raise NotFound(f"nothing at {url}", "no such folder", "check the path", url=url)
    source = FolderSource(url)
    if not _kept(source):
        if url.startswith(("http://", "https://")):
            raise Unsupported(f"the keys of {url} cannot be listed", "http servers do not list what they hold",
                              f"make a store of your own of it: ndlab ingest {url} DEST",
                              feature="listing over http")  # fmt: skip
        raise NotFound(f"nothing at {url}", "no key is there", "check the address", url=url)
    return source


def _new_target(dest: str, source: str) -> Target:
    if f"{dest}/".startswith(f"{source}/"):
        raise BadRequest(f"a backup of {source} at {dest}", "it would lie inside what it is a backup of",
                         "choose a place outside")  # fmt: skip
    if not dest.lower().endswith(".zip"):
        return FolderTarget(_free(dest))
    if "://" in dest:
        raise BadRequest(f"a backup file at {dest}", "zip files are written locally only",
                         "write a local file and copy it there, or give an address without .zip")  # fmt: skip
    return ZipTarget(_free(dest))


def _free(dest: str) -> str:
    """`dest` if something can be made there and nothing is."""
    local = local_path(dest)
    if local is not None:
        taken = os.path.lexists(local) and not (local.is_dir() and not any(local.iterdir()))
    elif os.path.lexists(dest):
        taken = True  # a zip file
    elif in_zip(dest) or dest.startswith(("http://", "https://")):
        raise BadRequest(f"{dest} cannot be written", "http and zip addresses are read-only",
                         "choose a local folder, s3:// or gs://")  # fmt: skip
    else:
        taken = bool(Kv(dest).list())
    if taken:
        raise Conflict(f"something is at {dest} already", "ndlab does not overwrite", "choose another destination",
                       url=dest)  # fmt: skip
    return dest


def _archive(url: str) -> tuple[Source, Backup]:
    local_zip = in_zip(url) and "://" not in url
    local = local_path(url)
    if not local_zip and local is not None and not local.is_dir():
        exists = "it is no zip file and no folder" if local.exists() else "no such file or folder"
        raise NotFound(f"no backup at {url}", exists, "give what ndlab backup wrote", url=url)
    source = ZipSource(url) if local_zip else FolderSource(url)
    raw = b"".join(part for _, stream in source.streams([SUMS]) for part in stream) if SUMS in source.stamps() else None
    if raw is None:
        raise NotFound(f"no backup at {url}", f"{SUMS} is not in it: it is another thing, or was cut short",
                       "give what ndlab backup wrote", url=url)  # fmt: skip
    return source, Backup.parse(raw, url)
