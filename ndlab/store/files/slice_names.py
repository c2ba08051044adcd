"""Which file is which slice: numbers out of file names, and what is wrong with them."""

from __future__ import annotations

import fnmatch
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from ndlab.errors import BadRequest, NotFound
from ndlab.store.files.pictures import format_of

__all__ = ["FIELDS", "Listing", "Place", "holds_slices", "list_slices", "ranges", "some"]

FIELDS = ("t", "c", "z", "row", "col", "level")
_FIELD = re.compile(r"\{(\w+)(?::[^}]*)?\}|([*?])")
_OWN = re.compile(r"^(?=.*z\d)(?:t(?P<t>\d+)_)?(?:c(?P<c>[^_]+)_)?z(?P<z>\d+)\.\w+$")
# Where a folder holds no picture itself: CATMAID's tile folders.
_TILED = ("{z}/{row}/{col}", "{z}/{row}_{col}_{level}")
# Files that are volumes by themselves, for whoever names the folder around them.
_VOLUMES = (".zip", ".ozx", ".h5", ".hdf5", ".hdf", ".nii", ".nii.gz", ".nrrd", ".nhdr", ".npy")


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a volume one picture belongs."""

    t: int = 0
    c: str = ""
    z: int = 0
    row: int = 0
    col: int = 0
    level: int = 0


@dataclass(frozen=True)
class Listing:
    """The pictures of a folder, by place.

    Parameters
    ----------
    folder : str
        Where the names count from.
    files : dict
        File name for each place.
    fields : frozenset of str
        Which of t, c, z, row, col, level the names hold.
    problems : tuple of str
        What is wrong with the names.
    ignored : tuple of str
        Pictures that the pattern leaves out.
    """

    folder: str
    files: dict[Place, str] = field(default_factory=dict)
    fields: frozenset[str] = frozenset()
    problems: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    def path(self, place: Place) -> str | None:
        """Path of the picture at `place`, None if there is none."""
        name = self.files.get(place)
        return None if name is None else os.path.join(self.folder, name)

    def numbers(self, name: str, level: int = 0) -> list[int]:
        """List the different t, z, row or col numbers of one level, sorted."""
        return sorted({getattr(p, name) for p in self.files if p.level == level})

    @property
    def channels(self) -> list[str]:
        """The different channel names, numbers in order of size and words of the alphabet."""
        names = {p.c for p in self.files}
        return sorted(names, key=lambda c: (0, int(c), c) if c.isdecimal() else (1, 0, c))

    @property
    def levels(self) -> list[int]:
        """The different pyramid levels, finest first."""
        return sorted({p.level for p in self.files})


def list_slices(source: str, pattern: str | None = None) -> Listing:
    """List the pictures of a folder, or those that a glob names, each at its place.

    Parameters
    ----------
    source : str
        A folder, a glob in its last part (``"stack/*.png"``) or one picture.
    pattern : str, optional
        Names relative to the folder with fields in braces: ``"img_t{t}_c{c}_z{z}.png"``, ``"{z}/{row}/{col}.jpg"``;
        ``*`` and ``?`` stand for anything. All fields are numbers but ``{c}``.

    Raises
    ------
    NotFound
        If no picture is there.
    BadRequest
        If the pattern is no pattern.
    """
    folder, glob = _split(source)
    wild = any(mark in glob for mark in "*?")
    if not os.path.isdir(folder) or not (wild or os.path.exists(source)):
        raise NotFound(f"nothing at {source}", "no such file or folder", "check the path", path=source)
    if pattern is not None:
        return _by_pattern(folder, pattern)
    names = [n for n in os.listdir(folder) if format_of(n) and not n.startswith(".") and fnmatch.fnmatchcase(n, glob)]
    if names:
        return _by_numbers(folder, sorted(names))
    if glob == "*" and (tiled := _tile_pattern(folder)):
        return _by_pattern(folder, tiled)
    volumes = [name for name in sorted(os.listdir(folder)) if name.lower().endswith(_VOLUMES)]
    raise NotFound(
        f"no numbered slices in {source}",
        "it holds no PNG, TIFF, JPEG or BMP file" + (f", but {', '.join(volumes[:8])}" if volumes else ""),
        f"open one of them: {os.path.join(folder, volumes[0])}"
        if volumes
        else 'for pictures in folders below it pass pattern="{z}/{row}/{col}.jpg" or the like',
        path=source,
    )


def holds_slices(source: str) -> bool:
    """Whether a folder or glob has at least one picture that could be a slice; names alone are looked at."""
    try:
        folder, glob = _split(source)
        names = os.listdir(folder)
    except (BadRequest, OSError):
        return False
    direct = any(format_of(n) and not n.startswith(".") and fnmatch.fnmatchcase(n, glob) for n in names)
    return direct or (glob == "*" and _tile_pattern(folder) is not None)


def _split(source: str) -> tuple[str, str]:
    if os.path.isdir(source):
        return source, "*"
    folder, name = os.path.split(source)
    if any(mark in folder for mark in "*?["):
        raise BadRequest(f"glob {source!r}", "only its last part may hold * or ?", "pass pattern= instead")
    return folder or ".", name if any(mark in name for mark in "*?") else _literal(name)


def _literal(name: str) -> str:
    return name.replace("[", "[[]")


def _tile_pattern(folder: str) -> str | None:
    """Recognise the CATMAID layout that the first numbered folder below follows, if any."""
    below = sorted(e.name for e in os.scandir(folder) if e.is_dir() and e.name.isdecimal())
    for layout in _TILED if below else ():
        where = os.path.join(folder, below[0])
        for name in _walk(where, layout.count("/") - 1):
            extension = os.path.splitext(name)[1]
            if format_of(name) and _regex(layout + extension).fullmatch(f"{below[0]}/{name}"):
                return layout + extension
    return None


def _walk(folder: str, depth: int) -> Iterator[str]:
    """Names of the files exactly `depth` folders below, relative and with slashes."""
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda e: e.name)
    for entry in found:
        if depth == 0 and not entry.is_dir():
            yield entry.name
        elif depth > 0 and entry.is_dir():
            for name in _walk(entry.path, depth - 1):
                yield f"{entry.name}/{name}"


@lru_cache(maxsize=64)
def _regex(pattern: str) -> re.Pattern[str]:
    parts, last, seen = [], 0, set[str]()
    for found in _FIELD.finditer(pattern):
        parts.append(re.escape(pattern[last : found.start()]))
        last = found.end()
        name, wild = found.groups()
        if wild:
            parts.append("[^/]*" if wild == "*" else "[^/]")
        elif name not in FIELDS:
            raise BadRequest(f"pattern {pattern!r} has a field {{{name}}}",
                             "known are " + ", ".join(f"{{{f}}}" for f in FIELDS),
                             'pass e.g. pattern="img_t{t}_c{c}_z{z}.png"')  # fmt: skip
        else:
            one = f"(?P<{name}>[^/]+?)" if name == "c" else rf"(?P<{name}>\d+)"
            parts.append(f"(?P={name})" if name in seen else one)
            seen.add(name)
    if not seen:
        raise BadRequest(f"pattern {pattern!r} has no field", "at least one of " + ", ".join(FIELDS) + " is needed",
                         'pass e.g. pattern="slice_{z}.png"')  # fmt: skip
    return re.compile("".join(parts) + re.escape(pattern[last:]))


def _place(fields: dict[str, str | None]) -> Place:
    given = {k: v for k, v in fields.items() if v is not None}
    return Place(**{k: v if k == "c" else int(v) for k, v in given.items()})  # type: ignore[arg-type]


def _by_pattern(folder: str, pattern: str) -> Listing:
    regex = _regex(pattern)
    names = [n for n in _walk(folder, pattern.count("/")) if format_of(n)]
    matches = {n: regex.fullmatch(n) for n in names}
    placed = [(n, _place(m.groupdict())) for n, m in matches.items() if m]
    if not placed:
        first = f"the first picture there is {names[0]!r}" if names else "no picture lies at that depth"
        raise NotFound(f"no file in {folder} fits pattern {pattern!r}", first, "correct the pattern", path=folder)
    ignored = tuple(n for n, m in matches.items() if not m)
    return _listing(folder, placed, frozenset(regex.groupindex), [], ignored)


def _by_numbers(folder: str, names: Sequence[str]) -> Listing:
    own = {n: _OWN.match(n) for n in names}
    if all(own.values()):
        placed = [(n, _place(m.groupdict())) for n, m in own.items() if m]
        fields = frozenset(k for m in own.values() if m for k, v in m.groupdict().items() if v is not None)
        return _listing(folder, placed, fields, [])
    groups = {n: [int(d) for d in re.findall(r"\d+", os.path.splitext(n)[0])] for n in names}
    numbered = [n for n in names if groups[n]]
    if len(names) == 1 and not numbered:
        return _listing(folder, [(names[0], Place())], frozenset("z"), [])
    problems = []
    if not numbered:
        problems.append(f"no file is numbered: {some(names)}")
    elif len(numbered) < len(names):
        problems.append(f"no number in the name of {some([n for n in names if not groups[n]])}")
    skeletons = defaultdict(list)
    for n in numbered:
        skeletons[re.sub(r"\d+", "#", os.path.splitext(n)[0])].append(n)
    if len(skeletons) > 1:
        listed = "; ".join(f"{len(v)} like {v[0]}" for v in sorted(skeletons.values(), key=len, reverse=True)[:5])
        problems.append(f"names of {len(skeletons)} kinds: {listed}; pass pattern= to say which numbers are what")
    if numbered:
        numbered = max(skeletons.values(), key=len)
    which, more = _which([groups[n] for n in numbered], numbered)
    placed = [(n, Place(z=groups[n][which])) for n in numbered]
    return _listing(folder, placed, frozenset("z"), [*problems, *more])


def _which(groups: Sequence[Sequence[int]], names: Sequence[str]) -> tuple[int, list[str]]:
    """Which of the numbers in each name counts the slices: the one that varies."""
    if not groups:
        return 0, []
    columns = list(zip(*groups, strict=True))
    varying = [i for i, column in enumerate(columns) if len(set(column)) > 1]
    if len(varying) < 2:
        return varying[0] if varying else len(columns) - 1, []
    # Several numbers that rise together (slice number and stage position) agree on the order of the slices.
    orders = {tuple(sorted(range(len(names)), key=lambda k, i=i: columns[i][k])) for i in varying}  # type: ignore[misc]
    if len(orders) == 1 and all(len(set(columns[i])) == len(names) for i in varying):
        steady = [i for i in varying if max(columns[i]) - min(columns[i]) == len(names) - 1]
        return (steady or varying)[0], []
    return varying[-1], [
        f"several numbers vary from name to name ({some(names, 3)}): pass pattern= with {{z}}, {{t}}, {{c}} or *"
    ]


def _listing(
    folder: str,
    placed: Iterable[tuple[str, Place]],
    fields: frozenset[str],
    problems: list[str],
    ignored: tuple[str, ...] = (),
) -> Listing:
    by_place: dict[Place, list[str]] = defaultdict(list)
    for name, place in placed:
        by_place[place].append(name)
    twice = {p: sorted(v) for p, v in by_place.items() if len(v) > 1}
    for place, names in sorted(twice.items(), key=lambda item: item[0].z):
        problems.append(f"{_said(place, fields)} is there {len(names)} times: {some(names)}")
    formats = defaultdict(list)
    for names in by_place.values():
        for name in names:
            formats[format_of(name)].append(name)
    if len(formats) > 1:
        listed = "; ".join(f"{len(v)} {k} ({some(v, 1)})" for k, v in sorted(formats.items(), key=lambda i: -len(i[1])))
        problems.append(f"formats are mixed: {listed}")
    files = {place: sorted(names)[0] for place, names in by_place.items()}
    return Listing(folder, files, fields, tuple(problems), ignored)


def _said(place: Place, fields: frozenset[str]) -> str:
    if fields == {"z"}:
        return f"slice {place.z}"
    return "slice " + ", ".join(f"{f}={getattr(place, f)}" for f in FIELDS if f in fields)


def some(names: Sequence[str], most: int = 5) -> str:
    """Give the first few of a list of names, and how many more there are.

    Examples
    --------
    >>> some(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def ranges(numbers: Sequence[int], most: int = 10) -> str:
    """Sorted whole numbers with runs shortened.

    Examples
    --------
    >>> ranges([3, 7, 8, 9, 12])
    '3, 7-9, 12'
    """
    runs: list[list[int]] = []
    for n in numbers:
        if runs and n == runs[-1][1] + 1:
            runs[-1][1] = n
        else:
            runs.append([n, n])
    return some([str(a) if a == b else f"{a}-{b}" for a, b in runs], most)
