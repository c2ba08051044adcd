"""Array tomography: planted puncta are found (R94), features tell planted classes apart (R95)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.spatial import cKDTree

from ndlab.detect import QUERIES, Punctum, Query, puncta, query_probability
from ndlab.detect.punctum_features import (
    FEATURES,
    ari_by_dimension,
    punctum_features,
    read_detections,
    transformed,
)
from ndlab.detect.punctum_table import find_puncta, linear_trials
from ndlab.errors import BadRequest
from ndlab.samples import Tomogram, array_tomography
from ndlab.volume import open as open_volume

Array = np.ndarray[Any, Any]


@pytest.fixture(scope="module")
def made() -> Tomogram:
    return array_tomography((10, 160, 160), pairs=25, seed=4)


def scores(found: Array, truth: Array, within: float = 250.0) -> tuple[float, float]:
    """Precision and recall of places [nm]."""
    if not len(found):
        return 0.0, 0.0
    near = cKDTree(found).query(truth)[0] <= within
    right = cKDTree(truth).query(found)[0] <= within
    return float(right.mean()), float(near.mean())


def places(ann: Any) -> Array:
    return np.array([one.position for one in ann.where(kind="synapse")]).reshape(-1, 3)


@pytest.mark.parametrize(
    ("query", "kind"), [("excitatory 1", "excitatory"), ("excitatory 3", "excitatory"), ("inhibitory 1", "inhibitory"),
                        ("inhibitory 2", "inhibitory")]
)  # fmt: skip
def test_planted_synapses_are_found_by_their_query_and_no_others(made: Tomogram, query: str, kind: str) -> None:
    precision, recall = scores(places(puncta(made.volume(), query, progress=False)), made.of(kind))
    assert recall >= 0.85
    assert precision >= 0.85


def test_a_lone_punctum_is_no_synapse_of_a_query_with_a_partner(made: Tomogram) -> None:
    with_partner = places(puncta(made.volume(), "excitatory 1", progress=False))
    alone = places(puncta(made.volume(), Query((), (Punctum("PSD95"),)), progress=False))
    lone = made.of("lone post")
    assert scores(with_partner, lone)[1] <= 0.1
    assert scores(alone, lone)[1] >= 0.85


def test_a_punctum_has_to_be_as_large_as_the_query_says(made: Tomogram) -> None:
    huge = Query((Punctum("synapsin"),), (Punctum("PSD95", (140, 1500, 1500)),))
    assert len(places(puncta(made.volume(), huge, progress=False))) == 0


def test_the_probability_is_the_same_for_any_pieces(made: Tomogram, tmp_path: Path) -> None:
    lazy = query_probability(made.volume(), "inhibitory 1")
    whole = lazy.read()
    for z0, z1, y0, y1 in ((0, 3, 0, 50), (3, 4, 50, 51), (4, 10, 20, 160)):
        part = lazy[z0:z1, y0:y1, 33:150].read()
        assert np.abs(part - whole[z0:z1, y0:y1, 33:150]).max() <= 1e-5
    stored = query_probability(made.volume(), "inhibitory 1", out=tmp_path / "p.ome.zarr", progress=False)
    assert np.abs(stored.read() - whole).max() <= 1e-5
    assert open_volume(tmp_path / "p.ome.zarr").provenance["made"]["params"]["made"]["aside"] == 200.0


def test_there_are_six_excitatory_queries_and_three_inhibitory_ones() -> None:
    kinds = [name.partition(" ")[0] for name in QUERIES]
    assert (kinds.count("excitatory"), kinds.count("inhibitory")) == (6, 3)
    assert QUERIES["excitatory 1"].pre[0].size == (140, 200, 200)
    assert QUERIES["inhibitory 1"].channels == ("synapsin", "gephyrin", "GABAAR")


def test_puncta_of_a_channel_are_measured_in_all_and_told_apart_by_a_line(made: Tomogram) -> None:
    table = find_puncta(made.volume(), "PSD95")
    found = table[["z", "y", "x"]].to_numpy()
    every = np.concatenate([made.of("excitatory"), made.of("lone post")])
    assert scores(found, every)[1] >= 0.9
    areas = table["area"]
    assert 0.03 < float(areas.median()) < 0.25
    synapse = cKDTree(made.of("excitatory")).query(found)[0] < 250
    trials = linear_trials(table, synapse)
    assert trials.f1 > 0.85
    assert trials.weights["synapsin"] > abs(trials.weights["GAD"])
    again = linear_trials(table.sample(frac=1, random_state=0), np.random.default_rng(0).permutation(synapse))
    assert again.average_precision < trials.average_precision


def test_detections_of_the_founding_engine_load(tmp_path: Path, shared_data: Path) -> None:
    folder = shared_data / "tables" / "weiler14_synapse_points"
    table = read_detections(folder / "Ex10R55_resultVol_3xyz.csv")
    assert table.shape == (29_744, 3)
    assert table.iloc[1].tolist() == [1201.5, 216, 0]
    assert table["x_px"].max() < 3409


def test_a_table_of_4846599_rows_loads(tmp_path: Path) -> None:
    from pyarrow import csv, table

    n = 4_846_599
    step = np.arange(n)
    made = table({"col": (step % 3409).astype("f4"), "row": (step % 3337).astype("i4"), "z": (step % 70).astype("i4")})
    csv.write_csv(made, tmp_path / "all.csv")
    found = read_detections(tmp_path / "all.csv")
    assert len(found) == n
    assert found["x_px"].iloc[-1] == (n - 1) % 3409
    assert list(found) == ["x_px", "y_px", "z_section"]


def test_tables_of_something_else_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(BadRequest, match="col, row and z"):
        read_detections(tmp_path / "other.csv")


def test_features_of_a_synapse_are_what_they_say(made: Tomogram) -> None:
    volume = made.volume()
    points = made.of("excitatory")[:3]
    table = punctum_features(volume, points, box=(3, 7, 7))
    assert list(table) == [f"{channel.name}_{f}" for channel in volume.channels for f in FEATURES]
    at = np.floor(points[0] / made.voxel_size).astype(int)
    padded = np.pad(made.values[2].astype(float), ((1, 1), (3, 3), (3, 3)))
    cut = padded[at[0] : at[0] + 3, at[1] : at[1] + 7, at[2] : at[2] + 7]
    row = table.iloc[0]
    step = np.stack(np.meshgrid(*(np.arange(-r, r + 1) * s for r, s in ((1, 0.07), (3, 0.1), (3, 0.1))), indexing="ij"))
    centre = (step * cut).sum((1, 2, 3)) / cut.sum()
    assert row["PSD95_f0"] == cut.sum()
    assert row["PSD95_f2"] == pytest.approx(np.linalg.norm(centre))
    assert row["PSD95_f3"] == pytest.approx(((step**2).sum(0) * cut).sum() / cut.sum())
    assert row["PSD95_f4"] == cut.max()
    outside = punctum_features(volume, np.array([[10.0, 10.0, 10.0]]))
    assert np.isfinite(outside.to_numpy()).all()


def test_144_features_tell_planted_classes_apart_in_enough_dimensions() -> None:
    rng = np.random.default_rng(0)
    classes = np.repeat([0, 1, 2, 3], 60)
    means = np.exp(rng.normal(0, 0.5, (4, 24)))[classes].repeat(6, axis=1) * 1000
    table = pd.DataFrame(
        rng.lognormal(0, 0.8, means.shape) * means, columns=[f"c{i // 6}_f{i % 6}" for i in range(144)]
    )
    curves = {
        how: ari_by_dimension(transformed(table, how), classes, most=8) for how in ("raw", "scaled", "log", "zlog")
    }
    best = curves["zlog"]["ari"]
    assert best.iloc[-1] > 0.9
    assert best.iloc[-1] > best.iloc[0]
    assert curves["zlog"]["ari"].max() >= curves["raw"]["ari"].max()
    assert curves["zlog"]["shuffled"].abs().max() < 0.1


def test_transforms_are_the_four(made: Tomogram) -> None:
    table = punctum_features(made.volume(), made.of("excitatory"))
    assert transformed(table, "raw").equals(table)
    scaled = transformed(table, "scaled")
    np.testing.assert_allclose([scaled.min().min(), scaled.max().max()], [0, 1000])
    np.testing.assert_allclose(transformed(table, "log"), np.log10(table + 1))
    z = transformed(table, "zlog")
    np.testing.assert_allclose(z.mean(), 0, atol=1e-9)
    with pytest.raises(BadRequest, match="there are"):
        transformed(table, "square")  # type: ignore[arg-type]


def test_what_a_query_needs_is_said(made: Tomogram) -> None:
    with pytest.raises(BadRequest, match="excitatory 1"):
        puncta(made.volume(), "excitatory 9")
    with pytest.raises(BadRequest, match="by name"):
        puncta(made.volume().isel(c=0), "excitatory 1")
    with pytest.raises(BadRequest, match="postsynaptic"):
        Query((Punctum("synapsin"),), ())
