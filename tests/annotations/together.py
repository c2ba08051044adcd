"""The plain model that objects and paint together are held to: what is known of each transaction, by its number."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ndlab.annotations import Annotation
from tests.annotations.model import Model, Voxel
from tests.annotations.test_machine import merged, renamed

Objects = dict[int, Annotation]
Labels = tuple[np.ndarray[Any, Any], dict[Voxel, list[int]]]


@dataclass
class Said:
    """What one transaction did: the state after it, and the voxels that it named."""

    objects: Objects
    labels: dict[str, Labels]
    author: str = ""
    named: dict[str, set[Voxel]] = field(default_factory=dict)
    undone: bool = False
    undoes: int = 0


class Together:
    """Objects and label volumes; `told[n]` is what is known of transaction n."""

    def __init__(self, names: list[str]) -> None:
        self.models = {name: Model() for name in names}
        self.told = [Said({}, self._labels())]

    @property
    def now(self) -> Objects:
        return self.told[-1].objects

    def ids(self) -> set[int]:
        return {*self.now, *(one for model in self.models.values() for one in model.ids())}

    def painted(self, one: int) -> bool:
        return any(one in model.ids() for model in self.models.values())

    def _labels(self) -> dict[str, Labels]:
        return {
            name: (model.labels.copy(), {v: list(ids) for v, ids in model.exceptions.items()})
            for name, model in self.models.items()
        }

    def _wrote(self, who: str, objects: Objects, named: dict[str, set[Voxel]], undoes: int = 0) -> None:
        before, labels = self.told[-1].labels, self._labels()
        named = {name: named.get(name, set()) | _changed(before[name], labels[name]) for name in labels}
        self.told.append(Said(objects, labels, who, named, undoes=undoes))

    def put(
        self, who: str, objects: Objects, name: str = "", voxels: dict[int, Any] | None = None, mode: str = ""
    ) -> None:
        """Objects are these from now on, and some are painted."""
        pairs = [(one, [tuple(v) for v in what.tolist()]) for one, what in (voxels or {}).items() if what is not None]
        if pairs:
            self.models[name].write(pairs, mode)
        self._wrote(who, objects, {name: {v for _, listed in pairs for v in listed}} if pairs else {})

    def delete(self, who: str, ids: list[int], names: list[str] | None = None) -> None:
        """Without `names` everywhere, and the objects, too."""
        for name in names or self.models:
            self.models[name].delete(ids)
        self._wrote(who, self.now if names else {i: one for i, one in self.now.items() if i not in ids}, {})

    def merge(self, who: str, ids: list[int], names: list[str] | None = None) -> None:
        objects, rows = dict(self.now), [one for one in ids if one in self.now]
        if not names and len(rows) > 1:
            gone = set(rows[1:])
            objects = {i: one for i, one in objects.items() if i not in gone}
            objects[ids[0]] = merged([self.now[one] for one in rows])
            objects = {i: renamed(one, gone, ids[0]) for i, one in objects.items()}
        for name in names or self.models:
            self.models[name].merge(ids)
        self._wrote(who, objects, {})

    def can_merge(self, ids: list[int]) -> bool:
        rows = [one for one in ids if one in self.now]
        return len({self.now[one].kind for one in rows}) < 2 and (not rows or ids[0] in self.now)

    # --- undo ---------------------------------------------------------------------------------------------------

    def standing(self, of: str | None = None) -> list[int]:
        """Transactions (of somebody) that can be taken back, as far as they alone are concerned."""
        return [
            n for n, said in enumerate(self.told)
            if n and not said.undone and not said.undoes and of in (None, said.author)
        ]  # fmt: skip

    def _rows(self, number: int) -> set[int]:
        then, before = self.told[number].objects, self.told[number - 1].objects
        return {i for i in then.keys() | before.keys() if then.get(i) != before.get(i)}

    def clashes(self, number: int) -> bool:
        """Whether something that stands changed the same later."""
        said, rows = self.told[number], self._rows(number)
        return any(
            rows & self._rows(n) or any(said.named[name] & self.told[n].named[name] for name in self.models)
            for n in self.standing() if n > number
        )  # fmt: skip

    def take_back(self, who: str, number: int) -> None:
        said, before = self.told[number], self.told[number - 1]
        objects = dict(self.now)
        for i in self._rows(number):
            objects.pop(i, None)
            if i in before.objects:
                objects[i] = before.objects[i]
        for name, model in self.models.items():
            labels, exceptions = before.labels[name]
            for v in said.named[name]:
                model._set(v, int(labels[v]), exceptions.get(v, []))
        said.undone = True
        self._wrote(who, objects, {}, undoes=number)


def _changed(one: Labels, other: Labels) -> set[Voxel]:
    """Voxels whose label or exceptions differ."""
    found = {(z, y, x) for z, y, x in np.argwhere(one[0] != other[0]).tolist()}
    return found | {v for v in one[1].keys() | other[1].keys() if one[1].get(v) != other[1].get(v)}
