"""Names over volumes that a test holds, and how the tests ask."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import numpy as np

from ndlab.errors import NotFound
from ndlab.serve.answer import Limits, answer, respond
from ndlab.serve.grammar import parse
from ndlab.serve.source import Channel

Array = np.ndarray[Any, Any]


class Held:
    """Channels by token and name, in the order given."""

    def __init__(self, channels: Iterable[Channel]) -> None:
        self._channels: dict[str, dict[str, Channel]] = {}
        for one in channels:
            self._channels.setdefault(one.token, {})[one.name] = one

    def tokens(self) -> tuple[str, ...]:
        return tuple(self._channels)

    def channels(self, token: str) -> tuple[str, ...]:
        if token not in self._channels:
            raise NotFound(f"token {token!r} was asked for", f"there are {', '.join(self._channels)}")
        return tuple(self._channels[token])

    def channel(self, token: str, name: str) -> Channel:
        known = self.channels(token)
        if name not in known:
            raise NotFound(f"channel {name!r} of {token!r} was asked for", f"there are {', '.join(known)}")
        return self._channels[token][name]

    def default_channel(self, token: str) -> Channel:
        return self.channel(token, self.channels(token)[0])


def ask(names: Held, path: str, limits: Limits | None = None) -> bytes:
    """Answer, or raise."""
    found = answer(parse(path), names, limits)
    assert found.status == 200
    return found.read()


def picture(names: Held, path: str) -> Array:
    from PIL import Image

    body = ask(names, path)
    with Image.open(io.BytesIO(body)) as image:
        assert image.format == "PNG"
        return np.asarray(image)


def raw(names: Held, path: str) -> Array:
    """Decode a raw cut-out by its own headers."""
    found = answer(parse(path), names)
    shape = [int(n) for n in found.headers["X-Ndlab-Shape"].split(",")]
    return np.frombuffer(found.read(), found.headers["X-Ndlab-Dtype"]).reshape(shape)


def status(names: Held, path: str, limits: Limits | None = None) -> tuple[int, dict[str, str]]:
    """Return the status and the words of a mistake."""
    import json

    found = respond(path, names, limits)
    body = found.read()
    return found.status, json.loads(body) if found.content_type == "application/json" else {}
