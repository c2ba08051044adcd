"""A disk that fills up, or cannot be written: ``python -m tests.annotations.full_disk FOLDER HOW``.

HOW is ``fill`` for a small file system that is mounted on FOLDER. For each action it leaves no space, then a page, then
two, until the action succeeds; so space ends at every step that needs some. Prints what was refused how often.
``limit`` does so with the size of files where nothing can be mounted. ``prepare`` leaves what ``read`` finds when
FOLDER is mounted read-only.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ndlab.annotations import Annotations, Generic, cutting
from ndlab.annotations.paint import Paint
from ndlab.errors import ReadOnly, TooLarge
from tests.annotations.model import new_labels, sphere

PAGE, MOST = 4096, 400
State = tuple[Any, ...]


@contextmanager
def full(folder: Path, how: str, pages: int) -> Iterator[None]:
    """Leave so many pages of space."""
    if how == "limit":
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (pages * PAGE, hard))
        yield
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        return
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for _ in range(max(0, os.statvfs(folder).f_bavail - pages)):
            file.write(bytes(PAGE))
    if pages == 0:
        assert os.statvfs(folder).f_bavail == 0
    yield
    ballast.unlink()


def is_refused(action: Callable[[Any], Any], what: Any) -> bool:
    """Do it, or be told that there is no space, and what to do."""
    try:
        action(what)
    except TooLarge as error:
        told = str(error)
    else:
        return False
    assert "no space left" in told
    assert "free some space" in told
    return True


# --- paint ------------------------------------------------------------------------------------------------------


def paint_state(paint: Paint) -> State:
    return paint.read().tobytes(), tuple(paint.exceptions()), len(paint.history())


def prepared_paint(folder: Path) -> None:
    """Some that is merged, some that is pending, exceptions among it."""
    new_labels(folder / "labels")
    with Paint(folder / "labels", folder / "paint", background=False) as paint:
        for n in range(1, 9):
            paint.write(n, sphere((n, 4 * n, 4 * n), 4))
        paint.write(3, sphere((4, 16, 16), 3), mode="except")
        paint.flush()
        for n in range(9, 14):
            paint.write(n, sphere((n, 2 * n, 2 * n), 4), mode="except")


PAINTING: dict[str, Callable[[Paint], Any]] = {
    "write": lambda paint: paint.write(70, sphere((10, 20, 20), 9)),
    "flush": lambda paint: paint.flush(),
    "undo": lambda paint: paint.undo(2),
    "delete": lambda paint: paint.delete([3, 9]),
    "merge": lambda paint: paint.merge([3, 9]),
    "flush in bulk": lambda paint: flush_in_bulk(paint),
}


def flush_in_bulk(paint: Paint) -> None:
    plain, cutting.MANY = cutting.MANY, 0
    try:
        paint.flush()
    finally:
        cutting.MANY = plain


def try_paint(folder: Path, how: str, action: Callable[[Paint], Any], pages: int, expected: State) -> bool:
    """Do it with so much space; return whether it was refused, and then do it with more."""
    with Paint(folder / "labels", folder / "paint", background=False) as paint:
        begun = paint_state(paint)
        with full(folder.parent, how, pages):
            refused = is_refused(action, paint)
            if refused:
                assert paint_state(paint) == begun
        if refused:
            assert paint_state(paint) == begun
            action(paint)
        assert paint_state(paint) == expected
    with Paint(folder / "labels", folder / "paint", background=False) as again:
        assert paint_state(again) == expected
        again.flush()
        assert paint_state(again) == expected
        assert again.check() == []
        assert again.volume.read().tobytes() == expected[0]
    return refused


# --- objects ----------------------------------------------------------------------------------------------------


def objects_state(ann: Annotations) -> State:
    return tuple((one.id, one.confidence, dict(one.keys)) for one in ann), len(ann.history())


def prepared_objects(folder: Path) -> None:
    with Annotations.create(folder / "set", voxel_size=(40, 4, 4)) as ann:
        ann.add([Generic(id=i, keys={"i": i, "text": "x" * 100}) for i in range(1, 101)])
        ann.update(range(1, 51), confidence=0.5)


CHANGING: dict[str, Callable[[Annotations], Any]] = {
    "add": lambda ann: ann.add([Generic(id=i, keys={"i": i, "text": "y" * 100}) for i in range(200, 400)]),
    "update": lambda ann: ann.update(range(1, 101), confidence=0.25),
    "delete objects": lambda ann: ann.delete(range(20, 80)),
    "undo objects": lambda ann: ann.undo(),
}


def try_objects(folder: Path, how: str, action: Callable[[Annotations], Any], pages: int, expected: State) -> bool:
    with Annotations.open(folder / "set") as ann:
        begun = objects_state(ann)
        with full(folder.parent, how, pages):
            refused = is_refused(action, ann)
        if refused:
            assert objects_state(ann) == begun
            action(ann)
        assert objects_state(ann) == expected
    with Annotations.open(folder / "set") as again:
        assert objects_state(again) == expected
    return refused


def sweep(
    folder: Path, how: str, prepare: Any, actions: dict[str, Any], attempt: Any, opened: Any, state: Any
) -> Iterator[tuple[str, int]]:
    """Yield how often each action was refused, with more and more space."""
    prepare(folder / "begun")
    for name, action in actions.items():
        shutil.copytree(folder / "begun", folder / "run")
        with opened(folder / "run") as one:
            action(one)
            expected = state(one)
        for pages in range(MOST):
            shutil.rmtree(folder / "run")
            shutil.copytree(folder / "begun", folder / "run")
            if not attempt(folder / "run", how, action, pages, expected):
                break
        else:
            raise AssertionError(f"{name} never succeeded")
        shutil.rmtree(folder / "run")
        yield name, pages


# --- a disk that cannot be written ------------------------------------------------------------------------------


def prepare(folder: Path) -> None:
    """Leave what a writer leaves that is killed: nothing is closed."""
    prepared_paint(folder)
    prepared_objects(folder)
    paint, ann = Paint(folder / "labels", folder / "paint", background=False), Annotations.open(folder / "set")
    paint.write(99, [(0, 0, 0)])
    ann.add([Generic(id=999, keys={"i": 999})])
    os.kill(os.getpid(), signal.SIGKILL)


def read(folder: Path) -> None:
    """Find all of it, and be refused in words whatever would change it."""
    with Paint(folder / "labels", folder / "paint") as paint, Annotations.open(folder / "set") as ann:
        assert paint.voxels(99).tolist() == [[0, 0, 0]]
        assert paint.size(13) == (paint.read() == 13).sum() + sum(13 in ids for _, ids in paint.exceptions())
        assert len(paint.history()) == 9 + 5 + 1
        assert ann.get(999).keys == {"i": 999}
        assert len(ann) == 101
        assert ann.where(confidence=0.5).count() == 50
        refused: list[list[Callable[[Any], Any]]] = [[*PAINTING.values(), Paint.reindex], [*CHANGING.values()]]
        for one, actions in zip((paint, ann), refused, strict=True):
            for action in actions:
                with pytest.raises(ReadOnly, match="cannot be written"):
                    action(one)
    print("read")


def fill(folder: Path, how: str) -> None:
    """Sweep through all actions; where only files are limited, SQLite cannot tell a full disk from a broken one."""
    paints = sweep(folder, how, prepared_paint, PAINTING, try_paint,
                   lambda path: Paint(path / "labels", path / "paint", background=False), paint_state)  # fmt: skip
    objects = sweep(folder / "objects", how, prepared_objects, CHANGING, try_objects,
                    lambda path: Annotations.open(path / "set"), objects_state)  # fmt: skip
    for name, times in [*paints, *(objects if how == "fill" else ())]:
        print(name, times, sep=": ", flush=True)


def main(name: str, how: str) -> None:
    folder = Path(name)
    if how == "prepare":
        prepare(folder)
    elif how == "read":
        read(folder)
    else:
        fill(folder, how)


if __name__ == "__main__":
    main(*sys.argv[1:])
