"""What is shipped equals the originals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from ndlab import samples
from ndlab.samples.shipped import DATA
from scripts.build_samples import (
    density_table,
    kasthuri_csv,
    mouse_brain,
    objects_table,
    points_table,
    sasd_csv,
    spreadsheet_csv,
    stack,
    touches_csv,
)


def test_slices_equal_the_original_stack(shared_data: Path) -> None:
    slices = sorted(samples.fibsem_slices().iterdir())
    shipped = np.stack([np.asarray(Image.open(file)) for file in slices])
    original = stack(shared_data / "gala_fibsem_mini" / "train-image.h5")
    assert shipped.dtype == original.dtype == np.uint8
    assert np.array_equal(shipped, original)


def test_labels_equal_the_original_ground_truth(shared_data: Path) -> None:
    shipped, original = samples.fibsem_labels(), stack(shared_data / "gala_fibsem_mini" / "train-gt.lzf.h5")
    assert shipped.shape == original.shape
    assert np.array_equal(shipped.astype(np.int64), original.astype(np.int64))


def test_the_mouse_brain_equals_a_fresh_conversion(shared_data: Path) -> None:
    fresh = mouse_brain(shared_data / "mouse_brain_registration" / "volume_100um")
    for name, volume in samples.mouse_brain().items():
        np.testing.assert_array_equal(volume.read(), fresh[name])


def test_table_equals_a_fresh_conversion(shared_data: Path) -> None:
    shipped = (DATA / "kasthuri2015" / "synapses.csv").read_text()
    assert shipped == kasthuri_csv(shared_data / "kasthuri2015" / "mmc2.xls")


def test_other_tables_equal_a_fresh_conversion(shared_data: Path) -> None:
    import pandas as pd

    kasthuri = shared_data / "kasthuri2015"
    edges = kasthuri / "kasthuri2015_ramon_v4_graph_touch.edgelist"
    assert (DATA / "kasthuri2015" / "touches.csv").read_text() == touches_csv(edges)
    assert (DATA / "kasthuri2015" / "sasd.csv").read_text() == sasd_csv(kasthuri / "sasdpairs.mat")
    spreadsheet = (DATA / "kasthuri2015" / "spreadsheet.csv").read_text()
    assert spreadsheet == spreadsheet_csv(kasthuri / "kasthuri2015_synapse_table.csv")
    fresh = {
        "kasthuri_objects": objects_table(kasthuri / "Threecylindermerge_May08_db14_export.txt"),
        "bock_density": density_table(shared_data / "bock11_synapse_density" / "output.csv"),
        "weiler_synapses": points_table(shared_data / "tables" / "weiler14_synapse_points"),
    }
    for name, table in fresh.items():
        pd.testing.assert_frame_equal(getattr(samples, name)(), table)


def test_every_pair_of_the_touch_graph_is_shipped(shared_data: Path) -> None:
    """Counted without the converter: each line of two ids is one row, whichever end stands first."""
    lines = (shared_data / "kasthuri2015" / "kasthuri2015_ramon_v4_graph_touch.edgelist").read_text().split("\n")
    pairs = {frozenset(line.split()[:2]) for line in lines if line.endswith("{}")}
    table = samples.kasthuri_touches().astype(str)
    assert {frozenset(pair) for pair in zip(table.spine_id, table.axon_id, strict=True)} == pairs


def test_every_cell_of_the_table_against_the_sheet(shared_data: Path) -> None:
    """The sheet read without the converter: each number is there, and only codes became empty."""
    import pandas as pd
    import xlrd

    cells = xlrd.open_workbook(shared_data / "kasthuri2015" / "mmc2.xls").sheet_by_index(0)
    sheet = pd.DataFrame([cells.row_values(row) for row in range(2, cells.nrows)])
    table = samples.kasthuri_synapses()
    plain = {"synapse_id": 0, "x_um": 1, "y_um": 2, "z_um": 3, "axon_id": 8, "dendrite_id": 9, "psd_px": 19}
    for name, column in plain.items():
        assert np.array_equal(table[name].astype(float), sheet[column].astype(float)), name
    words = {
        "axon_type": (10, {0: "excitatory", 1: "inhibitory", 2: "myelinated"}),
        "location": (17, {1: "spine", 0: "shaft"}),
        "dendrite_type": (18, {0: "spiny", 1: "smooth"}),
    }
    for name, (column, meaning) in words.items():
        assert table[name].astype(object).fillna("").tolist() == [meaning.get(int(v), "") for v in sheet[column]], name
    coded = {"terminal": 12, "multi_synaptic": 15, "vesicles": 13, "mitochondria": 14, "axon_length_um": 16}
    coded |= {"spine_apparatus": 22, "single_synapse_spine": 23, "in_cylinder_1": 5, "in_cylinder_2": 6}
    coded |= {"in_cylinder_3": 7, "spine_id": 20, "spine_volume_vx": 21, "bouton_id": 11}
    for name, column in coded.items():
        values = pd.to_numeric(sheet[column], errors="coerce").astype(float)
        missing = (values <= 0) if name in {"spine_id", "spine_volume_vx", "bouton_id"} else (values < 0)
        expected = values.mask(missing | values.isna())
        assert np.array_equal(table[name].astype("Float64").to_numpy(float, na_value=np.nan), expected, equal_nan=True)


def test_terms_lie_beside_the_data() -> None:
    assert "2012 HHMI" in (DATA / "fibsem" / "LICENSE.txt").read_text()
    assert "10.1016/j.cell.2015.06.054" in (DATA / "kasthuri2015" / "ATTRIBUTION.md").read_text()
    for folder in DATA.iterdir():
        assert folder.is_file() or (folder / "ATTRIBUTION.md").is_file()


def test_small_enough_to_ship() -> None:
    assert sum(file.stat().st_size for file in DATA.rglob("*") if file.is_file()) < 8e6
