"""A figure of a notebook: its lineage, its pictures for report and paper, and the tables of its panels."""

from __future__ import annotations

import hashlib
import io
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ndlab.pipeline import Lineage, describe

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["made", "pictures", "slug"]

_REPORT_DPI = 160


def slug(name: str) -> str:
    """Return a name as part of that of a file.

    Examples
    --------
    >>> slug("Peter's rule, A & B")
    'peters-rule-a-b'
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower().replace("'", "")).strip("-")


def made(what: str, inputs: Mapping[str, Any], params: Mapping[str, Any], seed: int | None) -> Lineage:
    """Return the lineage of what a notebook makes now: of the samples used so far, by the cells run so far."""
    from ndlab.samples.shipped import used

    described = {name: describe(value) for name, value in inputs.items()}
    started = datetime.now(UTC).isoformat(timespec="seconds")
    return Lineage(what, {**used(), **described}, describe(dict(params)), seed, _code(), started)


def _code() -> str | None:
    """Return a digest of the cells that ran so far; None outside a notebook."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    cells = None if shell is None else shell.user_ns.get("In")
    return None if not cells else hashlib.blake2b("\n\n".join(cells).encode(), digest_size=8).hexdigest()


def pictures(figure: Figure, stem: str, lineage: Lineage, folder: Path | None) -> tuple[bytes, list[str]]:
    """Return the picture for the report as PNG; into `folder` go pictures at paper size and the tables.

    Returns
    -------
    png : bytes
    files : list of str
        What was written, by its address from `folder`.
    """
    from ndlab.figures.saving import FORMATS, write_picture, write_png, write_tables

    out = io.BytesIO()
    write_png(figure, out, lineage, _REPORT_DPI)
    if folder is None:
        return out.getvalue(), []
    (folder / "figures").mkdir(exist_ok=True)
    (folder / "tables").mkdir(exist_ok=True)
    files = [folder / "figures" / f"{stem}.{kind}" for kind in FORMATS]
    for file in files:
        write_picture(figure, file, lineage)
    files += write_tables(figure, folder / "tables" / stem)
    return out.getvalue(), [file.relative_to(folder).as_posix() for file in files]
