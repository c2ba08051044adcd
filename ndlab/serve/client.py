"""A client with the method names of the founding Python client, for scripts that were written for it.

Arrays are in (x, y, z) order and coordinates in voxels of the data set, offset included, as those scripts expect. New
code opens a store with `ndlab.open` instead. Objects come and go as `RAMONSegment` and its like.
"""

from __future__ import annotations

import io
import json
import urllib.error
import urllib.request
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np

from ndlab.errors import BadRequest, Conflict, NdlabError, NotFound, ReadOnly, TooLarge
from ndlab.geometry import Box, Grid
from ndlab.serve.ramon.client import RamonCalls
from ndlab.serve.ramon.records import (
    ROI,
    AnnotationType,
    RAMONBase,
    RAMONGeneric,
    RAMONNeuron,
    RAMONNode,
    RAMONOrganelle,
    RAMONSeed,
    RAMONSegment,
    RAMONSkeleton,
    RAMONSynapse,
    RAMONVolume,
)

__all__ = [
    "ROI",
    "AnnotationType",
    "Client",
    "RAMONBase",
    "RAMONGeneric",
    "RAMONNeuron",
    "RAMONNode",
    "RAMONOrganelle",
    "RAMONSeed",
    "RAMONSegment",
    "RAMONSkeleton",
    "RAMONSynapse",
    "RAMONVolume",
    "VolumeCutout",
]

Array = np.ndarray[Any, np.dtype[Any]]

_PIECE = 64 << 20  # bytes asked for at a time, of 8-byte voxels at most
_ATTEMPTS = 3
_ERRORS: dict[int, type[NdlabError]] = {403: ReadOnly, 404: NotFound, 409: Conflict, 413: TooLarge}


@dataclass(frozen=True)
class VolumeCutout:
    """A cut-out that knows its place: `cutout` is (x, y, z), `xyz_offset` its first voxel, at level `resolution`."""

    cutout: Array
    xyz_offset: tuple[int, int, int]
    resolution: int


