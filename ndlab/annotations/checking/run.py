"""The check as a whole: look, mend what can be mended, look again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from ndlab.annotations.checking.both import both_findings
from ndlab.annotations.checking.findings import Finding, Report
from ndlab.annotations.checking.painted import paint_findings
from ndlab.annotations.checking.tables import table_findings
from ndlab.annotations.schema import objects
from ndlab.errors import NdlabError

if TYPE_CHECKING:
    from ndlab.annotations.ledger import Ledger
    from ndlab.annotations.owned import OwnedPaint

__all__ = ["check"]


def check(ledger: Ledger, author: str, repair: bool = False, volumes: bool = True) -> Report:
    """Compare rows, index tables, paint, its index and its levels with each other; with `repair` mend what can be.

    Files are mended first, each by itself; then the database in one transaction, which the history has as "repair".
    """
    before = _look(ledger, volumes)
    if not repair or not any(one.repairable for one in before.findings):
        return before
    _mend_files(before)
    _mend_rows(ledger, author, _look(ledger, volumes))
    after = _look(ledger, volumes)
    left = {(one.what, one.where) for one in after.findings}
    mended = [one for one in before.findings if one.repairable and (one.what, one.where) not in left]
    return replace(after, findings=(*(replace(one, repaired=True) for one in mended), *after.findings))


def _look(ledger: Ledger, volumes: bool) -> Report:
    return Report(ledger.database.shown, tuple(_findings(ledger, volumes)), _count(ledger))


def _findings(ledger: Ledger, volumes: bool) -> Iterator[Finding]:
    tables = list(table_findings(ledger.database))
    yield from tables
    if any(one.what == "sqlite" and not one.repairable for one in tables):
        return
    paints: dict[str, OwnedPaint] = {}
    whole = True
    for volume in ledger.volumes():
        try:
            paint = ledger.paint(volume)
        except (NdlabError, OSError) as error:
            whole = False
            yield Finding("volume", volume.name, "problem", f"it cannot be opened: {error}", "")
            continue
        found = list(paint_findings(volume.name, paint, volumes))
        whole = whole and not any(one.what in ("journal", "volume") and one.status == "problem" for one in found)
        paints[volume.name] = paint
        yield from found
    # Where a volume is not to be had, objects would seem to have no voxels.
    if whole:
        with ledger.database.reading(stream=True) as connection:
            yield from both_findings(connection, paints)


def _count(ledger: Ledger) -> int:
    try:
        with ledger.database.reading() as connection:
            return int(connection.execute(select(func.count()).select_from(objects)).scalar_one())
    except NdlabError:
        return 0


def _mend_files(report: Report) -> None:
    for one in report.findings:
        if one.mend_files is not None and one.repairable:
            one.mend_files()


def _mend_rows(ledger: Ledger, author: str, report: Report) -> None:
    wanted = [one for one in report.findings if one.mend_rows is not None and one.repairable]
    if not wanted:
        return
    with ledger.writing("repair", author, "check: " + ", ".join(dict.fromkeys(one.what for one in wanted))) as write:
        done = set()
        for one in wanted:
            mend = one.mend_rows
            # One function makes several findings good, at its first call.
            if mend is not None and getattr(mend, "__qualname__", "") not in done:
                done.add(getattr(mend, "__qualname__", ""))
                changed = mend(write)  # it may count, too
                write.count += changed
