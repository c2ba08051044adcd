"""Statistics over HTTP against numpy: every type, regions in the data set's coordinates, and never a stale number."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndlab.errors import BadRequest, OutOfBounds
from ndlab.geometry import Box
from ndlab.ingesting import ingest
from ndlab.serve.names import Folder
from ndlab.serve.source import Channel
from ndlab.serve.stats import Stats, parse_roi


def channel(folder: Path, dtype: str) -> tuple[Channel, np.ndarray[Any, Any]]:
    values = np.random.default_rng(1).integers(0, 200, (9, 40, 50)).astype(dtype)
    values[:, :5] = 0
    ingest(values, folder / "em.zarr", voxel_size=(30, 3, 3), offset=(30, 0, 0))
    return Folder(str(folder)).default_channel("em"), values


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_all_equals_numpy_without_zeros(tmp_path: Path, dtype: str) -> None:
    one, values = channel(tmp_path, dtype)
    known = values[values > 0].astype(float)
    stats = Stats()
    status, found = stats.answer(one, ["all"])
    assert status == 200
    assert found["mean"] == pytest.approx(known.mean())
    assert found["stddev"] == pytest.approx(known.std())
    assert (found["min"], found["max"]) == (known.min(), known.max())
    assert found["percentiles"] == pytest.approx({p: np.percentile(known, float(p)) for p in ("1", "50", "99")})
    assert sum(found["hist"]) == known.size
    assert stats.answer(one, ["mean"])[1] == {"mean": pytest.approx(known.mean())}
    assert stats.answer(one, ["std"])[1] == {"std": pytest.approx(known.std())}
    assert stats.answer(one, ["percentile", "12.5"])[1]["12.5"] == pytest.approx(np.percentile(known, 12.5))


def test_regions_are_in_the_coordinates_of_the_data_set(tmp_path: Path) -> None:
    one, values = channel(tmp_path, "u1")
    part = values[1:3, 4:20, 10:30]
    expected = np.bincount(part[part > 0].ravel(), minlength=256)
    _, found = Stats().answer(one, ["hist", "roi", "10,4,2-30,20,4"])
    np.testing.assert_array_equal(found["hist"], expected)
    _, found = Stats().answer(one, ["genhist"], [parse_roi("10,4,2-30,20,4"), parse_roi("12,4,2-14,20,4")])
    np.testing.assert_array_equal(found["hist"], expected)
    _, binned = Stats().answer(one, ["binnedhist", "roi", "10,4,2-30,20,4"])
    assert sum(binned["hist"]) == expected.sum()


def test_u16_is_folded_into_256_bins(tmp_path: Path) -> None:
    one, values = channel(tmp_path, "u2")
    _, found = Stats().answer(one, ["binnedhist"])
    assert len(found["hist"]) == len(found["bins"]) == 256
    assert sum(found["hist"]) == (values > 0).sum()


def test_a_large_volume_is_counted_in_the_background(tmp_path: Path) -> None:
    one, values = channel(tmp_path, "u1")
    stats = Stats(at_once=100)
    status, found = stats.answer(one, ["mean"])
    assert (status, found["status"]) == (202, "running")
    late = time.monotonic() + 30
    while status == 202 and time.monotonic() < late:
        time.sleep(0.01)
        status, found = stats.answer(one, ["mean"])
    assert found["mean"] == pytest.approx(values[values > 0].mean())


def test_a_number_is_never_older_than_a_write(tmp_path: Path) -> None:
    one, values = channel(tmp_path, "u1")
    stats = Stats()
    assert stats.answer(one, ["all"])[1]["max"] == values.max()
    one.volume.write(Box((0, 20, 20), (1, 21, 21)), 255)
    assert stats.answer(one, ["all"])[1]["max"] == 255


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (["median"], "binnedhist"),
        (["percentile", "101"], "between 0 and 100"),
        (["percentile", "half"], "between 0 and 100"),
        (["hist", "roi", "1,2,3"], "x0,y0,z0-x1,y1,z1"),
        (["hist", "roi", "0,0,0-10,10,10"], "spans x 0,50, y 0,40, z 1,10"),
        (["hist", "roi", "9,9,9-5,10,10"], "the second number is larger"),
    ],
)
def test_what_cannot_be_counted_is_refused(tmp_path: Path, what: list[str], words: str) -> None:
    one, _ = channel(tmp_path, "u1")
    with pytest.raises((BadRequest, OutOfBounds), match=words):
        Stats().answer(one, what)
