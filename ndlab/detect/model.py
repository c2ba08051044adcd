"""A trained detector and what is known of it, in one file of plain arrays."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ndlab.errors import BadMetadata, BadRequest, NotFound
from ndlab.geometry import Float3
from ndlab.plugins import load, names

__all__ = ["PHANTOM", "Detector", "Model"]

Array = np.ndarray[Any, Any]
PHANTOM = Path(__file__).resolve().parent / "models" / "phantom.npz"
_FORMAT = "ndlab detector 1"
_HALF = 0.5


class Detector(Protocol):
    """What gives probabilities of grey values; it looks no further than its overlap."""

    @property
    def kind(self) -> str:
        """Name of its method."""
        ...

    @property
    def finer(self) -> int:
        """How many pixels of what it sees, in y and x, make one of what it tells."""
        ...

    @property
    def align(self) -> int:
        """A block begins at a multiple of this many pixels in y and x."""
        ...

    @property
    def piece(self) -> tuple[int, int, int]:
        """Sections and pixels that are worked on at a time."""
        ...

    @property
    def overlap(self) -> tuple[int, int, int]:
        """How far it looks: sections, and pixels in y and x."""
        ...

    def predict(self, image: Array) -> Array:
        """Probabilities (classes, z, y, x) of grey values (z, y, x), mean 0, deviation 1, `finer` times as fine."""
        ...

    def about(self) -> dict[str, Any]:
        """Return what is not an array, as plain values."""
        ...

    def arrays(self) -> dict[str, Array]:
        """Return the arrays."""
        ...


@dataclass(frozen=True, eq=False)
class Model:
    """A detector, the voxels it works on, and what it was trained on.

    Parameters
    ----------
    detector : Detector
    classes : tuple of str
        Names, in order; the last is what is looked for.
    voxel_size : (z, y, x)
        Of the volume that it was trained on [nm].
    pixel : float
        Side of the pixels that it tells of, in y and x [nm]: finer volumes are averaged, and what is found enlarged.
    notes : mapping
        On which data, with which scores, under which licence.

    Examples
    --------
    >>> model = Model.load()
    >>> model.classes[-1], model.notes["warning"]
    ('synapse', 'phantom-trained, not validated on EM')
    """

    detector: Detector
    classes: tuple[str, ...]
    voxel_size: Float3
    pixel: float
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """Name of the method."""
        return self.detector.kind

    @cached_property
    def digest(self) -> str:
        """Digest of all that decides what it finds."""
        found = hashlib.blake2b(json.dumps(self._head(), sort_keys=True).encode(), digest_size=12)
        for name, value in sorted(self.detector.arrays().items()):
            found.update(f"{name} {value.dtype} {value.shape}".encode())
            found.update(np.ascontiguousarray(value).tobytes())
        return found.hexdigest()

    def __repr__(self) -> str:
        warning = f", {self.notes['warning']}" if "warning" in self.notes else ""
        return f"Model({self.kind}: {', '.join(self.classes)}; pixels of {self.pixel:g} nm; {self.digest}{warning})"

    def _head(self) -> dict[str, Any]:
        return {"format": _FORMAT, "kind": self.kind, "classes": list(self.classes), "pixel": self.pixel,
                "voxel_size": list(self.voxel_size), "detector": self.detector.about()}  # fmt: skip

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write it to a file, which appears once it is whole, and return the path."""
        target = Path(path)
        head = json.dumps({**self._head(), "notes": dict(self.notes), "digest": self.digest})
        held = io.BytesIO()
        np.savez_compressed(held, allow_pickle=False, head=np.array(head), **self.detector.arrays())
        part = target.with_name(f".{target.name}.{os.getpid()}")
        part.write_bytes(held.getvalue())
        part.replace(target)
        return target

    @classmethod
    def load(cls, path: str | os.PathLike[str] | None = None) -> Model:
        """Read a model; without a path the one that ndlab ships, which has seen the phantom only.

        Raises
        ------
        NotFound
            If there is no such file.
        BadMetadata
            If it is no model, or was changed after it was written.
        """
        source = PHANTOM if path is None else Path(path)
        if not source.is_file():
            raise NotFound(f"no model at {source}", "", "train one: ndlab.detect.train(volume, labels, out=path)")
        try:
            with np.load(source, allow_pickle=False) as held:
                arrays = {name: held[name] for name in held.files if name != "head"}
                head = json.loads(str(held["head"]))
        except (OSError, ValueError, KeyError) as error:
            raise BadMetadata(f"{source} is no model", str(error), "write one with Model.save") from error
        if head.get("format") != _FORMAT:
            raise BadMetadata(f"{source} is a {head.get('format')!r}", f"this ndlab reads {_FORMAT!r}")
        found = cls(detector(head, arrays), tuple(head["classes"]), tuple(head["voxel_size"]), head["pixel"],
                    head["notes"])  # fmt: skip
        if found.digest != head["digest"]:
            raise BadMetadata(
                f"{source} holds other arrays than were written",
                f"{found.digest} is not {head['digest']}",
                "copy the file again, or train anew",
            )
        return found

    @classmethod
    def of(cls, model: Model | str | os.PathLike[str] | None) -> Model:
        """Return a model as it is, or read it."""
        return model if isinstance(model, Model) else cls.load(model)

    @classmethod
    def together(cls, *models: Model | str | os.PathLike[str], turns: int = 1, between: float = 0.0) -> Model:
        """Make one model of several, or of one that looks more often: the geometric mean of probabilities.

        Parameters
        ----------
        *models : Model or path
            Of the same classes and pixels.
        turns : {1, 4, 8}
            From how many sides of a section each looks: as it is; turned by quarters; these mirrored, too. It takes
            so many times as long.
        between : float
            Weight of each of the two neighbouring sections in the mean, from 0 to below 0.5.

        Raises
        ------
        BadRequest
            If they tell other classes apart, or work on other pixels.

        Examples
        --------
        >>> Model.together(Model.load(), Model.load()).kind
        'together'
        """
        from ndlab.detect.together import Together

        if turns not in (1, 4, 8) or not 0 <= between < _HALF:
            raise BadRequest(f"turns={turns!r}, between={between!r}", "turns are 1, 4 or 8; between is from 0 to 0.5",
                             "give turns=8, between=0.1 for instance")  # fmt: skip
        parts = [cls.of(one) for one in models]
        if len({(one.classes, one.voxel_size, one.pixel) for one in parts}) != 1:
            said = "; ".join(f"{one}" for one in parts) or "none"
            raise BadRequest(f"one model of {len(parts)}", f"they are {said}",
                             "give models of the same classes and pixels, trained on the same volume")  # fmt: skip
        first = parts[0]
        notes = {**first.notes, "parts": [one.digest for one in parts]}
        detectors = Together(tuple(one.detector for one in parts), turns, between)
        return cls(detectors, first.classes, first.voxel_size, first.pixel, notes)

    def number(self, name: str) -> int:
        """Place of a class."""
        if name not in self.classes:
            raise BadRequest(f"class {name!r}", f"this model tells apart {', '.join(self.classes)}")
        return self.classes.index(name)


def detector(head: Mapping[str, Any], arrays: Mapping[str, Array]) -> Detector:
    """Read a detector of any kind."""
    from ndlab.detect.network.network import Network
    from ndlab.detect.together import Together
    from ndlab.detect.trees import Trees, below
    from ndlab.detect.vesicle import Vesicle

    if head["kind"] == Together.kind:
        about = head["detector"]
        parts = tuple(detector(one, below(arrays, str(i))) for i, one in enumerate(about["parts"]))
        return Together(parts, about.get("turns", 1), about.get("between", 0.0))
    kinds: dict[str, Any] = {one.kind: one for one in (Trees, Network, Vesicle)}
    kind = kinds.get(head["kind"]) or load("detectors", head["kind"])
    if kind is None:
        raise BadMetadata(
            f"a model of kind {head['kind']!r}",
            f"this ndlab knows {', '.join([*kinds, *names('detectors')])}",
            "update ndlab, or install the package that adds it",
        )
    found: Detector = kind.read(head["detector"], arrays)
    return found
