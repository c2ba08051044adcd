"""What a folder serves, by name: the stores that lie in it, and the channels that were made over HTTP.

A store ``kasthuri11.zarr`` is the token ``kasthuri11``. Its channels are those that the store names, else ``image``, or
``annotation`` if it holds labels; label images inside it are channels of their own names.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np

from ndlab import metadata
from ndlab.errors import BadMetadata, Conflict, NdlabError, NotFound
from ndlab.geometry import Calibration
from ndlab.metadata import Kind, Multiscale, Scale
from ndlab.serve.graphs import GraphFolder
from ndlab.serve.register import ChannelRecord, DatasetRecord, Entries, Register
from ndlab.serve.source import Channel, ChannelKind
from ndlab.store import freshness
from ndlab.store.create import create, exists
from ndlab.store.kv import Kv, join, look_again, normal_url, stamp
from ndlab.store.layout import plan
from ndlab.store.multiscale import open_store
from ndlab.volume import Volume

__all__ = ["Folder"]

_SUFFIXES = (".ome.zarr", ".zarr", ".ome", ".n5", ".precomputed")
_ROOTS = ("zarr.json", ".zattrs", ".zarray", ".zgroup", "info", "attributes.json")
_CHANNELS = 64


@dataclass(frozen=True)
class _Opened:
    """A store as it was when its root document had this stamp."""

    seen: Hashable
    channels: Mapping[str, Channel]


class Folder:
    """The names under one folder or bucket prefix; `Names` for the grammar.

    Parameters
    ----------
    url : str
        A folder of stores, or one store.
    public : collection of str, optional
        Tokens, and names of graph files, that anybody may read.
    writable : bool
        Whether voxels of stores that lie in the folder, and graphs, may be posted; channels that were made over HTTP
        say it themselves.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from ndlab.ingesting import ingest
    >>> folder = tempfile.mkdtemp()
    >>> _ = ingest(np.zeros((4, 8, 8), "u1"), folder + "/kasthuri11.zarr", voxel_size=(30, 3, 3))
    >>> names = Folder(folder)
    >>> names.tokens(), names.channels("kasthuri11")
    (('kasthuri11',), ('image',))
    """

    def __init__(self, url: str, public: Collection[str] = (), *, writable: bool = False) -> None:
        self.url = normal_url(url)
        self.register = Register(self.url)
        self._public = frozenset(public)
        self._writable = writable
        self.graphs = GraphFolder(self.url, writable=writable)
        self._opened: dict[str, _Opened] = {}
        self._lock = threading.Lock()
        # Told of a channel that was made, and of the address of one that is about to be deleted.
        self.made: Callable[[Channel], object] = lambda channel: None
        self.closing: Callable[[str], object] = lambda url: None
        missing = sorted(self._public - set(self.tokens()) - set(self.graphs.names(self._public)))
        if missing:
            raise NotFound(f"public {', '.join(missing)}", f"there are {', '.join(self.tokens()) or 'none'}",
                           "name what is in the folder, a store without .zarr")  # fmt: skip

    # --- who is there ---------------------------------------------------------------------------------------------

    def tokens(self) -> tuple[str, ...]:
        """Every token, sorted."""
        return tuple(sorted({*self._stores(), *self.register.entries().tokens}))

    def public(self, token: str) -> bool:
        """Whether anybody may read it."""
        found = self.register.entries().tokens.get(token)
        return token in self._public or (found is not None and bool(found.public))

    def datasets(self) -> tuple[str, ...]:
        """Every data set, sorted; a store that lies in the folder is one of its own."""
        return tuple(sorted({*self._stores(), *self.register.entries().datasets}))

    def public_datasets(self) -> tuple[str, ...]:
        """Return the data sets that are public, or that a public token reaches."""
        entries = self.register.entries()
        made = {name for name, one in entries.datasets.items() if one.public}
        made |= {entries.projects[one.project].dataset for one in entries.tokens.values() if one.public}
        return tuple(sorted(made | (self._public & set(self._stores()))))

    def record(self, token: str) -> tuple[DatasetRecord, str] | None:
        """Return the registered data set and project of a token; None for a store that lies in the folder."""
        entries = self.register.entries()
        if token not in entries.tokens:
            return None
        project = entries.projects[entries.tokens[token].project]
        return entries.datasets[project.dataset], project.project_name

    def channels(self, token: str) -> tuple[str, ...]:
        """Names of the channels of a token, the default one first."""
        return tuple(self._channels(token))

    def channel(self, token: str, name: str) -> Channel:
        """Return one channel.

        Raises
        ------
        NotFound
            With the tokens or channels that there are.
        """
        found = self._channels(token)
        if name not in found:
            raise NotFound(f"channel {name!r} of {token!r}", f"it has {', '.join(found) or 'none'}",
                           "check the name, or ask for info/")  # fmt: skip
        return found[name]

    def default_channel(self, token: str) -> Channel:
        """Return the channel that a path without one means: the first."""
        found = self._channels(token)
        if not found:
            raise NotFound(f"a channel of {token!r}", "it has none", "make one first")
        return next(iter(found.values()))

    def store(self, token: str) -> str:
        """Address of the store that lies in the folder under this name."""
        stores = self._stores()
        if token not in stores:
            raise NotFound(f"token {token!r}", f"there are {', '.join(self.tokens()[:20]) or 'none'}", "check the name")
        if len(stores[token]) > 1:
            raise Conflict(f"token {token!r} could be {' or '.join(stores[token])}", "both have that name",
                           "rename one of them")  # fmt: skip
        (child,) = stores[token]
        return join(self.url, child) if child else self.url

    # --- making -------------------------------------------------------------------------------------------------

    def make_channel(
        self, project: str, values: Mapping[str, object], attrs: Mapping[str, object] | None = None
    ) -> ChannelRecord:
        """Make an empty array for a new channel of a project, with further attributes, and register it."""
        dataset, record = self.register.check_channel(project, values)
        if not exists(self._address(record)):
            _create(self._address(record), dataset, record, attrs)
        added = self.register.add_channel(record)
        self.made(self._made_channel(project, added))
        return added

    def delete_channel(self, project: str, name: str) -> None:
        """Forget a channel that was made over HTTP, and its voxels."""
        record = self.register.remove_channel(project, name)
        self.closing(self._address(record))
        Kv.open(self._address(record)).delete_all()
        look_again(self._address(record))

    def _address(self, record: ChannelRecord) -> str:
        return join(self.url, record.project, f"{record.channel_name}.zarr")

    # --- opening ------------------------------------------------------------------------------------------------

    def _stores(self) -> dict[str, tuple[str, ...]]:
        """Children of the folder that are stores, by token; the folder itself if it is one."""
        if exists(self.url):
            return {_token(self.url.rstrip("/").rpartition("/")[2]): ("",)}
        found: dict[str, tuple[str, ...]] = {}
        for child in Kv.open(self.url).children():
            if not child.startswith(".") and exists(join(self.url, child)):
                found[_token(child)] = (*found.get(_token(child), ()), child)
        return found

    def _channels(self, token: str) -> Mapping[str, Channel]:
        entries = self.register.entries()
        if token in entries.tokens:
            return self._made(token, entries)
        url = self.store(token)
        freshness.mark(url)  # of a remote one, whose stamps then tell
        seen = tuple(stamp(url, key) for key in (*_ROOTS, "labels/zarr.json", "labels/.zattrs"))
        with self._lock:
            known = self._opened.get(token)
        if known is None or known.seen != seen:
            known = _Opened(seen, _channels_of(token, url, not self._writable))
            with self._lock:
                self._opened[token] = known
        return known.channels

    def _made(self, token: str, entries: Entries) -> dict[str, Channel]:
        project = entries.tokens[token].project
        return {one.channel_name: self._made_channel(token, one) for one in entries.channels_of(project)}

    def _made_channel(self, token: str, one: ChannelRecord) -> Channel:
        url = self._address(one)
        with self._lock:
            known = self._opened.get(url)
        seen = stamp(url, "zarr.json")
        if known is None or known.seen != seen:
            volume = Volume(open_store(url))
            known = _Opened(seen, {"": Channel(token, one.channel_name, _kind(one), volume, None, False)})
            with self._lock:
                self._opened[url] = known
        window, readonly = one.windowrange, bool(one.readonly)
        return Channel(token, one.channel_name, _kind(one), known.channels[""].volume, window, readonly)


def _kind(record: ChannelRecord) -> ChannelKind:
    return cast(ChannelKind, record.channel_type)  # the register has checked it


def _token(child: str) -> str:
    for suffix in _SUFFIXES:
        if child.endswith(suffix) and child != suffix:
            return child[: -len(suffix)]
    return child


def _channels_of(token: str, url: str, readonly: bool) -> dict[str, Channel]:
    volume = Volume(open_store(url))
    names = [one.name or f"channel{i}" for i, one in enumerate(volume.channels)] if "c" in volume.axes else []
    count = dict(zip(volume.axes, volume.shape, strict=True)).get("c", 0)
    if "c" in volume.axes and (len(names) != count or len(set(names)) != count):
        names = [f"channel{i}" for i in range(count)]
    if len(names) > _CHANNELS:
        raise BadMetadata(f"{token!r} has {len(names)} channels", f"{_CHANNELS} are served", "open it in Python")
    kind: ChannelKind = "annotation" if volume.kind == "labels" else "timeseries" if "t" in volume.axes else "image"
    if not names:
        only = "annotation" if kind == "annotation" else "image"
        found = {only: Channel(token, only, kind, volume, volume.window, readonly)}
    else:
        views = {name: volume.isel(c=i) for i, name in enumerate(names)}
        windows = {name: volume.channels[i].window if volume.channels else None for i, name in enumerate(names)}
        found = {name: Channel(token, name, kind, view, windows[name], readonly) for name, view in views.items()}
    for name in _labels(url):
        try:
            labels = Volume(open_store(join(url, "labels", name)))
        except NdlabError:
            continue  # an image-label that its list names and that is not there: the image is served all the same
        found.setdefault(name, Channel(token, name, "annotation", labels, None, readonly, volume))
    return found


def _labels(url: str) -> list[str]:
    kv = Kv.open(join(url, "labels"))
    attrs = (kv.read_json("zarr.json") or {}).get("attributes") or kv.read_json(".zattrs") or {}
    return metadata.labels_list(attrs)


def _create(url: str, dataset: DatasetRecord, record: ChannelRecord, attrs: Mapping[str, object] | None = None) -> None:
    """Make the empty store of a channel: the data set's space, its times, levels until no axis is longer than 64."""
    voxel = dataset.voxelres[::-1]
    offset = [a * b for a, b in zip(dataset.offset[::-1], voxel, strict=True)]
    base = Calibration(voxel, offset)
    dtype = np.dtype(record.datatype)
    levels = plan(dataset.shape, dtype.itemsize, base.voxel_size, levels=dataset.scalinglevels + 1 or None)
    axes = ("t", "z", "y", "x") if dataset.times > 1 else ("z", "y", "x")
    lead, ones = ((dataset.times,), (1,)) if dataset.times > 1 else ((), ())
    scales = tuple(Scale(str(i), base.coarser(one.factors)) for i, one in enumerate(levels))
    kind: Kind = "labels" if record.channel_type == "annotation" else "image"
    about = Multiscale(axes, scales, name=record.channel_name, kind=kind)
    create(
        url, about, [(*lead, *one.shape) for one in levels], dtype,
        chunks=[(*ones, *one.chunk) for one in levels], shards=[(*ones, *one.unit) for one in levels],
        attrs=attrs,
    )  # fmt: skip
