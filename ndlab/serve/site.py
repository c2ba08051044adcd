"""What one server has: the names it serves, who may ask, how much, and the threads and caches that answers share."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ndlab.errors import NdlabError, NotFound
from ndlab.serve.graphs import GraphFolder, Services
from ndlab.serve.limits import Access, Limits
from ndlab.serve.manage import Manager
from ndlab.serve.names import Folder
from ndlab.serve.ramon.sets import Sets
from ndlab.serve.remote_keys import RemoteKeys
from ndlab.serve.source import Channel, Names
from ndlab.serve.statuses import shown
from ndlab.serve.tiles import TileService
from ndlab.store.kv import join

if TYPE_CHECKING:
    from ndlab.serve.handlers import Threads
    from ndlab.serve.keys import Bytes

__all__ = ["Site"]


@dataclass
class Site:
    """One server's state; handlers share it.

    Parameters
    ----------
    names : Folder
    access : Access
    threads : Threads
    limits : Limits, optional
    mirror : Bytes, optional
        Where the bytes of a remote store are kept.
    origin : str
        The address that the user gave, for messages.
    services : Services, optional
        What rooms above compute of graphs.
    """

    names: Folder
    access: Access
    threads: Threads
    limits: Limits = field(default_factory=Limits)
    mirror: Bytes | None = None
    origin: str = ""
    services: Services = field(default_factory=Services)
    tiles: TileService = field(init=False)
    manager: Manager = field(init=False)
    sets: Sets = field(default_factory=Sets)
    remote: RemoteKeys = field(default_factory=RemoteKeys)
    _views: dict[str, object] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.names.made, self.names.closing = self.sets.make, self.sets.forget
        self.manager = Manager(self.names, self.limits.body, self.sets)
        self.tiles = TileService(words=lambda text: shown(text, self.hidden))

    def close(self) -> None:
        """Stop what runs in the background, and free what is kept."""
        self.manager.close()
        self.tiles.close()
        self.sets.close()
        self.threads.close()
        self.remote.close()
        if self.mirror is not None:
            self.mirror.close()

    @property
    def graphs(self) -> GraphFolder:
        """The graph files that lie in the folder."""
        return self.names.graphs

    @property
    def hidden(self) -> Mapping[str, str]:
        """Addresses that only the server knows, and what is said instead."""
        return {self.names.url + "/": "", self.names.url: "this server"}

    def listed(self, full: bool) -> dict[str, list[str]]:
        """Return every name that may be listed, with its channels."""
        names = self.names.tokens() if full else sorted(set(self.names.tokens()) & set(self.access.public))
        return {name: self._channels(name) for name in names}

    def _channels(self, name: str) -> list[str]:
        """Return the channels of a name; one that cannot be opened has none, and says why when it is asked for."""
        try:
            return list(self.names.channels(name))
        except NdlabError:
            return []

    @property
    def settled(self) -> Names:
        """The names, for who reads voxels: what was painted into a channel has come there when it is given."""
        return _Settled(self)

    def channel(self, name: str, channel: str = "") -> Channel:
        """Return a channel to read, the default one without a name for it."""
        found = self.names.channel(name, channel) if channel else self.names.default_channel(name)
        self.sets.settle(found)
        return found

    def labelled(self, name: str) -> Channel:
        """Return the first channel of a name that has annotations, else the first of ids."""
        ids = [one for channel in self.names.channels(name)
               if (one := self.names.channel(name, channel)).kind == "annotation"]  # fmt: skip
        if not ids:
            raise NotFound(f"objects of {name!r}", "it has no channel of ids", "name a token that has one")
        return next((one for one in ids if self.sets.has(one)), ids[0])

    def store(self, name: str, path: str) -> tuple[str, str]:
        """Return the address of the store that a name stands for, and the key inside it.

        A name that was made over HTTP holds one store for each channel: ``CHANNEL.zarr``, then the key.
        """
        if self.names.record(name) is None:
            return self.names.store(name), path
        first, _, rest = path.partition("/")
        channel = self.names.channel(name, first.removesuffix(".zarr"))
        return channel.volume.url, rest

    def show(self, volumes: Collection[str]) -> None:
        """Make volumes known to the tile service under the names that they are asked for by."""
        for vol in volumes:
            name, _, channel = vol.partition("/")
            if not name:
                raise NotFound(f"volume {vol[:100]!r} was asked for", "a volume is NAME or NAME/CHANNEL",
                               "ask /v1/volumes for the names")  # fmt: skip
            found = self.channel(name, channel).volume
            with self._lock:
                if self._views.get(vol) is not found:
                    self.tiles.add(found, vol)
                    self._views[vol] = found

    def links(self, base: str, name: str, channel: str) -> dict[str, str]:
        """Return where a channel is served."""
        return {
            "info": join(base, "v1/volumes", name, channel),
            "cutout": join(base, "v1/volumes", name, channel, "cutout"),
            "zarr": join(base, "v1/zarr", name),
            "precomputed": "precomputed://" + join(base, "v1/precomputed", name, channel),
        }


@dataclass(frozen=True)
class _Settled:
    """The names of a site, whose channels are brought up to date as they are given."""

    site: Site

    def tokens(self) -> tuple[str, ...]:
        return self.site.names.tokens()

    def channels(self, token: str) -> tuple[str, ...]:
        return self.site.names.channels(token)

    def channel(self, token: str, name: str) -> Channel:
        return self.site.channel(token, name)

    def default_channel(self, token: str) -> Channel:
        return self.site.channel(token)
