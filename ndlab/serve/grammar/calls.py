"""What a path can ask of RAMON objects, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ndlab.serve.grammar.requests import Cut

__all__ = [
    "FORMS",
    "MODES",
    "Call",
    "Described",
    "Exceptions",
    "Field",
    "Form",
    "Listed",
    "Merge",
    "Mode",
    "Nifti",
    "Objects",
    "Predicate",
    "Query",
    "Reserve",
    "Skeletons",
    "Table",
    "TopKeys",
    "Write",
]

Form = Literal["nodata", "voxels", "cutout", "boundingbox", "cuboids", "json"]
Mode = Literal["overwrite", "preserve", "except", "reduce"]

FORMS: tuple[Form, ...] = ("nodata", "voxels", "cutout", "boundingbox", "cuboids", "json")
MODES: tuple[Mode, ...] = ("overwrite", "preserve", "except", "reduce")


@dataclass(frozen=True, slots=True)
class Objects:
    """Objects by id, in one of the forms; `level` of their voxels, or the `cut` that bounds them.

    Without a form it is also what DELETE takes away.
    """

    token: str
    channel: str
    ids: tuple[int, ...]
    form: Form = "nodata"
    level: int | None = None
    cut: Cut | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """Objects whose ids the body lists, in one of the forms."""

    token: str
    channel: str
    form: Form = "nodata"
    level: int | None = None
    cut: Cut | None = None


@dataclass(frozen=True, slots=True)
class Described:
    """Objects as JSON, with their bounding box at a level if one is named."""

    token: str
    channel: str
    ids: tuple[int, ...]
    level: int | None = None


@dataclass(frozen=True, slots=True)
class Predicate:
    """One condition, as its words stand in the path."""

    field: str
    value: str
    operator: Literal["eq", "lt", "gt"] = "eq"


@dataclass(frozen=True, slots=True)
class Query:
    """The ids of the objects that meet every predicate; as HDF5, or JSON."""

    token: str
    channel: str
    predicates: tuple[Predicate, ...] = ()
    limit: int | None = None
    json: bool = False


@dataclass(frozen=True, slots=True)
class TopKeys:
    """The free keys that most objects have, of one type if it is named."""

    token: str
    channel: str
    count: int = 10
    type: int | None = None


@dataclass(frozen=True, slots=True)
class Write:
    """Objects that are posted: how their voxels meet those of others, and what of them is written."""

    token: str
    channel: str
    mode: Mode = "overwrite"
    update: bool = False
    dataonly: bool = False
    json: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """One field of one object: what it is, or the value that it is given."""

    token: str
    channel: str
    id: int
    field: str
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Reserve:
    """Ids, one after another, that nobody else is given."""

    token: str
    channel: str
    count: int


@dataclass(frozen=True, slots=True)
class Merge:
    """Objects that become the first of them, at every level."""

    token: str
    channel: str
    ids: tuple[int, ...]
    level: int | None = None


@dataclass(frozen=True, slots=True)
class Exceptions:
    """The voxels of a box that several objects claim; no channel means the first that has objects."""

    token: str
    channel: str
    cut: Cut


@dataclass(frozen=True, slots=True)
class Table:
    """One object with its bounding box as CSV; no channel means the first that has objects."""

    token: str
    channel: str
    id: int
    level: int


@dataclass(frozen=True, slots=True)
class Skeletons:
    """Skeletons as SWC, all of them without ids; or an SWC file that is posted."""

    token: str
    channel: str
    ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Nifti:
    """A whole channel as NIfTI; or one that is posted, into a new channel, or with an object for each label."""

    token: str
    channel: str
    create: bool = False
    annotations: bool = False


Call = (
    Objects | Listed | Described | Query | TopKeys | Write | Field | Reserve | Merge | Exceptions | Table | Skeletons
    | Nifti
)  # fmt: skip
