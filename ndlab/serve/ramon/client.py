"""The founding Python client's methods for objects, over the server's own paths."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import quote

import numpy as np

from ndlab.errors import BadRequest, NotFound
from ndlab.serve.ramon.records import AnnotationType, RAMONBase, RAMONVolume, from_json, to_json

__all__ = ["RamonCalls"]

# Characters of one list of ids; a server takes 8192 of a whole address.
_LIST = 6000
_POSTED = 5000


class RamonCalls:
    """Objects by the client's method names; `Client` has them."""

    def _get(self, path: str, body: bytes | None = None, method: str | None = None, attempts: int = 3) -> bytes:
        raise NotImplementedError

    def get_ramon_ids(self, token: str, channel: str, ramon_type: Any = None) -> list[int]:
        """Return the ids of all objects, or of those of one type (number, name or class)."""
        import h5py

        kind = "" if ramon_type is None else f"type/{AnnotationType.get_int(ramon_type)}/"
        with h5py.File(io.BytesIO(self._get(f"{_at(token, channel)}/query/{kind}")), "r") as file:
            found: list[int] = file["ANNOIDS"][()].tolist() if "ANNOIDS" in file else []
        return found

    def get_ramon(
        self,
        token: str,
        channel: str,
        ids: Any,
        resolution: int = 0,
        include_cutout: bool = False,
        sieve: Callable[[Any], bool] | None = None,
        batch_size: int | None = None,
    ) -> Any:
        """Return an object, or for a list of ids the list of objects in its order.

        Parameters
        ----------
        token, channel : str
        ids : int, str or list of those
        resolution : int
            Level of the cut-outs.
        include_cutout : bool
            Fetch the voxels, too: `cutout` (x, y, z) and `xyz_offset`.
        sieve : callable, optional
            Keep the objects for which it is true.
        batch_size : int, optional
            Most objects of one request; without it as many as fit.

        Raises
        ------
        NotFound
            If some are not there.
        """
        asked = [str(one) for one in (ids if isinstance(ids, list | tuple | np.ndarray) else [ids])]
        found: dict[str, RAMONBase] = {}
        for some in _lists(asked, batch_size):
            said = json.loads(self._get(f"{_at(token, channel)}/{','.join(some)}/json/"))
            found.update((str(one.id), one) for one in from_json(said))
        objects = [found[one] for one in asked if sieve is None or sieve(found[one])]
        if include_cutout:
            self._add_cutouts(token, channel, objects, resolution)
        if isinstance(ids, list | tuple | np.ndarray):
            return objects
        if not objects:
            raise NotFound(f"object {ids}", "the sieve keeps it not")
        return objects[0]

    def _add_cutouts(self, token: str, channel: str, objects: Sequence[RAMONBase], resolution: int) -> None:
        import h5py

        for one in objects:
            if not isinstance(one, RAMONVolume):
                continue
            body = self._get(f"{_at(token, channel)}/{one.id}/cutout/{resolution}/")
            with h5py.File(io.BytesIO(body), "r") as file:
                group = file[str(one.id)]
                if "CUTOUT" in group:
                    x, y, z = (int(v) for v in group["XYZOFFSET"][()])
                    one.cutout = group["CUTOUT"][()].transpose(2, 1, 0)
                    one.xyz_offset, one.resolution = (x, y, z), resolution

    def get_ramon_metadata(self, token: str, channel: str, anno_id: Any) -> Any:
        """Return what the server says of an object, by its id; of each of several for a list or ``"1,2"``."""
        if isinstance(anno_id, list | tuple):
            return [self.get_ramon_metadata(token, channel, one) for one in anno_id]
        asked = str(anno_id).replace(" ", "")
        return json.loads(self._get(f"{_at(token, channel)}/{asked}/json/"))

    def get_ramon_bounding_box(
        self, token: str, channel: str, r_id: Any, resolution: int = 0
    ) -> tuple[int, int, int, int, int, int]:
        """Return x_start, x_stop, y_start, y_stop, z_start, z_stop of an object at a level."""
        import h5py

        body = self._get(f"{_at(token, channel)}/{r_id}/boundingbox/{resolution}/")
        with h5py.File(io.BytesIO(body), "r") as file:
            (x, y, z), (width, height, depth) = (
                (int(v) for v in file[f"{r_id}/{name}"][()]) for name in ("XYZOFFSET", "XYZDIMENSION")
            )
        return x, x + width, y, y + height, z, z + depth

    def post_ramon(
        self, token: str, channel: str, r: Any, batch_size: int | None = None, *, update: bool = False
    ) -> list[int]:
        """Store objects with their cut-outs, and return their ids in the order given.

        Parameters
        ----------
        token, channel : str
        r : object or list of objects
            Those without id are given one.
        batch_size : int, optional
            Most objects of one request, each all or none: one of the objects without voxels, one of those with them,
            whose free keys become text.
        update : bool
            Change objects that are there, instead of making new ones.
        """
        objects = list(r) if isinstance(r, list | tuple) else [r]
        wrong = next((one for one in objects if not isinstance(one, RAMONBase)), None)
        if wrong is not None:
            raise BadRequest(f"post of a {type(wrong).__name__}", "objects are of the classes of ndlab.serve.client")
        option = "update" if update else "overwrite"
        painted = [i for i, one in enumerate(objects) if getattr(one, "cutout", None) is not None]
        bare = sorted(set(range(len(objects))) - set(painted))
        ids: dict[int, int] = {}
        for places, path, pack in ((bare, f"{option}/json/", _json), (painted, f"{option}/", _file)):
            for some in _pieces(places, batch_size or _POSTED):
                # Asked once: an object without id that is posted again is another one.
                said = self._get(f"{_at(token, channel)}/{path}", pack([objects[i] for i in some]), "POST", attempts=1)
                ids.update(zip(some, map(int, said.decode().split(",")), strict=True))
        return [ids[i] for i in range(len(objects))]

    def delete_ramon(self, token: str, channel: str, anno: Any) -> bool:
        """Delete an object, or several, by id or as they were got."""
        several = anno if isinstance(anno, list | tuple | np.ndarray) else [anno]
        ids = [str(one.id if isinstance(one, RAMONBase) else one) for one in several]
        for some in _lists(ids, None):
            self._get(f"{_at(token, channel)}/{','.join(some)}/", method="DELETE", attempts=1)
        return True

    def reserve_ids(self, token: str, channel: str, quantity: int) -> list[int]:
        """Return ids, one after another, that nobody else is given."""
        first, count = json.loads(self._get(f"{_at(token, channel)}/reserve/{quantity}/"))
        return list(range(first, first + count))

    def merge_ids(self, token: str, channel: str, ids: Sequence[Any], delete: bool = False) -> int:
        """Fold objects into the first of them, and return its id; the others are gone, whatever `delete` says."""
        found: int = json.loads(
            self._get(f"{_at(token, channel)}/merge/{','.join(map(str, ids))}/global/0/", attempts=1)
        )
        return found


