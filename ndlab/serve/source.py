"""What the services read from: the tokens and channels that a server knows by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from ndlab.volume import Volume

__all__ = ["Channel", "ChannelKind", "Names"]

ChannelKind = Literal["image", "annotation", "timeseries", "probmap"]


@dataclass(frozen=True)
class Channel:
    """One array of a token, as the founding systems named it.

    Parameters
    ----------
    token, name : str
        The two names in a path.
    kind : {"image", "annotation", "timeseries", "probmap"}
        Annotation channels hold ids.
    volume : Volume
        Axes (t)zyx; of a store with channels, one picked with ``isel(c=...)``.
    window : (float, float), optional
        Values drawn as black and white, instead of the volume's own.
    readonly : bool
        Whether writing is refused.
    space : Volume, optional
        The volume whose levels the token's paths count in, where it is not this channel's own: what is coarser
        than the space's finest level is replicated, what is outside it reads as 0.
    """

    token: str
    name: str
    kind: ChannelKind
    volume: Volume
    window: tuple[float, float] | None = None
    readonly: bool = True
    space: Volume | None = None


class Names(Protocol):
    """Find channels by name; every method raises `NotFound`, naming what exists, for a name it does not know."""

    def tokens(self) -> tuple[str, ...]:
        """Return the names of the tokens that anybody may list."""
        ...

    def channels(self, token: str) -> tuple[str, ...]:
        """Return the names of the channels of a token, in order."""
        ...

    def channel(self, token: str, name: str) -> Channel:
        """Return one channel."""
        ...

    def default_channel(self, token: str) -> Channel:
        """Return the channel of a path that names none."""
        ...
