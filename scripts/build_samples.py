"""Write the real data that ndlab ships, from the original files: `python scripts/build_samples.py FOLDER`.

FOLDER holds kasthuri2015/mmc2.xls and gala_fibsem_mini/*.h5 (without it, the environment variable NDLAB_TEST_DATA
names it). The output is the same every time; the tests compare what is committed with a fresh conversion.
"""

from __future__ import annotations

import csv
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SHIPPED = Path(__file__).resolve().parent.parent / "ndlab" / "samples" / "data"

Cell = str | float


def whole(value: Cell) -> str:
    """Write a number without decimals."""
    return str(int(value))


def decimal(value: Cell) -> str:
    """Write a number with the digits that it has, and no rounding noise."""
    return f"{float(value):.6f}".rstrip("0").rstrip(".")


def positive(value: Cell) -> str:
    """Write a number above 0; 0, negative codes and the one text cell mean that nobody measured it."""
    return whole(value) if isinstance(value, float) and value > 0 else ""


def counted(value: Cell) -> str:
    """Write a number that may be 0; negative codes and the one text cell mean that nobody counted."""
    return whole(value) if isinstance(value, float) and value >= 0 else ""


def measured(value: Cell) -> str:
    """Write a length; negative codes mean that nobody measured it."""
    return decimal(value) if float(value) >= 0 else ""


def word(*words: str) -> Callable[[Cell], str]:
    """Make a writer of 0, 1, … as words, and of negative codes as missing."""
    return lambda value: words[int(value)] if float(value) >= 0 else ""


# Column of the journal's sheet (0-based), our name, how it is written.
COLUMNS: tuple[tuple[int, str, Callable[[Cell], str]], ...] = (
    (0, "synapse_id", whole),
    (1, "x_um", decimal),
    (2, "y_um", decimal),
    (3, "z_um", decimal),
    (8, "axon_id", whole),
    (9, "dendrite_id", whole),
    (10, "axon_type", word("excitatory", "inhibitory", "myelinated")),
    (17, "location", word("shaft", "spine")),
    (18, "dendrite_type", word("spiny", "smooth")),
    (19, "psd_px", whole),
    (20, "spine_id", positive),
    (21, "spine_volume_vx", positive),
    (22, "spine_apparatus", counted),
    (23, "single_synapse_spine", counted),
    (11, "bouton_id", positive),
    (12, "terminal", counted),
    (15, "multi_synaptic", counted),
    (13, "vesicles", counted),
    (14, "mitochondria", counted),
    (16, "axon_length_um", measured),
    (5, "in_cylinder_1", counted),
    (6, "in_cylinder_2", counted),
    (7, "in_cylinder_3", counted),
)


def kasthuri_csv(sheet_file: Path) -> str:
    """Convert the supplementary table of Kasthuri et al. 2015 to CSV."""
    import xlrd

    sheet: Any = xlrd.open_workbook(sheet_file).sheet_by_index(0)
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(name for _, name, _ in COLUMNS)
    for row in range(2, sheet.nrows):
        out.writerow(write(sheet.cell_value(row, column)) for column, _, write in COLUMNS)
    return text.getvalue()


def stack(file: Path) -> np.ndarray[Any, Any]:
    """Read the one data set of a gala example file, (z, y, x)."""
    import h5py

    with h5py.File(file) as store:
        return np.asarray(store["stack"])


def write_slices(volume: np.ndarray[Any, Any], folder: Path) -> None:
    """Write a volume as PNG slices numbered along z."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    for z, plane in enumerate(volume):
        Image.fromarray(plane).save(folder / f"section_{z:03d}.png", optimize=True)


def main(source: Path) -> None:
    """Write everything."""
    (SHIPPED / "kasthuri2015").mkdir(parents=True, exist_ok=True)
    (SHIPPED / "kasthuri2015" / "synapses.csv").write_text(kasthuri_csv(source / "kasthuri2015" / "mmc2.xls"))
    gala = source / "gala_fibsem_mini"
    write_slices(stack(gala / "train-image.h5"), SHIPPED / "fibsem" / "slices")
    np.savez_compressed(SHIPPED / "fibsem" / "labels.npz", labels=stack(gala / "train-gt.lzf.h5").astype(np.uint32))
    size = sum(file.stat().st_size for file in SHIPPED.rglob("*") if file.is_file())
    print(f"{SHIPPED}: {size / 1e6:.2f} MB")


if __name__ == "__main__":
    folder = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("NDLAB_TEST_DATA")
    if not folder:
        sys.exit("which folder holds the originals? Try: python scripts/build_samples.py FOLDER")
    main(Path(folder))