class Client(RamonCalls):
    """Reach a server by the founding client's methods.

    Parameters
    ----------
    user_token : str
        The server's access token; empty for one that wants none.
    hostname : str
        Host and port, e.g. ``"127.0.0.1:8080"``.
    protocol : {"http", "https"}
    suffix : str
        Prefix of the paths.
    timeout : float
        Most seconds that one answer may take [s].
    """

    IMAGE = IMG = "image"
    ANNOTATION = ANNO = "annotation"

    def __init__(
        self,
        user_token: str = "",
        hostname: str = "127.0.0.1:8080",
        protocol: str = "http",
        *,
        suffix: str = "nd",
        timeout: float = 60.0,
        **ignored: Any,
    ) -> None:
        if protocol not in ("http", "https"):
            raise BadRequest(f"protocol {protocol!r}", "there are http and https", "choose one")
        self.hostname, self.protocol = hostname, protocol
        self._token, self._suffix, self._timeout = user_token, suffix.strip("/"), timeout

    def __repr__(self) -> str:
        return f"Client(hostname={self.hostname!r}, protocol={self.protocol!r})"

    # --- the server ---------------------------------------------------------------------------------------------

    def url(self, suffix: str = "") -> str:
        """Return the address of a path."""
        return f"{self.protocol}://{self.hostname}/{self._suffix}/sd/{suffix.lstrip('/')}"

    def ping(self, suffix: str = "public_tokens/") -> int:
        """Return the HTTP status of a path."""
        try:
            with urllib.request.urlopen(self._request(suffix), timeout=self._timeout) as answer:
                status: int = answer.status
                return status
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def get_public_tokens(self) -> list[str]:
        """Return the tokens that anybody may read."""
        return list(self._json("public_tokens/"))

    def get_public_datasets(self) -> list[str]:
        """Return the data sets that anybody may read."""
        return list(self._json("public_datasets/"))

    def get_public_datasets_and_tokens(self) -> dict[str, list[str]]:
        """Return the public tokens of each public data set."""
        found: dict[str, list[str]] = {name: [] for name in self.get_public_datasets()}
        for token in self.get_public_tokens():
            found.setdefault(self.get_proj_info(token)["dataset"]["name"], []).append(token)
        return found

    # --- a token ------------------------------------------------------------------------------------------------

    def get_proj_info(self, token: str) -> dict[str, Any]:
        """Return what a token says of itself."""
        found: dict[str, Any] = self._json(f"{quote(token)}/info/")
        return found

    def get_metadata(self, token: str) -> dict[str, Any]:
        """Return what a token says of itself."""
        return self.get_proj_info(token)

    def get_channels(self, token: str) -> dict[str, Any]:
        """Return the channels of a token, by name."""
        found: dict[str, Any] = self.get_proj_info(token)["channels"]
        return found

    def get_image_size(self, token: str, resolution: int = 0) -> list[int]:
        """Return where the voxels of a level end, (x, y, z): the offset plus how many there are."""
        return self._at_level(token, "imagesize", resolution)

    def get_image_offset(self, token: str, resolution: int = 0) -> list[int]:
        """Return the first voxel of a level, (x, y, z)."""
        return self._at_level(token, "offset", resolution)

    def get_block_size(self, token: str, resolution: int | None = None) -> list[int]:
        """Return the chunk of a level, (x, y, z); of the finest unless given."""
        return self._at_level(token, "cube_dimension", 0 if resolution is None else resolution)

    def _at_level(self, token: str, field: str, level: int) -> list[int]:
        levels = self.get_proj_info(token)["dataset"][field]
        if str(level) not in levels:
            raise NotFound(f"level {level} of {token!r}", f"it has levels {', '.join(levels)}", "choose one of them")
        found: list[int] = levels[str(level)]
        return found

    # --- voxels -------------------------------------------------------------------------------------------------

    def get_cutout(
        self,
        token: str,
        channel: str,
        x_start: int,
        x_stop: int,
        y_start: int,
        y_stop: int,
        z_start: int,
        z_stop: int,
        t_start: int = 0,
        t_stop: int = 1,
        resolution: int = 1,
        block_size: Sequence[int] | None = None,
        neariso: bool = False,
    ) -> Array:
        """Return the voxels of a half-open box, (x, y, z), with time points in front where there are several.

        A large box comes in pieces, each asked for again if the connection breaks; `block_size` (x, y, z) sets theirs.
        """
        box = Box((z_start, y_start, x_start), (z_stop, y_stop, x_stop))
        times = t_stop - t_start
        where = f"{quote(token)}/{quote(channel)}/npz/{resolution}"
        tail = f"{t_start},{t_stop}/"
        if neariso:
            # Levels of that stack have an extent of their own, so the answer is taken as it comes, in one piece.
            return _xyz(_npz(self._get(f"{where}/{_ranges(box)}/{tail}neariso/"), None, times))
        block = tuple(block_size)[::-1] if block_size is not None else _piece(box.shape, max(1, times))
        out: Array | None = None
        for piece in Grid(box.shape, block):
            part = piece.shift(box.start)
            values = _npz(self._get(f"{where}/{_ranges(part)}/{tail}"), piece.shape, times)
            if out is None:
                out = np.zeros((values.shape[0], *box.shape), values.dtype)
            out[(slice(None), *piece.slices)] = values
        if out is None:
            raise BadRequest(f"a cut-out of {box.shape}", "it has no voxels", "give start < stop along each axis")
        return _xyz(out)

    def get_volume(
        self,
        token: str,
        channel: str,
        x_start: int,
        x_stop: int,
        y_start: int,
        y_stop: int,
        z_start: int,
        z_stop: int,
        resolution: int = 1,
        block_size: Sequence[int] | None = None,
        neariso: bool = False,
    ) -> VolumeCutout:
        """Return a cut-out that knows its place."""
        values = self.get_cutout(
            token, channel, x_start, x_stop, y_start, y_stop, z_start, z_stop,
            resolution=resolution, block_size=block_size, neariso=neariso,
        )  # fmt: skip
        return VolumeCutout(values, (x_start, y_start, z_start), resolution)

    def get_xy_slice(
        self,
        token: str,
        channel: str,
        x_start: int,
        x_stop: int,
        y_start: int,
        y_stop: int,
        z_index: int,
        resolution: int = 0,
    ) -> Array:
        """Return one section, (x, y)."""
        box = (x_start, x_stop, y_start, y_stop, z_index, z_index + 1)
        return self.get_cutout(token, channel, *box, resolution=resolution)[..., 0]

    get_image = get_xy_slice

    def post_cutout(
        self, token: str, channel: str, x_start: int, y_start: int, z_start: int, data: Array, resolution: int = 0
    ) -> bool:
        """Write voxels, (x, y, z), as the channel's type if that loses nothing; zeros of an image erase nothing."""
        kind = np.dtype(self.get_channels(token)[channel]["datatype"])
        cast = data.astype(kind)
        if not np.array_equal(cast, data):
            raise BadRequest(
                f"{data.dtype} voxels for channel {channel!r}", f"they do not fit into {kind}", "scale them"
            )
        values = np.ascontiguousarray(cast.transpose(2, 1, 0))
        for piece in Grid(values.shape, _piece(values.shape, 1)):
            part = piece.shift((z_start, y_start, x_start))
            out = io.BytesIO()
            np.save(out, values[piece.slices][None])
            path = f"{quote(token)}/{quote(channel)}/npz/{resolution}/{_ranges(part)}/"
            self._get(path, zlib.compress(out.getvalue(), 1))
        return True

    # --- levels and resources -----------------------------------------------------------------------------------

    def propagate(self, token: str, channel: str) -> bool:
        """Start to bring the coarser levels up to date; True if there is anything to do."""
        if self.get_propagate_status(token, channel) != "0":
            return False
        self._get(f"{quote(token)}/{quote(channel)}/setPropagate/1/")
        return True

    def get_propagate_status(self, token: str, channel: str) -> str:
        """Return ``"0"`` (out of date), ``"1"`` (under way) or ``"2"`` (up to date)."""
        return self._get(f"{quote(token)}/{quote(channel)}/getPropagate/").decode()

    def create_dataset(self, name: str, imagesize: Sequence[int], voxelres: Sequence[float], **fields: Any) -> bool:
        """Make a data set; sizes, offset and voxel size [nm] are (x, y, z), sizes exclusive ends."""
        return self._post_json(
            f"dataset/{quote(name)}/", {"imagesize": list(imagesize), "voxelres": list(voxelres), **fields}
        )

    def create_project(self, dataset: str, name: str, **fields: Any) -> bool:
        """Make a project of a data set, and a token of the same name."""
        return self._post_json(f"dataset/{quote(dataset)}/project/{quote(name)}/", fields)

    def create_channel(
        self, dataset: str, project: str, name: str, channel_type: str, datatype: str, **fields: Any
    ) -> bool:
        """Make an empty channel of a project."""
        path = f"dataset/{quote(dataset)}/project/{quote(project)}/channel/{quote(name)}/"
        return self._post_json(path, {"channel_type": channel_type, "datatype": datatype, **fields})

    def create_token(self, dataset: str, project: str, name: str, **fields: Any) -> bool:
        """Make another token for a project."""
        return self._post_json(f"dataset/{quote(dataset)}/project/{quote(project)}/token/{quote(name)}/", fields)

    def delete_channel(self, dataset: str, project: str, name: str) -> bool:
        """Delete a channel that was made over HTTP, and its voxels."""
        self._get(f"resource/dataset/{quote(dataset)}/project/{quote(project)}/channel/{quote(name)}/", method="DELETE")
        return True

    def list_datasets(self) -> list[str]:
        """Return every data set."""
        return list(self._json("resource/dataset/"))

    def list_projects(self, dataset: str) -> list[str]:
        """Return the projects of a data set."""
        return list(self._json(f"resource/dataset/{quote(dataset)}/project/"))

    # --- the wire -----------------------------------------------------------------------------------------------

    def _post_json(self, path: str, fields: dict[str, Any]) -> bool:
        self._get(f"resource/{path}", json.dumps(fields).encode())
        return True

    def _json(self, path: str) -> Any:
        return json.loads(self._get(path))

    def _request(self, path: str, body: bytes | None = None, method: str | None = None) -> urllib.request.Request:
        headers = {"Authorization": f"token {self._token}"} if self._token else {}
        if body is not None:
            headers["Content-Type"] = "application/octet-stream"
        return urllib.request.Request(self.url(path), body, headers, method=method)

    def _get(self, path: str, body: bytes | None = None, method: str | None = None, attempts: int = _ATTEMPTS) -> bytes:
        for left in reversed(range(attempts)):
            try:
                with urllib.request.urlopen(self._request(path, body, method), timeout=self._timeout) as answer:
                    found: bytes = answer.read()
                    return found
            except urllib.error.HTTPError as error:
                with error:
                    raise _named(error, path) from None
            except OSError:
                # A connection that broke; what is asked for several times changes nothing when it is asked again.
                if not left:
                    raise
        raise AssertionError