def _at(token: str, channel: str) -> str:
    return f"{quote(token, safe='')}/{quote(channel, safe='')}"


def _lists(ids: Sequence[str], most: int | None) -> Iterator[list[str]]:
    """Yield ids in lists that an address takes."""
    some: list[str] = []
    length = 0
    for one in ids:
        if some and (length + len(one) + 1 > _LIST or len(some) == most):
            yield some
            some, length = [], 0
        some.append(one)
        length += len(one) + 1
    if some:
        yield some


def _named(objects: Sequence[RAMONBase]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what is posted of each object, under its id or a name of its own."""
    for i, one in enumerate(objects):
        yield str(one.id or f"noid.{i:06d}"), to_json(one)


def _pieces(places: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (places[i : i + size] for i in range(0, len(places), size))


def _json(objects: Sequence[RAMONBase]) -> bytes:
    return json.dumps(dict(_named(objects))).encode()


def _file(objects: Sequence[RAMONBase]) -> bytes:
    """Return objects with cut-outs as HDF5, whose groups come back in the order of the objects."""
    import h5py

    from ndlab.serve.ramon.fields import field_called, type_of

    out = io.BytesIO()
    with h5py.File(out, "w", track_order=True) as file:
        for (name, said), one in zip(_named(objects), objects, strict=True):
            group = file.create_group(name)
            group["ANNOTATION_TYPE"] = np.array([AnnotationType.get_int(type(one))], np.uint32)
            inner = group.create_group("METADATA")
            for word, value in said["metadata"].items():
                known = field_called(type_of(said["type"]), word)
                if known is not None and value != []:
                    inner[known.hdf5] = [value] if not isinstance(value, list) else value
            inner["KVPAIRS"] = [_csv(one.kvpairs)]
            if isinstance(one, RAMONVolume) and one.cutout is not None:
                group["RESOLUTION"] = np.array([one.resolution], np.uint32)
                group["XYZOFFSET"] = np.array(one.xyz_offset)
                group.create_dataset("CUTOUT", data=np.asarray(one.cutout).transpose(2, 1, 0), compression="gzip")
    return out.getvalue()


def _csv(keys: dict[str, Any]) -> str:
    import csv

    out = io.StringIO()
    csv.writer(out).writerows(keys.items())
    return out.getvalue()
