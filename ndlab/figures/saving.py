"""Figures on disk: PNG, PDF and SVG with their lineage inside, and the tables of their panels beside them."""

from __future__ import annotations

import html
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ndlab.errors import BadMetadata, BadRequest
from ndlab.figures.panels import tables
from ndlab.pipeline import Lineage

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["lineage_of", "save", "write_picture", "write_png", "write_tables"]

FORMATS = ("png", "pdf", "svg")
_DPI = 300
_CREATOR = "ndlab"


def save(figure: Figure, path: str | os.PathLike[str], lineage: Lineage | None = None) -> list[Path]:
    """Write a figure as PNG, PDF and SVG, and the table of each panel as CSV and Parquet; return the files.

    Parameters
    ----------
    figure : matplotlib Figure
    path : path
        Without ending: ``paper/peters-rule`` gives ``peters-rule.png``, ``peters-rule-A.csv`` and so on.
    lineage : Lineage, optional
        Kept inside the pictures; `lineage_of` reads it back.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> from matplotlib.figure import Figure
    >>> from ndlab.figures.curves import curves
    >>> ax = curves(pd.DataFrame({"r": [1.0, 2.0], "g": [0.5, 0.9]}), Figure().subplots(), x="r", y="g")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     files = save(ax.figure, folder + "/g", Lineage("an example", params={"bandwidth": 0.15}))
    ...     lineage_of(folder + "/g.pdf").params, [one.name for one in files]
    ({'bandwidth': 0.15}, ['g.png', 'g.pdf', 'g.svg', 'g-A.csv', 'g-A.parquet'])
    """
    stem = Path(path)
    stem.parent.mkdir(parents=True, exist_ok=True)
    pictures = [stem.with_name(f"{stem.name}.{kind}") for kind in FORMATS]
    for one in pictures:
        write_picture(figure, one, lineage)
    return pictures + write_tables(figure, stem)


def write_picture(figure: Figure, path: Path, lineage: Lineage | None = None, dpi: int = _DPI) -> None:
    """Write one picture, of the kind that its ending says, with its lineage inside."""
    import matplotlib as mpl

    kind = path.suffix.removeprefix(".")
    # Else two runs that draw the same write different files.
    with mpl.rc_context({"svg.hashsalt": _CREATOR, "pdf.fonttype": 42}):
        figure.savefig(path, format=kind, dpi=dpi, bbox_inches="tight", metadata=_metadata(kind, lineage))


def write_png(figure: Figure, file: BinaryIO, lineage: Lineage | None = None, dpi: int = _DPI) -> None:
    """Write a PNG into an open file, with its lineage inside."""
    figure.savefig(file, format="png", dpi=dpi, bbox_inches="tight", metadata=_metadata("png", lineage))


def _metadata(kind: str, lineage: Lineage | None) -> dict[str, Any]:
    words = "" if lineage is None else lineage.made_by
    text = "" if lineage is None else lineage.text()
    if kind == "png":
        return {"Software": None, "Title": words, "ndlab": text}
    if kind == "pdf":
        return {"Title": words, "Keywords": text, "Creator": _CREATOR, "CreationDate": None}
    if kind == "svg":
        return {"Title": words, "Description": text, "Creator": _CREATOR, "Date": None}
    raise BadRequest(f"a figure as {kind!r}", f"figures are written as {', '.join(FORMATS)}", "pass one of those")


def write_tables(figure: Figure, stem: Path) -> list[Path]:
    """Write the table of each panel of a figure as CSV and Parquet, ``stem-A.csv`` and so on; return the files."""
    files = []
    for letter, table in tables(figure).items():
        csv, parquet = (stem.with_name(f"{stem.name}-{letter}.{kind}") for kind in ("csv", "parquet"))
        table.to_csv(csv, index=False)
        table.to_parquet(parquet, index=False)
        files += [csv, parquet]
    return files


def lineage_of(path: str | os.PathLike[str]) -> Lineage:
    """Read the lineage inside a picture that ndlab wrote.

    Raises
    ------
    BadMetadata
        If there is none.
    """
    file = Path(path)
    text = {".png": _of_png, ".pdf": _of_pdf, ".svg": _of_svg}.get(file.suffix, lambda one: "")(file)
    if not text:
        raise BadMetadata(f"the lineage of {file}", "there is none inside", "save it with ndlab.figures.save")
    return Lineage.from_json(json.loads(text))


def _of_png(file: Path) -> str:
    from PIL import Image

    with Image.open(file) as image:
        return str(image.info.get("ndlab", ""))


def _of_pdf(file: Path) -> str:
    found = re.search(rb"/Keywords \(((?:\\.|[^\\)])*)\)", file.read_bytes(), re.DOTALL)
    escapes = {b"n": b"\n", b"r": b"\r"}
    return "" if found is None else re.sub(
        rb"\\(.)", lambda m: escapes.get(m[1], m[1]), found[1], flags=re.DOTALL
    ).decode()  # fmt: skip


def _of_svg(file: Path) -> str:
    found = re.search(r"<dc:description>(.*?)</dc:description>", file.read_text(encoding="utf-8"), re.DOTALL)
    return "" if found is None else html.unescape(found[1])
