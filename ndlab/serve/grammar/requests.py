"""What a path can ask for, as frozen values. Axes are named, so no order has to be remembered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ndlab.errors import BadRequest

__all__ = [
    "COLORS",
    "CUTOUTS",
    "PLANES",
    "RESERVED",
    "SERVICES",
    "Cut",
    "Cutout",
    "Normalize",
    "Options",
    "Overlay",
    "Picture",
    "Plane",
    "Range",
    "Request",
    "Synaptogram",
    "SynaptogramAt",
    "Tile",
    "VoxelId",
]

Plane = Literal["xy", "xz", "yz"]
Range = tuple[int, int]
Normalize = Literal["normalize", "normalize2"]

PLANES = ("xy", "xz", "yz")
CUTOUTS = ("hdf5", "npz", "blosc", "blaze", "zip", "raw", "jpeg", "tiff", "diff", "ids")
PICTURES = ("mcfc", "minproj", "maxproj")
ANNOTATED = ("xyanno", "xzanno", "yzanno")
# In the order in which channels take them.
COLORS = ("C", "M", "Y", "R", "G", "B")
SERVICES = (*PLANES, *CUTOUTS, *ANNOTATED, *PICTURES, "id")
# No channel can have one of these names: before a plane, they mean the default channel's.
RESERVED = frozenset(PICTURES)

_THIRD = {"xy": "z", "xz": "y", "yz": "x"}


@dataclass(frozen=True, slots=True)
class Cut:
    """A half-open box in dataset coordinates of a level, and time points; without them the first."""

    level: int
    x: Range
    y: Range
    z: Range
    t: Range | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """What may follow a cut: a display window, ids to keep, and the near-isotropic stack."""

    window: tuple[float, float] | None = None
    filter: tuple[int, ...] = ()
    neariso: bool = False
    direct: bool = False
    aligned: bool = False


@dataclass(frozen=True, slots=True)
class Cutout:
    """Voxels of a box in a file format, or its ids; no channels means the default one, ``"0"`` an empty place."""

    token: str
    channels: tuple[str, ...]
    service: str
    cut: Cut
    options: Options = field(default_factory=Options)


@dataclass(frozen=True, slots=True)
class VoxelId:
    """The value of one voxel."""

    token: str
    channels: tuple[str, ...]
    level: int
    x: int
    y: int
    z: int
    t: int | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """A plane as PNG: plain, of some objects (`ids`), in false colours, or projected.

    `colors` has one entry for each channel in false colours, empty where the order decides.
    """

    token: str
    channels: tuple[str, ...]
    mode: Literal["plane", "anno", "mcfc", "minproj", "maxproj"]
    plane: Plane
    cut: Cut
    options: Options = field(default_factory=Options)
    ids: tuple[int, ...] = ()
    colors: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.mode not in ("minproj", "maxproj"):
            _flat(self.plane, self.cut)


@dataclass(frozen=True, slots=True)
class Overlay:
    """Two planes over each other, `alpha` of the second; both layers are (server, token, channel)."""

    alpha: float
    below: tuple[str, str, str]
    above: tuple[str, str, str]
    plane: Plane
    cut: Cut
    options: Options = field(default_factory=Options)

    def __post_init__(self) -> None:
        _flat(self.plane, self.cut)


@dataclass(frozen=True, slots=True)
class Tile:
    """A square tile as PNG.

    Of `x`, `y` and `z` two number tiles and one, the plane's third axis, counts voxels. `width` is how many slices
    before and after are projected.
    """

    token: str
    channels: tuple[str, ...]
    mode: Literal["plane", "mcfc", "maxproj", "viking"]
    plane: Plane
    level: int
    x: int
    y: int
    z: int
    t: int | None = None
    filter: tuple[int, ...] = ()
    colors: tuple[str, ...] = ()
    width: int = 0
    size: int = 512


@dataclass(frozen=True, slots=True)
class Synaptogram:
    """Every slice of every channel of a box as PNG."""

    token: str
    channels: tuple[str, ...]
    cut: Cut
    options: Options = field(default_factory=Options)


@dataclass(frozen=True, slots=True)
class SynaptogramAt:
    """What lies around a point as one PNG: a row for each channel, a column for each slice.

    `reference` channels lie under the others in colours of their own; `plain` ones, such as EM, are drawn without them
    and without `enhance`, by which brightness is multiplied. A channel is drawn through its window; with "normalize"
    from 0 to the brightest voxel of its row, with "normalize2" to the brightest of 16 × 512 × 512 voxels. `width` are
    voxels, `tile` and `frame` pixels.
    """

    token: str
    channels: tuple[str, ...]
    x: int
    y: int
    z: int
    level: int = 0
    reference: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()
    enhance: float = 1.0
    normalize: Normalize | None = None
    width: int = 11
    tile: int = 200
    frame: int = 20
    t: int | None = None


Request = Cutout | VoxelId | Picture | Overlay | Tile | Synaptogram | SynaptogramAt


def _flat(plane: str, cut: Cut) -> None:
    """Check that a plane's cut is one voxel deep and one moment long."""
    axis = _THIRD.get(plane)
    if axis is None:
        raise BadRequest(f"plane {plane!r}", f"the planes are {', '.join(PLANES)}")
    low, high = getattr(cut, axis)
    if high != low + 1 or (cut.t is not None and cut.t[1] != cut.t[0] + 1):
        raise BadRequest(
            f"an {plane} plane of {axis} {low},{high} at time {cut.t}",
            "a plane is one voxel deep and of one time point",
            "use minproj or maxproj for a range",
        )
