"""register: the map between two volumes, found without a parameter set by hand."""

from __future__ import annotations

import math
import time
from typing import Annotated, Any, Literal

from ndlab.describe import si_length
from ndlab.errors import BadRequest
from ndlab.pipeline import describe, environment, fingerprint
from ndlab.preprocess.fields import DisplacementField
from ndlab.preprocess.mapping import Mapping
from ndlab.preprocess.registration.fitting import fitted, mean_of
from ndlab.preprocess.registration.quality import there_and_back
from ndlab.preprocess.registration.result import Registration, Space
from ndlab.preprocess.registration.working import single
from ndlab.volume import Volume

__all__ = ["register"]

# Nobody registers a fly's brain to a mouse's: a factor of a thousand is a micrometre taken for a nanometre.
_RATIO = 8
# Of a voxel: there and back again is meant to end within a tenth, and is measured at centres of voxels alone.
_CLOSE = 0.05


def register(
    moving: Any,
    fixed: Any,
    *,
    out: str | None = None,
    voxel: Annotated[float, "nm"] | None = None,
    deformable: bool = True,
    measure: Literal["auto", "correlation", "information"] = "auto",
    contrast: Literal["auto", "local", "curve"] = "auto",
    reach: Annotated[float, "nm"] | None = None,
    stiffness: float | None = None,
    overwrite: bool = False,
) -> Registration:
    """Find the smooth invertible map between two volumes and return it as a `Registration`.

    An affine map first, from many starts: as the volumes lie, centred, scaled, and turned each way that a volume is
    stored. Then the flow of a smooth velocity field, coarse to fine, so that no point of space is folded over. What is
    compared is the squared correlation in small windows, which does not mind other brightness, contrast or shading, nor
    a negative. Both volumes are calibrated, so their voxel sizes and extents may differ; a volume of one section is
    registered in its plane. Where the two show different things (another stain, another modality), coarse levels go by
    mutual information instead, if that ends with the better correlation.

    Parameters
    ----------
    moving, fixed : Volume or DataArray
        (z, y, x), one channel. What is found takes `moving` onto `fixed`; for an atlas, that is `fixed`.
    out : str, optional
        Where the result is kept: a folder with the displacement fields, both ways, as OME-Zarr. If the same volumes
        were registered there before in the same way, that is opened. Without it, the result is in memory.
    voxel : float, optional
        Voxel size at which they are compared [nm]; found from `fixed`: its own, or what makes a quarter of a million
        voxels.
    deformable : bool
        False stops after the affine map.
    measure : {"auto", "correlation", "information"}
        What coarse levels go by; ``"auto"`` tries both.
    contrast : {"auto", "local", "curve"}
        ``"local"`` lets brightness and contrast differ from window to window. ``"curve"`` also estimates what each
        brightness of `moving` is in `fixed`, for another stain or modality; ``"auto"`` does where that explains clearly
        more. But for ``"local"``, voxels of `fixed` without a counterpart (missing tissue, artefacts) are found, too,
        and do not count.
    reach : float, optional
        How far a displacement is felt around [nm]; a twelfth of the extent of `fixed`.
    stiffness : float, optional
        How dear a rough map is; 6.
    overwrite : bool
        Remove what is at `out` first.

    Returns
    -------
    Registration
        ``.apply(volume)``, ``.points(positions)``, ``.inverse``, ``.quality()``, ``.regions(labels)``, ``.found``.

    Raises
    ------
    BadRequest
        If a volume states no voxel size, has several channels, holds one value only, or the two are so different in
        extent that one of the voxel sizes must be wrong.
    Conflict
        If something else is at `out`.

    Examples
    --------
    >>> import numpy as np
    >>> from ndlab.volume import Volume
    >>> z, y, x = np.mgrid[:16, :20, :24]
    >>> brain = np.hypot(np.hypot(z - 8, y - 10), x - 12) < 6
    >>> fixed = Volume.from_array(brain.astype("f4"), (100, 100, 100))
    >>> moving = Volume.from_array(brain.astype("f4"), (100, 100, 100), offset=(0, 0, 300))
    >>> found = register(moving, fixed, deformable=False)
    >>> [round(float(n)) for n in found.points([[800.0, 1000.0, 1500.0]])[0]]
    [800, 1000, 1200]
    """
    a, b = single(moving, "moving"), single(fixed, "fixed")
    settings = {
        "voxel": voxel, "deformable": deformable, "measure": measure, "contrast": contrast, "reach": reach,
        "stiffness": stiffness,
    }  # fmt: skip
    _check(settings)
    identity = fingerprint([describe(a), describe(b), settings]) if out is not None else ""
    if out is not None and not overwrite:
        earlier = Registration.earlier(out, identity)
        if earlier is not None:
            return earlier
    _comparable(a, b)
    began = time.monotonic()
    forward, start, chosen = fitted(a, b, settings)
    about = {"settings": settings, **chosen, "seconds": round(time.monotonic() - began, 2)}
    about |= {"environment": environment(), "fingerprint": identity}
    done = Registration(forward, _inverse(forward, start), Space.of(b), Space.of(a), about)
    return done if out is None else done.save(out, overwrite=overwrite)


def _inverse(forward: Mapping, start: DisplacementField | None) -> Mapping:
    """Return the inverse, on a grid of half the voxel size where going there and back would be a bit off otherwise."""
    back = forward.inverse(start)
    if (there_and_back(forward, back) > _CLOSE).any():
        back = forward.inverse(back.field, finer=2)
    return back


def _check(settings: dict[str, Any]) -> None:
    for name in ("voxel", "reach", "stiffness"):
        value = settings[name]
        if value is not None and not (math.isfinite(value) and value > 0):
            raise BadRequest(f"{name}={value!r}", "it is a positive number", "leave it out to have it found")
    for name, words in (("contrast", ("auto", "local", "curve")), ("measure", ("auto", "correlation", "information"))):
        if settings[name] not in words:
            raise BadRequest(f"{name}={settings[name]!r}", f"it is one of {', '.join(words)}")


def _comparable(moving: Volume, fixed: Volume) -> None:
    flat = [sum(n == 1 for n in volume.shape) for volume in (moving, fixed)]
    if flat[0] != flat[1]:
        raise BadRequest(
            f"a volume of {moving.shape} voxels was to be registered to one of {fixed.shape}",
            "one is a plane and the other is not",
            "cut the plane out of the volume first: volume[10:11]",
        )
    wide = [_mean_extent(volume) for volume in (moving, fixed)]
    ratio = max(wide) / min(wide)
    if ratio > _RATIO:
        raise BadRequest(
            f"a volume {si_length(wide[0])} wide was to be registered to one {si_length(wide[1])} wide",
            f"one is {ratio:.3g} times as wide as the other, so one of the voxel sizes, {moving.voxel_size} and "
            f"{fixed.voxel_size} nm, is not right",
            "open it with ndlab.open(url, voxel_size=(z, y, x)) in nm, or cut out the part that is in both",
        )


def _mean_extent(volume: Volume) -> float:
    return mean_of([n * v for n, v in zip(volume.shape, volume.voxel_size, strict=True) if n > 1])