def _named(error: urllib.error.HTTPError, path: str) -> NdlabError:
    """Return the server's words as an error of this package."""
    raw = error.read()
    try:
        said = json.loads(raw)
        parts = [str(said.get(part, "")) for part in ("asked", "exists", "remedy")]
    except (ValueError, AttributeError):
        parts = [f"{path}: status {error.code}", raw[:500].decode("utf-8", "replace"), ""]
    return _ERRORS.get(error.code, BadRequest)(*parts, status=error.code)


def _ranges(box: Box) -> str:
    return "/".join(f"{box.start[i]},{box.stop[i]}" for i in (2, 1, 0))


def _piece(shape: Sequence[int], times: int) -> tuple[int, int, int]:
    """Return how much of a box is asked for at a time: whole sections as far as they fit."""
    z, y, x = (max(1, n) for n in shape)
    left = max(1, _PIECE // 8 // times)
    width = min(x, left)
    height = min(y, max(1, left // width))
    return min(z, max(1, left // (width * height))), height, width


def _npz(raw: bytes, shape: Sequence[int] | None, times: int) -> Array:
    """Return (t, z, y, x)."""
    values: Array = np.load(io.BytesIO(zlib.decompress(raw)), allow_pickle=False)
    found = values.reshape(max(1, times), *values.shape[-3:])
    if shape is not None and found.shape[1:] != tuple(shape):
        raise BadRequest(f"a piece of {tuple(shape)}", f"the server sent {found.shape[1:]}", "ask its keeper")
    return found


def _xyz(values: Array) -> Array:
    turned = values.transpose(0, 3, 2, 1)
    return turned[0] if len(turned) == 1 else turned
