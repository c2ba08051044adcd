"""Folders of numbered pictures, one for each section, channel, time point or tile, as one volume."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from ndlab.errors import BadRequest, NdlabError, NotFound, Problems
from ndlab.metadata import Channel
from ndlab.store.arrays import Level, Stored
from ndlab.store.files.array import FileArray, kind_of, name_of, names_of
from ndlab.store.files.kept import Kept, stamp
from ndlab.store.files.pictures import Corner, Header, read_header, read_picture, verify
from ndlab.store.files.slice_names import Listing, Place, list_slices, ranges, some

__all__ = ["SlicesArray", "check_slices", "open_slices"]

Missing = Literal["error", "blank", "skip"]
Expect = Literal["any", "grey", "rgb"]
_REMEDY = "correct the files, or pass pattern= or missing="
_COLOURS = (("red", "FF0000"), ("green", "00FF00"), ("blue", "0000FF"), ("alpha", None))


def open_slices(source: str, *, pattern: str | None = None, missing: Missing = "error") -> Stored:
    """Describe a folder of numbered pictures as a volume; the headers of a few are read, and no pixel.

    Sections are ordered by their numbers, not by the alphabet. RGB pictures give three channels.

    Parameters
    ----------
    source : str
        A folder, a glob in its last part (``"stack/*.png"``) or one picture.
    pattern : str, optional
        Where names hold more than one number: ``"img_t{t}_c{c}_z{z}.png"`` stacks channels and time points,
        ``"{z}/{row}/{col}.jpg"`` puts tiles together. Without it, the number that varies counts the sections, and
        CATMAID tile folders are recognised.
    missing : {"error", "blank", "skip"}
        What a gap in the numbers means: a mistake, sections of zeros, or nothing at all.

    Raises
    ------
    Problems
        If the names are wrong: gaps, numbers that come twice, no numbers, mixed formats. All are listed.
    NotFound
        If there is no picture.
    """
    _check_options(missing, "any")
    listing = list_slices(source, pattern)
    problems = [*listing.problems, *_gaps(listing, missing)]
    if problems:
        raise _problems(source, problems)
    first = min(listing.files, key=lambda p: (p.level, p.t, listing.channels.index(p.c), p.z, p.row, p.col))
    header = read_header(listing.path(first) or "")
    if header.pages > 1 or ("c" in listing.fields and header.samples > 1):
        raise _problems(source, _odd_kinds({listing.files[first]: header}, listing, "any"))
    arrays = [_array(source, pattern, missing, listing, header, level) for level in listing.levels]
    numbers = {name: listing.numbers(name)[0] for name in ("z", "row", "col") if name in listing.fields}
    return Stored(
        url=os.path.abspath(source),
        format=f"{header.format} {'tiles' if 'row' in listing.fields else 'slices'}",
        axes=names_of(arrays[0].axes),
        levels=tuple(Level(a, None) for a in arrays),
        kind=kind_of(arrays[0].dtype),
        name=name_of(source) if os.path.isfile(source) else os.path.basename(os.path.abspath(listing.folder)),
        channels=_channels(listing, header),
        attrs={"pattern": pattern, "first": numbers},
        notes=_notes(listing, header, missing),
    )


def _check_options(missing: str, expect: str) -> None:
    if missing not in ("error", "blank", "skip"):
        raise BadRequest(f"missing={missing!r}", 'it is "error", "blank" or "skip"', "pass one of those")
    if expect not in ("any", "grey", "rgb"):
        raise BadRequest(f"expect={expect!r}", 'it is "any", "grey" or "rgb"', 'pass expect="grey"')


def _problems(source: str, problems: Sequence[str]) -> Problems:
    return Problems(f"{source} is no volume", problems, _REMEDY, source=source)


def _channels(listing: Listing, header: Header) -> tuple[Channel, ...]:
    if "c" in listing.fields:
        return tuple(Channel(name) for name in listing.channels)
    if header.samples == 1:
        return ()
    named = _COLOURS[: header.samples] if header.samples > 2 else (("grey", None), ("alpha", None))
    return tuple(Channel(name, color=colour) for name, colour in named)


def _notes(listing: Listing, header: Header, missing: Missing) -> tuple[str, ...]:
    notes = ["slices state no voxel size: pass ndlab.open(folder, voxel_size=(z, y, x)) in nm"]
    if listing.ignored:
        notes.append(f"left out, for they do not fit the pattern: {some(listing.ignored)}")
    gaps = _gaps(listing, "error")
    if missing == "blank" and gaps:
        notes.append("zeros stand where " + "; ".join(gaps))
    if "palette" in header.sort:
        notes.append("the pictures are palette images: voxels are the palette indexes")
    return tuple(notes)


@dataclass(frozen=True)
class SlicesArray(FileArray):
    """Pictures as one array; `path` is the folder or glob, and the folder is listed again where this is unpickled.

    Parameters
    ----------
    pattern, missing
        As `open_slices` takes them.
    level : int
        Pyramid level that the names say.
    first : tuple of int
        First number of (z, row, col).
    times, channels : tuple
        The time points and channel names, in order.
    header : Header
        What a picture that is not at the border looks like.
    """

    pattern: str | None
    missing: Missing
    level: int
    first: tuple[int, int, int]
    times: tuple[int, ...]
    channels: tuple[str, ...]
    header: Header

    def _fill(self, start: tuple[int, ...], stop: tuple[int, ...], target: np.ndarray[Any, Any]) -> None:
        listing = _listings.get(self._key, self._list)
        jobs = [(self._path(listing, place), box, part) for place, box, part in self._pieces(start, stop, target)]
        if len(jobs) == 1:
            self._fill_one(jobs[0])
        else:
            # Decoders let other threads run; pictures of one box are decoded side by side.
            for _ in _pool().map(self._fill_one, jobs):
                pass

    @property
    def _key(self) -> tuple[Any, ...]:
        folder = self.path if os.path.isdir(self.path) else os.path.dirname(self.path) or "."
        return stamp(folder), self.path, self.pattern

    def _list(self) -> Listing:
        return list_slices(self.path, self.pattern)

    def _pieces(
        self, start: tuple[int, ...], stop: tuple[int, ...], target: np.ndarray[Any, Any]
    ) -> Iterator[tuple[tuple[int, ...], tuple[Corner, Corner], np.ndarray[Any, Any]]]:
        """For each picture that a box touches: its index, what part of it, and where that goes."""
        lead = self.axes.index("y")
        (y0, x0), (y1, x1) = start[lead : lead + 2], stop[lead : lead + 2]
        height, width = self.header.height, self.header.width
        s0, s1 = (start[-1], stop[-1]) if self.header.samples > 1 else (0, 1)
        for index in np.ndindex(*(b - a for a, b in zip(start[:lead], stop[:lead], strict=True))):
            plane = target[index]
            outer = tuple(a + i for a, i in zip(start[:lead], index, strict=True))
            for row in range(y0 // height, -(-y1 // height)):
                for col in range(x0 // width, -(-x1 // width)):
                    a, b = max(y0, row * height), min(y1, (row + 1) * height)
                    c, d = max(x0, col * width), min(x1, (col + 1) * width)
                    box = (a - row * height, c - col * width, s0), (b - row * height, d - col * width, s1)
                    yield (*outer, row, col), box, plane[a - y0 : b - y0, c - x0 : d - x0]

    def _path(self, listing: Listing, index: tuple[int, ...]) -> str | None:
        at = dict(zip(self.axes[: self.axes.index("y")], index, strict=False))
        z0, row0, col0 = self.first
        z = listing.numbers("z", self.level)[at["z"]] if self.missing == "skip" else z0 + at["z"]
        place = Place(
            t=self.times[at.get("t", 0)],
            c=self.channels[at["c"]] if "c" in at else self.channels[0],
            z=z,
            row=row0 + index[-2],
            col=col0 + index[-1],
            level=self.level,
        )
        path = listing.path(place)
        if path is None and self.missing == "error":
            raise NotFound(f"slice {place.z} of {self.path} is gone", "it was there when the folder was opened",
                           'put it back, or open the folder with missing="blank"', path=self.path)  # fmt: skip
        return path

    def _fill_one(self, job: tuple[str | None, tuple[Corner, Corner], np.ndarray[Any, Any]]) -> None:
        path, (start, stop), target = job
        if path is None:
            target[...] = 0
            return
        read_picture(path, start, stop, self._expected(path), target)

    def _expected(self, path: str) -> Header:
        """Say what the picture should look like; tiles of the last row and column may be cut."""
        height, width = self.stored_shape[self.axes.index("y") :][:2]
        if (height, width) == (self.header.height, self.header.width):
            return self.header
        found = read_header(path)
        fits = found.height <= self.header.height and found.width <= self.header.width
        return replace(self.header, height=found.height, width=found.width) if fits else self.header


_listings: Kept[Listing] = Kept(64)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(min(8, os.cpu_count() or 1), thread_name_prefix="slices")


def _array(
    source: str, pattern: str | None, missing: Missing, listing: Listing, header: Header, level: int
) -> SlicesArray:
    rows, cols = listing.numbers("row", level), listing.numbers("col", level)
    zs = listing.numbers("z", level)
    times = listing.numbers("t", level)
    depth = len(zs) if missing == "skip" else zs[-1] - zs[0] + 1
    height, width = _extent(listing, header, level, rows, cols)
    lengths = {"t": len(times), "c": len(listing.channels), "z": depth}
    axes = "".join(a for a in "tcz" if a in listing.fields or a == "z")
    inside = "yx" if header.samples == 1 else "yxc"
    samples = () if header.samples == 1 else (header.samples,)
    return SlicesArray(
        path=os.path.abspath(source),
        axes=axes + inside,
        stored_shape=(*(lengths[a] for a in axes), height, width, *samples),
        stored_chunks=(*(1 for _ in axes), min(header.height, height), min(header.width, width), *samples),
        type=header.type,
        codec=header.format.lower(),
        pattern=pattern,
        missing=missing,
        level=level,
        first=(zs[0], rows[0], cols[0]),
        times=tuple(times),
        channels=tuple(listing.channels),
        header=header,
    )


def _extent(listing: Listing, header: Header, level: int, rows: list[int], cols: list[int]) -> tuple[int, int]:
    """Height and width of a whole section: full tiles, and a last row and column that may be cut."""
    if len(rows) == len(cols) == 1:
        return header.height, header.width
    here = [p for p in listing.files if p.level == level]
    bottom = read_header(listing.path(next(p for p in here if p.row == rows[-1])) or "").height
    right = read_header(listing.path(next(p for p in here if p.col == cols[-1])) or "").width
    return (rows[-1] - rows[0]) * header.height + bottom, (cols[-1] - cols[0]) * header.width + right


def check_slices(
    folder: str,
    pattern: str | None = None,
    *,
    missing: Missing = "error",
    expect: Expect = "any",
    decode: bool = False,
) -> list[str]:
    """Everything that is wrong with a folder of slices, in words; empty if nothing is.

    Reported are: numbers that are missing or come twice, files without a number, mixed formats, files that are
    empty, truncated or unreadable, and slices of another size or kind of pixel than most. Headers are read, not
    pixels, unless `decode` is set.

    Parameters
    ----------
    folder : str
        As `open_slices` takes it.
    pattern : str, optional
        As `open_slices` takes it.
    missing : {"error", "blank", "skip"}
        Whether gaps in the numbers are a problem (``"error"``).
    expect : {"any", "grey", "rgb"}
        The kind of picture that is wanted; any other is a problem.
    decode : bool
        Also decode every picture, which finds damage inside but costs a full pass.

    Returns
    -------
    list of str
    """
    _check_options(missing, expect)
    try:
        listing = list_slices(folder, pattern)
    except NotFound as error:
        return [str(error)]
    problems = [*listing.problems, *_gaps(listing, missing)]
    headers, unreadable = _headers(listing, decode)
    return problems + unreadable + _odd_sizes(headers, listing) + _odd_kinds(headers, listing, expect)


def _headers(listing: Listing, decode: bool) -> tuple[dict[str, Header], list[str]]:
    def look(name: str) -> Header | str:
        path = os.path.join(listing.folder, name)
        try:
            header = read_header(path)
            if decode:
                verify(path)
        except NdlabError as error:
            return f"{name} {error.asked.removeprefix(path).strip()} ({error.exists})"
        return header

    names = sorted(listing.files.values())
    with ThreadPoolExecutor(8) as pool:
        found = dict(zip(names, pool.map(look, names), strict=True))
    bad = [v for v in found.values() if isinstance(v, str)]
    return {k: v for k, v in found.items() if isinstance(v, Header)}, bad


def _gaps(listing: Listing, missing: Missing) -> list[str]:
    if missing != "error":
        return []
    problems = []
    for level in listing.levels:
        there = defaultdict(set)
        for p in listing.files:
            if p.level == level:
                there[(p.t, p.c)].add(p.z)
        numbers = sorted(set().union(*there.values()))
        wanted = range(numbers[0], numbers[-1] + 1)
        for t in listing.numbers("t", level):
            for c in listing.channels:
                gone = [z for z in wanted if z not in there[(t, c)]]
                if gone:
                    problems.append(_gap(listing, t, c, level, gone, numbers))
        problems += _tile_gaps(listing, level)
    return problems


def _gap(listing: Listing, t: int, c: str, level: int, gone: list[int], numbers: list[int]) -> str:
    values = {"t": t, "c": c, "level": level}
    of = ", ".join(f"{k}={v}" for k, v in values.items() if k in listing.fields)
    text = f"{len(gone)} slice{'s' * (len(gone) > 1)} missing{' of ' + of if of else ''}: {ranges(gone)}"
    steps = {b - a for a, b in pairwise(numbers)}
    if len(steps) == 1 and steps != {1} and len(numbers) > 2:
        return f'{text} (every {steps.pop()}th number is there; if that is all of them pass missing="skip")'
    return f"{text} (numbers run from {numbers[0]} to {numbers[-1]})"


def _tile_gaps(listing: Listing, level: int) -> list[str]:
    rows, cols = listing.numbers("row", level), listing.numbers("col", level)
    if len(rows) == len(cols) == 1:
        return []
    wanted = (rows[-1] - rows[0] + 1) * (cols[-1] - cols[0] + 1)
    count = Counter((p.t, p.c, p.z) for p in listing.files if p.level == level)
    short = [key for key, n in sorted(count.items()) if n < wanted]
    if not short:
        return []
    listed = ranges(sorted({z for _, _, z in short}))
    return [f"tiles missing in {len(short)} sections ({wanted} are wanted in each): {listed}"]


def _odd_sizes(headers: dict[str, Header], listing: Listing) -> list[str]:
    if not headers:
        return []
    (height, width), _ = Counter((h.height, h.width) for h in headers.values()).most_common(1)[0]
    rows = {level: listing.numbers("row", level)[-1] for level in listing.levels}
    cols = {level: listing.numbers("col", level)[-1] for level in listing.levels}
    odd = defaultdict(list)
    for place, name in sorted(listing.files.items(), key=lambda item: item[1]):
        h = headers.get(name)
        if h is None or (h.height, h.width) == (height, width):
            continue
        short = h.height == height or ("row" in listing.fields and place.row == rows[place.level] and h.height < height)
        thin = h.width == width or ("col" in listing.fields and place.col == cols[place.level] and h.width < width)
        if not (short and thin):
            odd[(h.width, h.height)].append(name)
    return [f"{some(v)}: size {w} x {h}, most are {width} x {height}" for (w, h), v in sorted(odd.items())]


def _odd_kinds(headers: dict[str, Header], listing: Listing, expect: Expect) -> list[str]:
    problems = []
    many = [name for name, h in headers.items() if h.pages > 1]
    if many:
        problems.append(f"{some(many)}: several pages in one file; open such a file by itself")
    if not headers:
        return problems
    usual = Counter(h.sort for h in headers.values()).most_common(1)[0][0]
    odd = defaultdict(list)
    for name, h in headers.items():
        if h.sort != usual:
            odd[h.sort].append(name)
    problems += [f"{some(v)}: {k} pixels, most have {usual}" for k, v in sorted(odd.items())]
    samples = next(h.samples for h in headers.values() if h.sort == usual)
    if samples > 1 and (expect == "grey" or "c" in listing.fields):
        why = "the names give the channels" if "c" in listing.fields else "grey was expected"
        problems.append(f"the pictures have {usual} pixels, but {why}: convert them to grey")
    if samples == 1 and expect == "rgb":
        problems.append(f"the pictures have {usual} pixels, but RGB was expected")
    return problems
