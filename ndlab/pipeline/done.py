"""Which blocks of a step are done: a byte a block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set

from ndlab.pipeline.tasks import Pages, Tasks

__all__ = ["Done"]


class Done(Set[str]):
    """Keys of blocks that are done: a byte a block where they follow a rule, a string else."""

    def __init__(self) -> None:
        self.numbers = Pages()
        self.tasks: Tasks | None = None
        self._keys: set[str] = set()
        self._count = 0

    def __len__(self) -> int:
        return self._count + len(self._keys)

    def __contains__(self, key: object) -> bool:
        if key in self._keys:
            return True
        if self.tasks is None or not self._count or not isinstance(key, str):
            return False
        number = self.tasks.number(key)
        return number is not None and self.numbers[number] == 1

    def __iter__(self) -> Iterator[str]:
        yield from self._keys
        if self.tasks is not None:
            yield from (self.tasks.key(number) for number in self.numbers.nonzero())

    def add_key(self, key: str) -> None:
        """Add a block by name."""
        number = None if self.tasks is None else self.tasks.number(key)
        if number is None:
            self._keys.add(key)
        else:
            self.add_number(number)

    def add_number(self, number: int) -> None:
        """Add a block by number."""
        if not self.numbers[number]:
            self.numbers[number] = 1
            self._count += 1

    def add_numbers(self, numbers: Iterable[int], tasks: Tasks | None = None) -> None:
        """Add blocks by their numbers in `tasks`; without it, by the set's own rule."""
        for number in numbers:
            if tasks is None:
                self.add_number(number)
            else:
                self.add_key(tasks.key(number))

    def discard(self, key: str) -> None:
        """Take a block out."""
        number = None if self.tasks is None else self.tasks.number(key)
        self._keys.discard(key)
        if number is not None and self.numbers[number]:
            self.numbers[number] = 0
            self._count -= 1

    def rebase(self, tasks: Tasks) -> None:
        """Count by another rule from now on; what is known stays known."""
        if self.tasks is not None and self.tasks.basis() == tasks.basis():
            return
        known = list(self)
        self.numbers, self.tasks, self._keys, self._count = Pages(), tasks, set(), 0
        for key in known:
            self.add_key(key)

    def among(self, tasks: Tasks) -> Pages:
        """Return 1 for each number of `tasks` that is done."""
        if self.tasks is not None and not self._keys and self.tasks.basis() == tasks.basis():
            return self.numbers.copy()
        found = Pages()
        if len(self):
            for key in self if tasks.regular else ():
                number = tasks.number(key)
                if number is not None:
                    found[number] = 1
            for number, task in enumerate(tasks) if not tasks.regular else ():
                if task.key in self:
                    found[number] = 1
        return found
