"""A registration as a folder: displacement fields both ways as OME-Zarr, and one JSON document."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from ndlab.errors import Conflict, NotFound
from ndlab.preprocess.fields import DisplacementField
from ndlab.preprocess.mapping import Mapping
from ndlab.store.kv import Kv, join, normal_url

__all__ = ["load", "save", "there"]

_DOCUMENT = "registration.json"
_VERSION = 1
_FIELDS = ("forward", "backward")


def save(
    url: str | os.PathLike[str], forward: Mapping, backward: Mapping, about: dict[str, Any], *, overwrite: bool = False
) -> None:
    """Write both maps and what is known about them; the document comes last, so that what is there is whole.

    Raises
    ------
    Conflict
        If something is there, and `overwrite` is not given.
    """
    address = normal_url(url)
    kv = Kv.open(address)
    document: dict[str, Any] = {"version": _VERSION, **about}
    if kv.read_json(_DOCUMENT) is not None and not overwrite:
        raise Conflict(f"{address} holds a registration already", "ndlab does not overwrite",
                       "pass overwrite=True, or choose another address", url=address)  # fmt: skip
    kv.delete(_DOCUMENT)
    for name, mapping in zip(_FIELDS, (forward, backward), strict=True):
        mapping.field.save(join(address, f"{name}.ome.zarr"), overwrite=True)
        document[name] = {"before": mapping.before.tolist(), "after": mapping.after.tolist()}
    kv.write_json(_DOCUMENT, document)


def load(url: str | os.PathLike[str]) -> tuple[str, Mapping, Mapping, dict[str, Any]]:
    """Return address, both maps and the document.

    Raises
    ------
    NotFound
        If there is no registration.
    """
    address = normal_url(url)
    document = Kv.open(address).read_json(_DOCUMENT)
    if document is None:
        raise NotFound(f"no registration at {address}", f"it would hold {_DOCUMENT}",
                       "ndlab.preprocess.register(moving, fixed, out=...) makes one")  # fmt: skip
    maps = []
    for name in _FIELDS:
        field = DisplacementField.load(join(address, f"{name}.ome.zarr"))
        affine = document[name]
        maps.append(Mapping(field, np.array(affine["before"]), np.array(affine["after"])))
    return address, maps[0], maps[1], document


def there(url: str | os.PathLike[str], identity: str) -> bool:
    """Say whether the registration of that fingerprint is at an address.

    Raises
    ------
    Conflict
        If another registration is.
    """
    address = normal_url(url)
    document = Kv.open(address).read_json(_DOCUMENT)
    if document is None:
        return False
    if document["found"].get("fingerprint") != identity:
        raise Conflict(
            f"{address} holds the registration of other volumes, or one made in another way",
            f"it is of {document['moving']['url'] or 'a volume in memory'} to "
            f"{document['fixed']['url'] or 'a volume in memory'}",
            "choose another out=, or pass overwrite=True",
            url=address,
        )
    return True
