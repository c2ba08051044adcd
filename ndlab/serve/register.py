"""The register of data sets, projects, channels and tokens that were made over HTTP, and the rules that they keep.

A data set is one coordinate space, a project is where channels of it live, a channel is one array, and a token is a
name by which a project is reached. The register is one JSON document in the folder that is served; it changes by
compare-and-swap, so that two servers over one folder lose nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from ndlab.errors import BadRequest, NotFound, ReadOnly
from ndlab.geometry import Int3
from ndlab.serve.grammar.requests import RESERVED
from ndlab.store.kv import Kv, parse_json

__all__ = ["CHANNEL_TYPES", "ChannelRecord", "DatasetRecord", "Entries", "ProjectRecord", "Register", "TokenRecord"]

KEY = ".ndlab/serve.json"

# What the founding store allowed, by type of channel.
CHANNEL_TYPES: Mapping[str, tuple[str, ...]] = {
    "image": ("uint8", "uint16", "uint32", "uint64", "float32"),
    "timeseries": ("uint8", "uint16", "float32"),
    "annotation": ("uint32", "uint64"),
    "probmap": ("float32",),
}
_FORBIDDEN = re.compile(r"[^A-Za-z0-9_]")
_LONGEST = 255


@dataclass(frozen=True)
class DatasetRecord:
    """One coordinate space; vectors are (x, y, z) as on the wire.

    `imagesize` is where the voxels end, not how many there are: with an offset of 2917 and a size of 4156 there are
    1239 sections. `voxelres` is in nm.
    """

    dataset_name: str
    imagesize: Int3
    voxelres: tuple[float, float, float]
    offset: Int3 = (0, 0, 0)
    scaling: int = 0
    scalinglevels: int = 0
    timerange: tuple[int, int] = (0, 0)
    description: str = ""
    public: int = 0

    @property
    def shape(self) -> Int3:
        """Voxels (z, y, x)."""
        x, y, z = (stop - start for stop, start in zip(self.imagesize, self.offset, strict=True))
        return z, y, x

    @property
    def times(self) -> int:
        """Time points."""
        return self.timerange[1] - self.timerange[0] + 1


@dataclass(frozen=True)
class ProjectRecord:
    """Where channels of one data set live."""

    project_name: str
    dataset: str
    description: str = ""
    public: int = 0


@dataclass(frozen=True)
class TokenRecord:
    """A name by which a project is reached."""

    token_name: str
    project: str
    public: int = 0


@dataclass(frozen=True)
class ChannelRecord:
    """One array of a project."""

    channel_name: str
    project: str
    channel_type: str
    datatype: str
    resolution: int = 0
    windowrange: tuple[float, float] | None = None
    exceptions: int = 0
    readonly: int = 0
    propagate: int = 0
    description: str = ""


@dataclass(frozen=True)
class Entries:
    """Everything in a register, by name; channels by (project, name)."""

    datasets: Mapping[str, DatasetRecord] = field(default_factory=dict)
    projects: Mapping[str, ProjectRecord] = field(default_factory=dict)
    tokens: Mapping[str, TokenRecord] = field(default_factory=dict)
    channels: Mapping[tuple[str, str], ChannelRecord] = field(default_factory=dict)

    def channels_of(self, project: str) -> tuple[ChannelRecord, ...]:
        """Return the channels of a project, in the order they were made."""
        return tuple(one for (owner, _), one in self.channels.items() if owner == project)

    def to_bytes(self) -> bytes:
        """Return the JSON document."""
        groups: tuple[Mapping[Any, Any], ...] = (self.datasets, self.projects, self.tokens, self.channels)
        named = zip(("datasets", "projects", "tokens", "channels"), groups, strict=True)
        return json.dumps({name: [asdict(one) for one in group.values()] for name, group in named}, indent=1).encode()

    @staticmethod
    def from_bytes(raw: bytes | None) -> Entries:
        """Read the JSON document; nothing is an empty register."""
        if raw is None:
            return Entries()
        found = parse_json(raw, KEY)
        channels = [_read(ChannelRecord, one) for one in found.get("channels", ())]
        return Entries(
            {one["dataset_name"]: _read(DatasetRecord, one) for one in found.get("datasets", ())},
            {one["project_name"]: _read(ProjectRecord, one) for one in found.get("projects", ())},
            {one["token_name"]: _read(TokenRecord, one) for one in found.get("tokens", ())},
            {(one.project, one.channel_name): one for one in channels},
        )


def _read(kind: type[Any], values: Mapping[str, Any]) -> Any:
    return kind(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})


class Register:
    """The register of one served folder.

    Examples
    --------
    >>> import tempfile
    >>> register = Register(tempfile.mkdtemp())
    >>> _ = register.add_dataset({"dataset_name": "toy", "imagesize": [64, 64, 16], "voxelres": [4, 4, 40]})
    >>> register.entries().datasets["toy"].shape
    (16, 64, 64)
    """

    def __init__(self, url: str) -> None:
        self._kv = Kv.open(url)

    def entries(self) -> Entries:
        """Return everything that is registered now."""
        return Entries.from_bytes(self._kv.read(KEY))

    def add_dataset(self, values: Mapping[str, Any]) -> DatasetRecord:
        """Register a data set after checking every field."""
        record = _dataset(values)
        self._change(lambda e: replace(e, datasets=_with(e.datasets, record.dataset_name, record, "data set")))
        return record

    def add_project(self, dataset: str, values: Mapping[str, Any]) -> ProjectRecord:
        """Register a project of a data set, with a token of the same name."""
        name = _name(values, "project_name")
        record = ProjectRecord(name, dataset, _text(values, "description"), _flag(values, "public"))
        token = TokenRecord(_name({"token_name": name, **values}, "token_name"), name, record.public)

        def change(e: Entries) -> Entries:
            _there(e.datasets, dataset, "data set")
            projects = _with(e.projects, name, record, "project")
            return replace(e, projects=projects, tokens=_with(e.tokens, token.token_name, token, "token"))

        self._change(change)
        return record

    def add_token(self, project: str, values: Mapping[str, Any]) -> TokenRecord:
        """Register another name for a project."""
        record = TokenRecord(_name(values, "token_name"), project, _flag(values, "public"))

        def change(e: Entries) -> Entries:
            _there(e.projects, project, "project")
            return replace(e, tokens=_with(e.tokens, record.token_name, record, "token"))

        self._change(change)
        return record

    def check_channel(self, project: str, values: Mapping[str, Any]) -> tuple[DatasetRecord, ChannelRecord]:
        """Return what `add_channel` would register, and its data set; nothing is written."""
        entries = self.entries()
        owner = _there(entries.projects, project, "project")
        record = _channel(project, values)
        _with(entries.channels, (project, record.channel_name), record, "channel")
        return entries.datasets[owner.dataset], record

    def add_channel(self, record: ChannelRecord) -> ChannelRecord:
        """Register a channel that was checked, once its array is there."""
        key = (record.project, record.channel_name)
        self._change(lambda e: replace(e, channels=_with(e.channels, key, record, "channel")))
        return record

    def set_channel(self, project: str, name: str, **changes: Any) -> None:
        """Change fields of a channel."""

        def change(e: Entries) -> Entries:
            found = _there(e.channels, (project, name), "channel")
            return replace(e, channels={**e.channels, (project, name): replace(found, **changes)})

        self._change(change)

    def remove_dataset(self, name: str) -> None:
        """Forget a data set that has no projects."""

        def change(e: Entries) -> Entries:
            _there(e.datasets, name, "data set")
            _empty("data set", name, "projects", [p.project_name for p in e.projects.values() if p.dataset == name])
            return replace(e, datasets=_without(e.datasets, name))

        self._change(change)

    def remove_project(self, name: str) -> None:
        """Forget a project that has no channels, and its tokens."""

        def change(e: Entries) -> Entries:
            _there(e.projects, name, "project")
            _empty("project", name, "channels", [one.channel_name for one in e.channels_of(name)])
            kept = {key: token for key, token in e.tokens.items() if token.project != name}
            return replace(e, projects=_without(e.projects, name), tokens=kept)

        self._change(change)

    def remove_token(self, name: str) -> None:
        """Forget a token; its project stays."""
        self._change(lambda e: replace(e, tokens=_without(_having(e.tokens, name, "token"), name)))

    def remove_channel(self, project: str, name: str) -> ChannelRecord:
        """Forget a channel and return what it was."""
        found: list[ChannelRecord] = []

        def change(e: Entries) -> Entries:
            record = _there(e.channels, (project, name), "channel")
            if record.readonly:
                raise ReadOnly(f"channel {name!r} of project {project!r} was to be deleted", "it is read-only",
                               "set readonly to 0 first")  # fmt: skip
            found[:] = [record]
            return replace(e, channels=_without(e.channels, (project, name)))

        self._change(change)
        return found[0]

    def _change(self, change: Callable[[Entries], Entries]) -> None:
        self._kv.update(KEY, lambda raw: change(Entries.from_bytes(raw)).to_bytes())


# --- checks -------------------------------------------------------------------------------------------------------


def _dataset(values: Mapping[str, Any]) -> DatasetRecord:
    name = _name(values, "dataset_name")
    stop, offset = _ints(values, "imagesize"), _ints({"offset": (0, 0, 0), **values}, "offset")
    if any(a >= b for a, b in zip(offset, stop, strict=True)):
        raise BadRequest(f"data set {name!r} ends at {list(stop)} and begins at {list(offset)}",
                         "imagesize is where the voxels end, offset included", "give a larger imagesize")  # fmt: skip
    res = _numbers(values, "voxelres", 3)
    if not all(np.isfinite(v) and v > 0 for v in res):
        raise BadRequest(f"voxelres {list(res)}", "a voxel has a size in nm along x, y and z", "give three numbers > 0")
    first, last = (int(v) for v in _numbers({"timerange": (0, 0), **values}, "timerange", 2))
    if not 0 <= first <= last:
        raise BadRequest(f"timerange {[first, last]}", "it is first and last time point", "give 0 <= first <= last")
    return DatasetRecord(
        name, stop, res, offset, _flag(values, "scaling"), int(_number(values, "scalinglevels", 0)), (first, last),
        _text(values, "description"), _flag(values, "public"),
    )  # fmt: skip


def _channel(project: str, values: Mapping[str, Any]) -> ChannelRecord:
    name = _name(values, "channel_name")
    if name in RESERVED:
        raise BadRequest(f"channel_name {name!r}", "in a path that word is a service", "choose another channel_name")
    kind, dtype = str(values.get("channel_type", "")), str(values.get("datatype", ""))
    if kind not in CHANNEL_TYPES:
        raise BadRequest(f"channel_type {kind!r}", f"there are {', '.join(CHANNEL_TYPES)}", "give one of them")
    if dtype not in CHANNEL_TYPES[kind]:
        raise BadRequest(f"datatype {dtype!r} in a channel of type {kind!r}",
                         f"it may be {', '.join(CHANNEL_TYPES[kind])}", "give one of them")  # fmt: skip
    window = None if values.get("windowrange") is None else _numbers(values, "windowrange", 2)
    if window is not None and not window[0] < window[1] and window != (0, 0):
        raise BadRequest(f"windowrange {list(window)}", "black comes before white", "give [low, high]")
    return ChannelRecord(
        name, project, kind, dtype, int(_number(values, "resolution", 0)), None if window == (0, 0) else window,
        _flag(values, "exceptions"), _flag(values, "readonly"), 0, _text(values, "description"),
    )  # fmt: skip


def _name(values: Mapping[str, Any], key: str) -> str:
    name = values.get(key)
    if not isinstance(name, str) or not name or len(name) > _LONGEST or _FORBIDDEN.search(name):
        shown = name if not isinstance(name, str) else name[:_LONGEST]
        raise BadRequest(f"{key} {shown!r}", "a name has letters, digits and underscores", f"choose another {key}")
    return name


def _numbers(values: Mapping[str, Any], key: str, count: int) -> tuple[Any, ...]:
    found = values.get(key)
    if (
        not isinstance(found, Sequence)
        or isinstance(found, str)
        or len(found) != count
        or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in found)
    ):
        raise BadRequest(f"{key} {found!r}", f"it is a list of {count} numbers", f'give "{key}": {[1] * count}')
    return tuple(found)


def _ints(values: Mapping[str, Any], key: str) -> Int3:
    x, y, z = _numbers(values, key, 3)
    if not all(isinstance(v, int) and 0 <= v < 1 << 40 for v in (x, y, z)):
        raise BadRequest(f"{key} {[x, y, z]}", "it counts voxels along x, y and z", "give three whole numbers >= 0")
    return x, y, z


def _number(values: Mapping[str, Any], key: str, default: float) -> float:
    return float(_numbers({key: [values.get(key, default)]}, key, 1)[0])


def _flag(values: Mapping[str, Any], key: str) -> int:
    found = values.get(key, 0)
    if found not in (0, 1, True, False):
        raise BadRequest(f"{key} {found!r}", "it is 0 or 1", f'give "{key}": 0')
    return int(found)


def _text(values: Mapping[str, Any], key: str) -> str:
    return str(values.get(key, ""))[:4096]


def _there(group: Mapping[Any, Any], key: Any, what: str) -> Any:
    if key not in group:
        names = [name if isinstance(name, str) else name[-1] for name in group]
        shown = key if isinstance(key, str) else key[-1]
        raise NotFound(
            f"{what} {shown!r}", f"there are {', '.join(names[:20]) or 'none'}", f"make it, or check the {what}"
        )
    return group[key]


def _having(group: Mapping[Any, Any], key: Any, what: str) -> Mapping[Any, Any]:
    _there(group, key, what)
    return group


def _with(group: Mapping[Any, Any], key: Any, value: Any, what: str) -> dict[Any, Any]:
    if key in group:
        shown = key if isinstance(key, str) else key[-1]
        raise BadRequest(
            f"{what} {shown!r} was to be made", "it is there already", "choose another name, or delete it first"
        )
    return {**group, key: value}


def _without(group: Mapping[Any, Any], key: Any) -> dict[Any, Any]:
    return {name: value for name, value in group.items() if name != key}


def _empty(what: str, name: str, inside: str, names: Sequence[str]) -> None:
    if names:
        raise BadRequest(f"{what} {name!r} was to be deleted", f"it has the {inside} {', '.join(names[:20])}",
                         f"delete its {inside} first")  # fmt: skip
