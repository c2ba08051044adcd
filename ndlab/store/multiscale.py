"""Open any store as one multiscale image: find out what is there, then describe it the same way for all formats."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ndlab import metadata
from ndlab.errors import BadMetadata, BadRequest, NotFound, Unsupported
from ndlab.geometry import Calibration
from ndlab.metadata import Multiscale
from ndlab.metadata.levels import UNKNOWN
from ndlab.store.arrays import Array, Level, Stored
from ndlab.store.engine import TensorStoreArray
from ndlab.store.kv import Kv, join, local_path, look_again, normal_url, parse_json, split_hint
from ndlab.store.zarr_python import ZarrPythonArray

__all__ = ["AXES", "canonical_order", "open_store"]

AXES = ("t", "c", "z", "y", "x")
_FOREIGN = {"header.wkw": "webknossos-wrap (WKW)", "datasource-properties.json": "a WEBKNOSSOS data set as a whole"}
_OTHER_NOUNS = {"geff": "a graph (GEFF)", "encoding-type": "a table (AnnData)"}
_PROBES = ("zarr.json", ".zattrs", ".zarray", ".zgroup", "info", "attributes.json")


def open_store(
    url: str | os.PathLike[str],
    *,
    path: str | None = None,
    axes: str | Sequence[str] | None = None,
    voxel_size: Sequence[float] | None = None,
    unit: str | None = None,
    **options: Any,
) -> Stored:
    """Describe the multiscale image at an address, whatever its format; no voxel is read.

    Parameters
    ----------
    url : str or path
        Local path, ``file://``, ``http(s)://``, ``s3://``, ``gs://``, a zip file, or one of those behind
        ``zarr://``, ``zarr3://``, ``n5://`` or ``precomputed://``.
    path : str, optional
        The image inside a store that holds several.
    axes : str, optional
        Names of the stored axes, e.g. ``"czyx"``, where the store does not say.
    voxel_size : sequence of 3 float, optional
        Voxel size (z, y, x) [nm] of the finest level, instead of what the store says.
    unit : str, optional
        Unit of the store's scales where it names none.
    **options
        For files: `dataset` (HDF5), `pattern` (folders of slices).

    Raises
    ------
    NotFound
        If nothing is there.
    Unsupported
        If what is there needs a feature that is missing; `feature` names it.
    BadMetadata
        If the store contradicts itself.
    """
    address, hint = split_hint(os.fspath(url))
    address = join(normal_url(address), path) if path else normal_url(address)
    local = local_path(address)
    if local is not None and (local.is_file() or not local.exists()):
        return _open_file(address, axes, voxel_size, unit, options)
    kv = Kv(address)
    found = dict(zip(_PROBES, kv.read_many(_PROBES), strict=True))
    return _dispatch(kv, found, hint, axes, voxel_size, unit, options)


def _dispatch(
    kv: Kv,
    found: Mapping[str, bytes | None],
    hint: str | None,
    axes: str | Sequence[str] | None,
    voxel_size: Sequence[float] | None,
    unit: str | None,
    options: Mapping[str, Any],
) -> Stored:
    def node(key: str) -> dict[str, Any]:
        raw = found[key]
        return {} if raw is None else parse_json(raw, join(kv.url, key))

    def calibrated(m: Multiscale, arrays: Sequence[Array]) -> Multiscale:
        m = metadata.with_unit(m, unit) if unit else m
        if voxel_size is None:
            return m
        return metadata.with_voxel_size(m, voxel_size, shapes=[a.shape[-3:] for a in arrays])

    def inside(path: str) -> Stored:
        return open_store(join(kv.url, path), axes=axes, voxel_size=voxel_size, unit=unit, **options)

    if found["zarr.json"] is not None and hint in (None, "zarr", "zarr3"):
        meta = node("zarr.json")
        attrs = meta.get("attributes", {})
        if meta.get("node_type") == "array":
            names = axes or meta.get("dimension_names")
            return _plain(kv, "zarr3", "Zarr v3 array", len(meta["shape"]), names, attrs, calibrated)
        return _zarr_group(kv, "zarr3", attrs, calibrated, inside)
    if hint in (None, "zarr", "zarr2") and any(found[k] is not None for k in (".zarray", ".zattrs", ".zgroup")):
        attrs = node(".zattrs")
        if found[".zarray"] is not None:
            names = axes or attrs.get("_ARRAY_DIMENSIONS")
            return _plain(kv, "zarr", "Zarr v2 array", len(node(".zarray")["shape"]), names, attrs, calibrated)
        return _zarr_group(kv, "zarr", attrs, calibrated, inside)
    if found["info"] is not None and hint in (None, "precomputed"):
        return _precomputed(kv, node("info"), calibrated)
    if found["attributes.json"] is not None and hint in (None, "n5"):
        return _n5(kv, node("attributes.json"), axes, calibrated)
    for name, feature in _FOREIGN.items():
        if kv.read(name) is not None:
            raise Unsupported(
                f"{kv.url} holds {name}: {feature} is not read",
                "",
                "open a layer inside that is Zarr, N5 or precomputed, or convert it to one of those",
                feature=feature,
            )
    if local_path(kv.url) is not None:
        stores = _stores_inside(kv)
        if stores and not options.get("pattern"):
            raise NotFound(
                f"{kv.url} is a folder of stores, not a volume",
                "it holds " + ", ".join(stores[:12]) + (" …" if len(stores) > 12 else ""),
                f"open one of them: {join(kv.url, stores[0])}",
                url=kv.url,
                stores=stores,
            )
        return _open_file(kv.url, axes, voxel_size, unit, options)
    raise NotFound(
        f"no volume at {kv.url}",
        f"none of {', '.join(_PROBES)} is there",
        "check the address; for an image inside a store add its path, e.g. url + '/0'",
        url=kv.url,
    )


def _stores_inside(kv: Kv) -> list[str]:
    """Name the folders directly below that are stores; a folder of slices holds none."""
    below = [name for name in kv.children()[:1000] if os.path.isdir(join(kv.url, name))]
    found = kv.read_many([f"{name}/{key}" for name in below for key in _PROBES])
    return [name for i, name in enumerate(below) if any(found[i * len(_PROBES) : (i + 1) * len(_PROBES)])]


def _open_file(
    url: str,
    axes: str | Sequence[str] | None,
    voxel_size: Sequence[float] | None,
    unit: str | None,
    options: Mapping[str, Any],
) -> Stored:
    """Open a file or a folder of slices; a voxel size [nm] overrides what it says, a unit fills what it leaves out."""
    from ndlab.store import files

    given: dict[str, Any] = dict(options) | ({"axes": axes} if axes is not None else {})
    if voxel_size is not None:
        return _with_voxel_size(files.open_file(url, **given), voxel_size)
    return files.open_file(url, **given, **({"unit": unit} if unit else {}))


def _with_voxel_size(stored: Stored, voxel_size: Sequence[float]) -> Stored:
    """Override the voxel size of a file, keeping the ratios of its levels."""
    base = stored.levels[0].array.shape[-3:]
    levels = []
    for level in stored.levels:
        ratio = [max(1, round(a / b)) for a, b in zip(base, level.array.shape[-3:], strict=True)]
        levels.append(Level(level.array, Calibration(voxel_size).coarser(ratio)))
    # What was noted as missing has been given.
    notes = tuple(note for note in stored.notes if "voxel_size=" not in note)
    return replace(stored, levels=tuple(levels), notes=notes)


def canonical_order(axes: Sequence[str]) -> tuple[tuple[str, ...], tuple[int | None, ...]]:
    """Names of the (t)(c)zyx axes, and for each the stored axis or None where the store lacks it.

    Examples
    --------
    >>> canonical_order(("x", "y", "c"))
    (('c', 'z', 'y', 'x'), (2, None, 1, 0))
    """
    unknown = [a for a in axes if a not in AXES]
    if unknown or len(set(axes)) != len(axes):
        raise Unsupported(
            f"axes {tuple(axes)}", "a volume has axes out of t, c, z, y, x, each at most once",
            "name the stored axes with axes='tczyx'", feature=f"axes {unknown}",
        )  # fmt: skip
    names = tuple(a for a in AXES if a in axes or a in "zyx")
    return names, tuple(axes.index(a) if a in axes else None for a in names)


def _default_axes(ndim: int, names: str | Sequence[Any] | None, where: str) -> tuple[str, ...]:
    if names is not None and len(names) == ndim and all(isinstance(n, str) and n.lower() in AXES for n in names):
        return tuple(n.lower() for n in names)
    if isinstance(names, str):
        raise BadRequest(
            f"axes={names!r} for {where}",
            f"the array has {ndim} axes out of t, c, z, y, x",
            f"pass {ndim} letters, e.g. axes={'tczyx'[-ndim:]!r}",
        )
    if not 1 <= ndim <= 5:
        raise Unsupported(f"{where} has {ndim} axes", "a volume has 1 to 5 (t, c, z, y, x)", feature=f"{ndim} axes")
    return AXES[-ndim:]


def _zarr_array(driver: str, url: str, order: tuple[int | None, ...]) -> Array:
    """Open the array by the engine, or by zarr-python where the engine refuses its codecs or type."""
    look_again(url)
    array: Array = TensorStoreArray(driver, url, order)
    try:
        dtype = array.dtype
    except Unsupported:
        if driver == "n5":  # zarr-python reads none.
            raise
        array = ZarrPythonArray(url, order, zarr_format=3 if driver == "zarr3" else 2)
        dtype = array.dtype
    if dtype.kind not in "buif":
        raise Unsupported(
            f"{url} holds {dtype} values",
            "a volume holds bool, integer or floating-point voxels",
            feature=f"dtype {dtype}",
        )
    return array


def _same_engine(first: Array, driver: str, url: str, order: tuple[int | None, ...]) -> Array:
    look_again(url)
    if isinstance(first, ZarrPythonArray):
        return replace(first, url=url)
    return TensorStoreArray(driver, url, order)


_Calibrate = Callable[[Multiscale, Sequence[Array]], Multiscale]


def _plain(
    kv: Kv,
    driver: str,
    format_name: str,
    ndim: int,
    names: str | Sequence[Any] | None,
    attrs: Mapping[str, Any],
    calibrated: _Calibrate,
) -> Stored:
    axes = _default_axes(ndim, names, kv.url)
    note = f"{UNKNOWN}: the store states none. Type ndlab.open(url, voxel_size=(z, y, x)) with nanometres"
    m = Multiscale(axes, (metadata.Scale("", None),), notes=(note,))
    return _assemble(kv, m, driver, format_name, dict(attrs), calibrated)


def _zarr_group(
    kv: Kv, driver: str, attrs: Mapping[str, Any], calibrated: _Calibrate, open_inside: Callable[[str], Stored]
) -> Stored:
    ome = attrs.get("ome", attrs)
    if "multiscales" in ome:
        images = metadata.read_ome(attrs, where=kv.url)
        if len(images) > 1:
            names = [m.name or str(i) for i, m in enumerate(images)]
            raise Unsupported(
                f"{kv.url} holds {len(images)} multiscale images: {names}",
                "ndlab opens one at a time",
                f"open one level of it: {join(kv.url, images[0].scales[0].path)}",
                feature="several multiscales",
            )
        m = images[0]
        return _assemble(kv, m, driver, f"OME-Zarr {m.version}", dict(attrs), calibrated)
    for key, noun in _OTHER_NOUNS.items():
        if key in attrs:
            raise Unsupported(
                f"{kv.url} is {noun}, not a volume", f"it states {key!r}; ndlab.open opens image and label arrays",
                "open the volume that it belongs to", feature=noun,
            )  # fmt: skip
    inside = _images_inside(kv, driver, attrs)
    if len(inside) == 1:
        return open_inside(inside[0])
    what = "a plate" if metadata.is_plate(attrs) else "a group"
    if not inside:
        raise Unsupported(
            f"{kv.url} is {what} without a multiscale image",
            "no array was found directly below",
            "open an array inside: ndlab.open(url + '/path')",
            feature="group without image",
        )
    raise Unsupported(
        f"{kv.url} is {what} that holds {len(inside)} images",
        ", ".join(inside[:12]) + (" …" if len(inside) > 12 else ""),
        f"open one of them: {join(kv.url, inside[0])}",
        feature="several images",
        images=inside,
    )


def _images_inside(kv: Kv, driver: str, attrs: Mapping[str, Any]) -> list[str]:
    """Paths of the images below a group, by what it says of itself, else by looking."""
    series = metadata.bioformats2raw_series(attrs)
    if series is not None:
        listed = kv.read_json("OME/.zattrs") or (kv.read_json("OME/zarr.json") or {}).get("attributes", {})
        series = series or listed.get("ome", listed).get("series") or []
    if series:
        return list(series)
    if labels := metadata.labels_list(attrs):
        return list(labels)
    if metadata.is_plate(attrs):
        return [f"{well}/0" for well in metadata.plate_wells(attrs)]
    if wells := metadata.well_images(attrs):
        return list(wells)
    key = "zarr.json" if driver == "zarr3" else ".zarray"
    below = [name for name in kv.children() if not name.startswith(".")]
    nodes = kv.read_many([f"{name}/{key}" for name in below])
    groups = kv.read_many([f"{name}/.zgroup" for name in below]) if driver == "zarr" else [None] * len(below)
    return [name for name, raw, group in zip(below, nodes, groups, strict=True) if raw or group]


def _assemble(
    kv: Kv,
    m: Multiscale,
    driver: str,
    format_name: str,
    attrs: dict[str, Any],
    calibrated: _Calibrate,
    stored_axes: Sequence[str] | None = None,
) -> Stored:
    names, order = canonical_order(stored_axes or m.axes)
    first = _zarr_array(driver, join(kv.url, m.scales[0].path), order)
    _check_rank(first, m, kv.url)
    rest = [_same_engine(first, driver, join(kv.url, s.path), order) for s in m.scales[1:]]
    m = calibrated(m, [first, *rest])
    levels = tuple(Level(a, s.calibration) for a, s in zip([first, *rest], m.scales, strict=True))
    return _stored(kv.url, format_name, names, levels, m, attrs)


def _check_rank(array: Array, m: Multiscale, url: str) -> None:
    if len(array.shape) != len(canonical_order(m.axes)[0]):
        raise BadMetadata(
            f"{url} names axes {m.axes}",
            f"its array has shape {array.shape}",
            "correct the axes in its metadata, or pass axes=",
        )


def _stored(
    url: str, format_name: str, names: tuple[str, ...], levels: tuple[Level, ...], m: Multiscale, attrs: dict[str, Any]
) -> Stored:
    return Stored(
        url=url,
        format=format_name,
        axes=names,
        levels=levels,
        kind=m.kind,
        name=m.name or os.path.basename(url),
        channels=m.channels,
        labels=m.labels,
        time_step=m.scales[0].time_step,
        attrs=attrs,
        notes=m.notes,
    )


def _precomputed(kv: Kv, info: Mapping[str, Any], calibrated: _Calibrate) -> Stored:
    m = metadata.read_precomputed(info, where=kv.url)
    names = canonical_order(m.axes)[0]
    order = tuple("xyzc".index(a) for a in names)
    look_again(kv.url)
    keys = [scale.get("key") for scale in info["scales"]]  # hidden ones among them, which the engine counts
    arrays = [
        TensorStoreArray("neuroglancer_precomputed", kv.url, order, f'{{"scale_index": {keys.index(scale.path)}}}')
        for scale in m.scales
    ]
    _ = arrays[0].dtype  # Refused here, with its reason, rather than at the first read.
    m = calibrated(m, arrays)
    levels = tuple(Level(a, s.calibration) for a, s in zip(arrays, m.scales, strict=True))
    return _stored(
        kv.url, "Neuroglancer precomputed", names, levels, m, dict(info.get("ndlab", {})) and {"ndlab": info["ndlab"]}
    )


def _n5(kv: Kv, attrs: Mapping[str, Any], axes: str | Sequence[str] | None, calibrated: _Calibrate) -> Stored:
    """N5 lists its axes fastest first: the stored axes are the reverse of the metadata's."""
    m = metadata.read_n5({"": attrs, **({} if "dimensions" in attrs else _n5_levels(kv, attrs))}, where=kv.url)
    if axes is not None:
        m = replace(m, axes=_default_axes(len(m.axes), axes, kv.url))
    return _assemble(kv, m, "n5", "N5", dict(attrs), calibrated, stored_axes=m.axes[::-1])


def _n5_levels(kv: Kv, attrs: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Read the attributes of each level below an N5 group; without a listing, of the usual names."""
    listed = [d["path"] for one in attrs.get("multiscales") or () for d in one.get("datasets", ()) if "path" in d]
    names = listed or kv.children() or [f"s{i}" for i in range(16)]
    raw = kv.read_many([f"{name}/attributes.json" for name in names])
    return {n: parse_json(r, join(kv.url, n)) for n, r in zip(names, raw, strict=True) if r is not None}
