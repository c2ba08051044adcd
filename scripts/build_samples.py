"""Write the real data that ndlab ships, from the original files: `python scripts/build_samples.py FOLDER`.

FOLDER holds kasthuri2015, gala_fibsem_mini, bock11_synapse_density, mouse_brain_registration and
tables/weiler14_synapse_points (without it, the environment variable NDLAB_TEST_DATA names it). The output is the same
every time; the tests compare what is committed with a fresh conversion.
"""

from __future__ import annotations

import csv
import io
import os
import sys
from collections.abc import Callable, Iterable
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


def written(header: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    """Write rows as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue()


def touches_csv(edge_list: Path) -> str:
    """Convert the edges of the published touch graph, whose ids stay as they were published, a spine's first.

    Of the two ends of a line that says ``A B {}`` the axon is the one that a line ``A type axon`` names.
    """
    lines = [line.split() for line in edge_list.read_text().splitlines()]
    axons = {line[0] for line in lines if line[1:] == ["type", "axon"]}
    pairs = (line[:2] if line[1] in axons else line[1::-1] for line in lines if line[2] == "{}")
    return written(("spine_id", "axon_id"), sorted((int(spine), int(axon)) for spine, axon in pairs))


def spreadsheet_csv(sheet_file: Path) -> str:
    """Convert the spreadsheet that the claims notebooks wrote: names and units anew, ids and digits as published."""
    with sheet_file.open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    return written(("synapse_id", "pre_id", "post_id", "x_um", "y_um", "z_um"), [tuple(row) for row in rows])


def objects_table(export: Path) -> Any:
    """Convert the annotators' export: hierarchy, anchor and box of each object, in voxels of 6 x 6 x 30 nm."""
    import pandas as pd

    found = []
    for line in export.read_text(encoding="latin-1").splitlines():
        if line.strip() and not line.startswith("%"):
            numbers, name = line.split('"')[0].split(), line.split('"')[1]
            found.append((*(int(numbers[i]) for i in (0, 13, 17, *range(10, 13), *range(18, 24))), name.strip()))
    box = [f"{axis}{end}_vx" for end in (0, 1) for axis in "xyz"]
    names = ["object_id", "parent_id", "neurite_id", "x_vx", "y_vx", "z_vx", *box, "name"]
    return pd.DataFrame(found, columns=names).astype(dict.fromkeys(names[:-1], "int32"))


def sasd_csv(pairs_file: Path) -> str:
    """Convert the synapses that share their axon and their dendrite with another one."""
    from scipy.io import loadmat

    names = ("spineid", "dparentid", "aparentid", "spinevolume", "psdvol", "nrvesicles", "spineapp", "nrmitos")
    rows: list[tuple[Any, ...]] = []
    for group in loadmat(pairs_file)["sasdpairs"].flat:
        rows += zip(*(group[name][0, 0].ravel().astype(int).tolist() for name in names), strict=True)
    header = ("spine_id", "dendrite_id", "axon_id", "spine_volume_vx", "psd_px", "vesicles", "spine_apparatus")
    return written((*header, "mitochondria"), rows)


def density_table(bins: Path) -> Any:
    """Convert the counts of synapses on a grid of blocks."""
    import pandas as pd

    table = pd.read_csv(bins)
    names = {"cx": "x_px", "cy": "y_px", "cz": "z_section", "unmasked": "unmasked_vx"}
    return table.rename(columns=names).astype({"x_px": "u2", "y_px": "u2", "z_section": "u2", "unmasked_vx": "u4",
                                              "synapses": "u2"})  # fmt: skip


def points_table(folder: Path) -> Any:
    """Convert detections in array tomography, two queries in one table."""
    import pandas as pd

    kinds = {3: "excitatory", 7: "inhibitory"}
    tables = [
        pd.read_csv(folder / f"Ex10R55_resultVol_{query}xyz.csv").assign(query=query, kind=kind)
        for query, kind in kinds.items()
    ]
    table = pd.concat(tables, ignore_index=True).rename(columns={"col": "x_px", "row": "y_px", "z": "z_section"})
    types = {"x_px": "f4", "y_px": "f4", "z_section": "f4", "query": "u1", "kind": "category"}
    return table[["query", "kind", "x_px", "y_px", "z_section"]].astype(types)


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


def mouse_brain(folder: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Read one mouse brain as imaged and as it lies in the Allen atlas, (z, y, x) at 200 µm, and its halves.

    Images are the means of 2 x 2 x 2 voxels, in 8 bits; of the halves every second voxel is taken.
    """
    import tifffile

    def image(name: str) -> np.ndarray[Any, Any]:
        values = tifffile.imread(folder / f"{name}.tiff").astype(np.float64)
        even = values[tuple(slice(0, n // 2 * 2) for n in values.shape)]
        z, y, x = (n // 2 for n in even.shape)
        means = even.reshape(z, 2, y, 2, x, 2).mean((1, 3, 5))
        return np.clip(np.round(means / np.percentile(means, 99.8) * 250), 0, 255).astype(np.uint8)

    sample, atlas = image("downsampled_brain"), image("downsampled_standard_brain")
    halves = tifffile.imread(folder / "registered_hemispheres.tiff")[1::2, 1::2, 1::2]
    return {"sample": sample, "atlas": atlas, "hemispheres": halves[tuple(map(slice, sample.shape))]}


def main(source: Path) -> None:
    """Write everything."""
    (SHIPPED / "kasthuri2015").mkdir(parents=True, exist_ok=True)
    (SHIPPED / "kasthuri2015" / "synapses.csv").write_text(kasthuri_csv(source / "kasthuri2015" / "mmc2.xls"))
    kasthuri = source / "kasthuri2015"
    edges = kasthuri / "kasthuri2015_ramon_v4_graph_touch.edgelist"
    (SHIPPED / "kasthuri2015" / "touches.csv").write_text(touches_csv(edges))
    spreadsheet = kasthuri / "kasthuri2015_synapse_table.csv"
    (SHIPPED / "kasthuri2015" / "spreadsheet.csv").write_text(spreadsheet_csv(spreadsheet))
    objects = kasthuri / "Threecylindermerge_May08_db14_export.txt"
    objects_table(objects).to_parquet(SHIPPED / "kasthuri2015" / "objects.parquet", compression="zstd")
    (SHIPPED / "kasthuri2015" / "sasd.csv").write_text(sasd_csv(kasthuri / "sasdpairs.mat"))
    for name in ("bock11", "weiler14"):
        (SHIPPED / name).mkdir(parents=True, exist_ok=True)
    bins = density_table(source / "bock11_synapse_density" / "output.csv")
    bins.to_parquet(SHIPPED / "bock11" / "density.parquet", compression="zstd")
    points = points_table(source / "tables" / "weiler14_synapse_points")
    points.to_parquet(SHIPPED / "weiler14" / "Ex10R55.parquet", compression="zstd")
    gala = source / "gala_fibsem_mini"
    write_slices(stack(gala / "train-image.h5"), SHIPPED / "fibsem" / "slices")
    np.savez_compressed(SHIPPED / "fibsem" / "labels.npz", labels=stack(gala / "train-gt.lzf.h5").astype(np.uint32))
    (SHIPPED / "mouse_brain").mkdir(parents=True, exist_ok=True)
    brain = mouse_brain(source / "mouse_brain_registration" / "volume_100um")
    np.savez_compressed(SHIPPED / "mouse_brain" / "brain.npz", **brain)
    size = sum(file.stat().st_size for file in SHIPPED.rglob("*") if file.is_file())
    print(f"{SHIPPED}: {size / 1e6:.2f} MB")


if __name__ == "__main__":
    folder = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("NDLAB_TEST_DATA")
    if not folder:
        sys.exit("which folder holds the originals? Try: python scripts/build_samples.py FOLDER")
    main(Path(folder))
