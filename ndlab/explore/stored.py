"""Where a page can read a volume by itself: the address of each level on the web, and which part of it is shown."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit

from ndlab.store.engine import TensorStoreArray
from ndlab.volume import Volume

__all__ = ["stored", "web_address"]


def web_address(url: str) -> str | None:
    """Return the http(s) address of what lies at `url`; None where a page of another site has none to ask.

    Buckets of S3 and Google Cloud are taken at their public addresses. Addresses that hold a password or a signature
    are not given to pages, which keep them in saved notebooks.

    Examples
    --------
    >>> web_address("gs://bucket/some data/em.zarr")
    'https://storage.googleapis.com/bucket/some%20data/em.zarr'
    >>> web_address("https://a:secret@example.org/em.zarr"), web_address("/data/em.zarr")
    (None, None)
    """
    scheme, found, rest = url.partition("://")
    if not found or any(mark in url for mark in "@?#|"):
        return None
    if scheme in ("http", "https"):
        return f"{scheme}://{urlsplit(url).netloc}{quote(urlsplit(url).path)}" if urlsplit(url).netloc else None
    bucket, _, path = rest.partition("/")
    if scheme == "gs":
        return f"https://storage.googleapis.com/{bucket}/{quote(path)}"
    # An endpoint of one's own is no public bucket.
    if scheme == "s3" and not (os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")):
        return f"https://{bucket}.s3.amazonaws.com/{quote(path)}"
    return None


def stored(volume: Volume, labels: bool, address: Callable[[str], str | None] = web_address) -> dict[str, Any] | None:
    """Return what a page needs to read a volume without a kernel, as JSON values; None where it cannot.

    The answer holds `labels`; `lead`, the axes before z; and for each level its `url`, the `shape` (z, y, x) that the
    volume shows, `order`, for each axis of the volume which one of the array it is, and `start`, where on it the volume
    begins. widgets/src/zarr/protocol.ts is the other half.

    Parameters
    ----------
    volume : Volume
    labels : bool
        Whether tiles of it are ids.
    address : callable
        Returns what the page is to ask for an array at a URL; None where it cannot.

    Examples
    --------
    >>> from ndlab.samples import toy
    >>> stored(toy().volume("image"), False) is None
    True
    """
    levels = volume._stored.levels[volume.level_index :]
    numbers = range(volume.level_index, volume.level_index + len(levels))
    found = [_level(volume, number, address) for number in numbers]
    if not found or any(one is None for one in found):
        return None
    return {"labels": labels, "lead": list(volume._stored.axes[:-3]), "levels": found}


def _level(volume: Volume, number: int, address: Callable[[str], str | None]) -> dict[str, Any] | None:
    array = volume._stored.levels[number].array
    if not isinstance(array, TensorStoreArray) or array.driver not in ("zarr", "zarr3"):
        return None
    where = address(array.url)
    if where is None:
        return None
    view = volume.level(number)
    lead = [span.start for span in volume._spans[:-3]]
    return {
        "url": where,
        "shape": list(view.box.shape),
        "order": list(array.order),
        "start": [*lead, *view.box.start],
    }
