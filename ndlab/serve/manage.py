"""Every path of the founding service that is no cut-out: what there is, statistics, levels, resources, and posts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from ndlab.errors import BadRequest, TooLarge
from ndlab.serve import facts, writes
from ndlab.serve.answer import Answer
from ndlab.serve.grammar.words import Words, channels_of
from ndlab.serve.names import Folder
from ndlab.serve.propagate import Propagation
from ndlab.serve.ramon.dense import write_labels
from ndlab.serve.ramon.sets import Sets
from ndlab.serve.resources import public, resource
from ndlab.serve.stats import Stats, parse_roi

__all__ = ["Manager", "Post", "parse_post", "unprefixed"]

_PREFIXES = ("ocp", "nd", "sd", "ca")
_MOST_BYTES = 1 << 30


@dataclass(frozen=True)
class Post:
    """Where posted voxels go: corners are (z, y, x) in coordinates of the data set at a level."""

    token: str
    channels: tuple[str, ...]
    format: str
    level: int
    start: tuple[int, int, int]
    stop: tuple[int, int, int] | None
    times: tuple[int, int] | None = None
    conflict: writes.Conflict = "overwrite"


def parse_post(path: str) -> Post:
    """Return what a path asks that voxels are posted to, its prefix taken off.

    Examples
    --------
    >>> parse_post("toy/image/npz/0/10,20/30,40/1,5/")
    Post(token='toy', channels=('image',), format='npz', level=0, start=(1, 30, 10), stop=(5, 40, 20), times=None,
    conflict='overwrite')
    >>> parse_post("toy/image/tiff/0/10/30/1/").start
    (1, 30, 10)
    """
    words = Words(word for word in path.split("/") if word)
    token = words.name("a token")
    channels = channels_of(words.take("channels"))
    form = words.take("a format")
    if form == "blaze":
        form = "blosc"
    if form not in writes.FORMATS:
        raise BadRequest(f"voxels as {form!r}", f"there are {', '.join(writes.FORMATS)}", "post to one of them")
    level = words.level()
    stop: tuple[int, int, int] | None = None
    if form == "tiff" and "," not in words.peek():
        x, y, z = (words.integer(axis) for axis in "xyz")
    else:
        ranges = [words.range(axis) for axis in "xyz"]
        (x, y, z), stop = (r[0] for r in ranges), (ranges[2][1], ranges[1][1], ranges[0][1])
    times = words.range("t") if "," in words.peek() else None
    conflict = _conflict(words)
    words.end()
    # Old clients send 0,0 where they mean the first time point.
    return Post(token, channels, form, level, (z, y, x), stop, None if times == (0, 0) else times, conflict)


def _conflict(words: Words) -> writes.Conflict:
    if words.skip("except", "exception"):
        return "except"
    if words.skip("preserve"):
        return "preserve"
    words.skip("overwrite")
    return "overwrite"


def unprefixed(path: str) -> list[str]:
    """Return the words of a path without those that only say which service it was.

    Examples
    --------
    >>> unprefixed("/ocp/ca/kasthuri11/info/")
    ['kasthuri11', 'info']
    """
    words = [word for word in path.split("/") if word]
    while len(words) > 1 and words[0] in _PREFIXES:
        words = words[1:]
    return words


@dataclass
class Manager:
    """Answers these paths for one folder.

    Parameters
    ----------
    names : Folder
    most_bytes : int
        Most bytes that posted voxels decode to.
    sets : Sets, optional
        The annotations behind channels of ids: voxels of those are painted.
    """

    names: Folder
    most_bytes: int = _MOST_BYTES
    sets: Sets = field(default_factory=Sets)
    stats: Stats = field(default_factory=Stats)
    levels: Propagation = field(default_factory=Propagation)

    def close(self) -> None:
        """Stop what runs in the background."""
        self.stats.close()
        self.levels.close()

    def answer(self, method: str, path: str, body: bytes = b"", base: str = "") -> Answer | None:
        """Return the answer, or None if the path is none of these (a cut-out, a tile).

        Parameters
        ----------
        method : {"GET", "POST", "DELETE", ...}
        path : str
            Without the address at which the service is mounted.
        body : bytes
        base : str
            That address, for documents that name others.

        Raises
        ------
        NdlabError
            What is wrong with the request.
        """
        words = unprefixed(path)
        plain = [unquote(word) for word in words]
        for found in (self._listed(method, plain, body), self._about(method, plain, base)):
            if found is not None:
                return found
        posted = method in ("POST", "PUT") and len(words) > 2 and words[2] in (*writes.FORMATS, "blaze")
        return self._posted("/".join(words), body) if posted else None

    def _listed(self, method: str, words: Sequence[str], body: bytes) -> Answer | None:
        match words:
            case ["public_tokens"]:
                return _json(200, public(self.names, "tokens"))
            case ["public_datasets"]:
                return _json(200, public(self.names, "datasets"))
            case ["resource", *parts]:
                status, value = resource(self.names, method, parts, _fields(body))
                return _json(status, value)
            case ["stats", token, channel, *what]:
                rois = _rois(body) if method == "POST" else []
                return _json(*self.stats.answer(self.names.channel(token, channel), what, rois))
        return None

    def _about(self, method: str, words: Sequence[str], base: str) -> Answer | None:
        if method != "GET":
            return None
        match words:
            case [token, "info"]:
                return _json(200, facts.info(self.names, token))
            case [token, "projinfo"]:
                return Answer(200, "application/x-hdf5", facts.project_hdf5(self.names, token))
            case [token, "volume.vikingxml"]:
                return Answer(200, "application/xml", facts.viking_xml(self.names, token, base))
            case [token, channel, "getPropagate"]:
                return _text(self.levels.status(self.names.channel(token, channel)))
            case [token, channel, "setPropagate", "1"]:
                return _text(self.levels.start(self.names.channel(token, channel)))
            case [token, channel, "setPropagate", word]:
                raise BadRequest(f"setPropagate/{word} of {token}/{channel}", "levels are brought up to date by 1",
                                 "ask for setPropagate/1/")  # fmt: skip
        return None

    def _posted(self, path: str, body: bytes) -> Answer:
        post = parse_post(path)
        channels = [self.names.channel(post.token, name) for name in post.channels]
        if len(body) > self.most_bytes:
            raise TooLarge(f"a body of {len(body)} bytes", f"{self.most_bytes} are taken", "post smaller pieces",
                           nbytes=len(body), limit=self.most_bytes)  # fmt: skip
        values = writes.decode(post.format, body, post.channels, self.most_bytes)
        if len(channels) == 1 and self.sets.has(channels[0]):
            return _json(200, {"written": write_labels(self.sets.behind(channels[0]), post, values)})
        count = writes.write(
            channels, post.level, post.start, post.stop, values, times=post.times, conflict=post.conflict
        )
        return _json(200, {"written": count})


def _json(status: int, value: Any) -> Answer:
    """Return a JSON answer; without a value an empty one."""
    return Answer(status, "application/json", b"" if value is None else json.dumps(value).encode())


def _text(value: int) -> Answer:
    return Answer(200, "text/plain", str(value).encode())


def _parsed(body: bytes, kind: Callable[..., Any], example: str) -> Any:
    try:
        found = json.loads(body) if body.strip() else kind()
    except ValueError:
        found = None
    if not isinstance(found, kind):  # type: ignore[arg-type]  # list or dict
        raise BadRequest(f"a body of {len(body)} bytes", "it is no such JSON", f"post {example}")
    return found


def _fields(body: bytes) -> Mapping[str, Any]:
    found: dict[str, Any] = _parsed(body, dict, '{"name": value, ...}')
    return found


def _rois(body: bytes) -> list[Any]:
    found = _parsed(body, list, '["x0,y0,z0-x1,y1,z1", ...]')
    return [parse_roi(str(one)) for one in found]
