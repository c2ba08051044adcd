"""Sections come back to where they were, whoever computes it and however it is cut; what is wrong is said."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from ndlab.errors import BadRequest, Conflict
from ndlab.geometry import Box
from ndlab.preprocess import Alignment, BrokenStackWarning, align
from ndlab.preprocess.alignment.maps import PlaneMap, affine_inverse, rotation
from ndlab.volume import Volume
from ndlab.volume import open as open_volume
from tests.preprocess.making import Warp, spread, stack, texture

SHAPE = (160, 192)
SIZE = (40.0, 8.0, 8.0)
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def planted() -> tuple[np.ndarray[Any, Any], list[Warp]]:
    return stack(6)


@pytest.fixture(scope="module")
def found(planted: Any) -> Alignment:
    return align(Volume.from_array(planted[0], SIZE), workers=1)


def test_planted_deformations_are_taken_back(planted: Any, found: Alignment) -> None:
    _, warps = planted
    apart = spread(found, warps, SHAPE, SIZE[1])
    before = np.array([warp.matrix[:, 2] for warp in warps]).std()
    assert before > 3, "something was planted"
    assert np.median(apart) < 0.3
    assert np.percentile(apart, 95) < 0.8


@pytest.mark.parametrize(("model", "most"), [("rigid", 3.0), ("affine", 3.0)])
def test_simpler_models_take_back_what_they_can(planted: Any, found: Alignment, model: Any, most: float) -> None:
    simple = align(Volume.from_array(planted[0], SIZE), model=model, workers=1)
    apart = np.median(spread(simple, planted[1], SHAPE, SIZE[1]))
    assert np.median(spread(found, planted[1], SHAPE, SIZE[1])) < apart < most
    assert simple.nodes is not None
    assert not simple.nodes.any()
    if model == "rigid":
        for matrix in simple.matrices:
            np.testing.assert_allclose(matrix[:, :2] @ matrix[:, :2].T, np.eye(2), atol=1e-9)


def test_the_reference_stays_where_it_is(planted: Any) -> None:
    rigid = align(Volume.from_array(planted[0], SIZE), model="rigid", reference=4, workers=1)
    np.testing.assert_allclose(rigid.matrices[4], np.eye(2, 3), atol=1e-6)


def test_errors_do_not_add_up_over_twenty_sections() -> None:
    sections, warps = stack(21, (128, 128), bend=1.0, shift=5)
    chained = align(Volume.from_array(sections, SIZE), workers=2)
    y, x = np.mgrid[36:92:8, 36:92:8]
    points = (np.stack([y.ravel(), x.ravel()], -1) + 0.5) * SIZE[1]
    first, last = (warps[z](chained.map(z)(points) / SIZE[1] - 0.5) for z in (0, 20))
    assert np.median(np.linalg.norm(first - last, axis=1)) < 1.0


# --- drawing -----------------------------------------------------------------------------------------------------


def test_any_blocking_draws_the_same_to_the_last_bit(planted: Any, found: Alignment, tmp_path: Path) -> None:
    volume = Volume.from_array(planted[0], SIZE)
    whole = found.render(volume).read()
    assert whole.shape[1] >= SHAPE[0], "nothing is cut off"
    for block in ((1, 7, 50), (4, 64, 64)):
        np.testing.assert_array_equal(found.render(volume, block=block).read(), whole)
    part = found.render(volume, block=(2, 33, 33)).read(Box((1, 20, 30), (4, 90, 70)))
    np.testing.assert_array_equal(part, whole[1:4, 20:90, 30:70])
    stored = found.render(volume, out=tmp_path / "drawn.zarr", workers=2)
    np.testing.assert_array_equal(stored.level(0).read(), whole)
    assert stored.offset == found.render(volume).offset


def test_drawing_is_what_scipy_draws(planted: Any, found: Alignment) -> None:
    volume = Volume.from_array(planted[0].astype("f4"), SIZE)
    for order in (0, 1):
        drawn = found.render(volume, order=order)
        z = 2
        places = (np.moveaxis(np.mgrid[: drawn.shape[1], : drawn.shape[2]], 0, -1).reshape(-1, 2) + 0.5) * SIZE[1]
        there = found.map(z)(places + np.array(drawn.offset[1:])) / SIZE[1] - 0.5
        inside = ((there >= 0) & (there <= np.array(SHAPE) - 1)).all(1)
        wanted = ndimage.map_coordinates(planted[0][z].astype(float), there[inside].T, order=order)
        got = drawn.read()[z].ravel()[inside].astype(float)
        # Where a place is half-way between two pixels, both are the nearest.
        assert (np.abs(got - wanted) < 1e-3).mean() > (0.999 if order == 0 else 0.99999)


def test_sections_look_alike_once_aligned(planted: Any, found: Alignment) -> None:
    def alike(values: Any) -> float:
        inner = [one[40:-40, 40:-40].astype(float).ravel() for one in values]
        return float(np.mean([np.corrcoef(a, b)[0, 1] for a, b in pairwise(inner)]))

    assert alike(planted[0]) < 0.6
    assert alike(found.render(Volume.from_array(planted[0], SIZE)).read()) > 0.8


def test_labels_keep_their_ids(planted: Any, found: Alignment) -> None:
    big = np.uint64(2**63 + 5)
    ids = np.where(planted[0] > 128, big, np.uint64(7))
    labels = Volume.from_array(ids, SIZE, kind="labels")
    drawn = found.render(labels)
    assert drawn.kind == "labels"
    assert set(np.unique(drawn.read())) == {0, 7, int(big)}
    with pytest.raises(BadRequest, match="order=0"):
        found.render(labels, order=3)


def test_a_coarser_level_and_a_finer_one_are_drawn_by_the_same_maps(planted: Any, found: Alignment) -> None:
    fine = found.render(Volume.from_array(planted[0], SIZE)).read().astype(float)
    half = planted[0].reshape(6, 80, 2, 96, 2).mean((2, 4)).astype(np.float32)
    coarse = found.render(Volume.from_array(half, (40, 16, 16)), order=1)
    pooled = fine[:, : coarse.shape[1] * 2 // 2 * 2, : coarse.shape[2] * 2 // 2 * 2]
    ny, nx = pooled.shape[1] // 2, pooled.shape[2] // 2
    pooled = pooled[:, : 2 * ny, : 2 * nx].reshape(6, ny, 2, nx, 2).mean((2, 4))
    inner = np.s_[:, 25 : ny - 25, 25 : nx - 25]
    assert np.corrcoef(pooled[inner].ravel(), coarse.read()[:, :ny, :nx][inner].ravel())[0, 1] > 0.97


# --- points ------------------------------------------------------------------------------------------------------


def test_points_go_there_and_back(found: Alignment) -> None:
    rng = np.random.default_rng(2)
    points = rng.uniform((0, 0, 0), (239.9, SHAPE[0] * 8, SHAPE[1] * 8), (500, 3))
    for inverse in (False, True):
        np.testing.assert_allclose(
            found.points(found.points(points, inverse=inverse), inverse=not inverse), points, atol=1e-5
        )
    with pytest.raises(BadRequest, match="sections lie from 0 to 240 nm"):
        found.points([[240.0, 0, 0]])


def test_points_stay_on_what_they_mark(planted: Any, found: Alignment) -> None:
    image = np.zeros_like(planted[0])
    rng = np.random.default_rng(3)
    marks = np.column_stack([np.arange(6), rng.integers(60, 100, 6), rng.integers(60, 120, 6)])
    for z, y, x in marks:
        image[z, y - 2 : y + 3, x - 2 : x + 3] = 200
    drawn = found.render(Volume.from_array(image, SIZE), order=1)
    moved = found.points((marks + 0.5) * np.array(SIZE))
    for z in range(6):
        centre = ndimage.center_of_mass(drawn.read()[z].astype(float))
        np.testing.assert_allclose(moved[z, 1:], (np.array(centre) + 0.5) * 8 + drawn.offset[1:], atol=2.0)


def test_maps_invert_and_show_where_they_fold() -> None:
    rng = np.random.default_rng(4)
    plane = PlaneMap.over(rotation(5, (50, 50)), (0, 0), (100, 100), 20)
    bent = plane.moved(np.asarray(rng.normal(0, 2, plane.nodes.shape)))
    points = rng.uniform(0, 100, (200, 2))
    np.testing.assert_allclose(bent.inverse(bent(points)), points, atol=1e-7)
    assert bent.stretch((0, 0), (100, 100)).min() > 0
    steps = 1e-4 * np.eye(2)
    numeric = np.stack([(bent(points + s) - bent(points - s)) / 2e-4 for s in steps], -1)
    np.testing.assert_allclose(bent.with_slopes(points)[1], numeric, atol=1e-6)
    wanted = np.asarray(rng.normal(0, 1, plane.nodes.shape))
    inner = plane.places[1:-1, 1:-1].reshape(-1, 2)
    straight = PlaneMap.affine(plane.matrix)
    np.testing.assert_allclose(
        plane.fitted(wanted)(inner) - straight(inner), wanted[1:-1, 1:-1].reshape(-1, 2), atol=1e-9
    )
    folded = plane.moved(np.asarray(rng.normal(0, 60, plane.nodes.shape)))
    with pytest.raises(BadRequest, match="folds"):
        folded.inverse(folded(points))
    back = affine_inverse(plane.matrix)
    np.testing.assert_allclose(PlaneMap.affine(back)(straight(points)), points, atol=1e-9)


# --- what is kept ------------------------------------------------------------------------------------------------


def test_an_alignment_is_stored_and_opened_again(found: Alignment, tmp_path: Path) -> None:
    import zarr

    kept = found.save(tmp_path / "kept.zarr")
    again = Alignment.load(tmp_path / "kept.zarr")
    points = np.random.default_rng(5).uniform(0, 239, (50, 3))
    for one in (kept, again):
        np.testing.assert_array_equal(one.points(points), found.points(points))
    assert again.quality().equals(found.quality())
    assert again.about == found.about
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "kept.zarr" / "nodes", mode="r")[:], found.nodes)
    for file in (tmp_path / "kept.zarr").rglob("*"):
        assert file.is_dir() or b"pickle" not in file.read_bytes()


def test_into_a_store_and_again(planted: Any, found: Alignment, tmp_path: Path) -> None:
    source = Volume.from_array(planted[0], SIZE)
    made = source.like(tmp_path / "raw.zarr")
    made.write(None, planted[0])
    raw = open_volume(tmp_path / "raw.zarr")
    out = str(tmp_path / "aligned.zarr")
    one = align(raw, out=out, workers=2)
    assert one.volume is not None
    np.testing.assert_array_equal(one.volume.read(), found.render(source).read())
    assert Alignment.load(out).about["model"] == "elastic"
    assert open_volume(out).provenance["made"]["step"] == "align"
    again = align(raw, out=out)
    np.testing.assert_array_equal(again.matrices, one.matrices)
    with pytest.raises(Conflict, match="made from something else"):
        align(raw, out=out, model="rigid")
    other = align(raw, out=out, model="rigid", overwrite=True)
    assert other.about["model"] == "rigid"
    with pytest.raises(BadRequest, match="one would be inside the other"):
        align(raw, out=raw.url, overwrite=True)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "letter.txt").write_text("mine")
    with pytest.raises(Conflict, match="something is at"):
        align(raw, out=tmp_path / "notes", overwrite=True)
    assert (tmp_path / "notes" / "letter.txt").read_text() == "mine"


# --- what is wrong -----------------------------------------------------------------------------------------------


def test_a_blank_section_is_bridged_and_told(planted: Any) -> None:
    sections = planted[0].copy()
    sections[3] = 0
    with pytest.warns(BrokenStackWarning, match=r"section\(s\) 3 show nothing"):
        bridged = align(Volume.from_array(sections, SIZE), workers=1)
    assert bridged.sections()["state"].tolist() == ["good", "good", "good", "blank", "good", "good"]
    assert set(bridged.quality().query("a == 3 or b == 3")["state"]) == {"blank"}
    seen = [0, 1, 2, 4, 5]
    y, x = np.mgrid[30:130:8, 30:160:8]
    points = (np.stack([y.ravel(), x.ravel()], -1) + 0.5) * 8.0
    places = np.array([planted[1][z](bridged.map(z)(points) / 8.0 - 0.5) for z in seen])
    assert np.median(np.linalg.norm(places - places.mean(0), axis=-1)) < 0.4


def test_a_section_of_something_else_is_found(planted: Any) -> None:
    sections = planted[0].copy()
    sections[2] = texture(SHAPE, 99)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BrokenStackWarning)
        kept = align(Volume.from_array(sections, SIZE), broken="keep", workers=1)
    assert kept.sections()["state"].tolist() == ["good", "good", "alone", "good", "good", "good"]
    assert set(kept.quality().query("a == 2 or b == 2")["state"]) <= {"unlike", "bad"}
    with pytest.raises(BadRequest, match="nothing that is seen joins sections 0 to 5; 2") as caught:
        align(Volume.from_array(sections, SIZE), workers=1)
    assert caught.value.parts == [[0, 1, 3, 4, 5], [2]]


def test_two_halves_without_a_link_are_refused(planted: Any) -> None:
    other = np.stack([Warp.random(SHAPE, 50 + z).draw(texture(SHAPE, 77)) for z in range(3)])
    sections = np.concatenate([planted[0][:3], other])
    with pytest.raises(BadRequest, match=r"falls into 2 parts.*0 to 2; 3 to 5.*broken='keep'"):
        align(Volume.from_array(sections, SIZE), workers=1)


def test_missing_borders_do_not_hold_sections(planted: Any) -> None:
    sections = planted[0].copy()
    sections[:, :, :25] = 0
    sections[:, :20] = 0
    masked = align(Volume.from_array(sections, SIZE), workers=1)
    y, x = np.mgrid[50:130:8, 55:160:8]
    points = (np.stack([y.ravel(), x.ravel()], -1) + 0.5) * 8.0
    places = np.array([warp(masked.map(z)(points) / 8.0 - 0.5) for z, warp in enumerate(planted[1])])
    assert np.median(np.linalg.norm(places - places.mean(0), axis=-1)) < 0.5


@pytest.mark.parametrize(
    ("shape", "size", "options", "text"),
    [
        ((1, 64, 64), SIZE, {}, "two or more"),
        ((3, 64, 64), (40, 8, 4), {}, "square"),
        ((3, 64, 64), SIZE, {"model": "bent"}, "rigid, affine or elastic"),
        ((3, 64, 64), SIZE, {"reference": 3}, "sections 0 to 2"),
    ],
)
def test_what_cannot_be_done_is_said(shape: Any, size: Any, options: Any, text: str) -> None:
    volume = Volume.from_array(np.stack([texture(shape[1:])] * shape[0]), size)
    with pytest.raises(BadRequest, match=text):
        align(volume, **options)


# --- who computes it ---------------------------------------------------------------------------------------------


@pytest.fixture
def raw(planted: Any, tmp_path: Path) -> tuple[str, np.ndarray[Any, Any]]:
    made = Volume.from_array(planted[0], SIZE).like(tmp_path / "raw.zarr", chunks=(1, 64, 64), shards=(2, 64, 64))
    made.write(None, planted[0])
    return str(tmp_path / "raw.zarr"), planted[0]


def test_a_cluster_that_loses_a_worker_gives_the_same(raw: Any, found: Alignment, tmp_path: Path) -> None:
    import distributed

    local = {"dashboard_address": ":0", "host": "127.0.0.1"}
    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, **local)
    killed: list[int] = []

    with cluster, distributed.Client(cluster) as client:
        victim = next(iter(client.run(os.getpid).values()))

        def kill(progress: Any) -> None:
            if progress.done >= 3 and not killed:
                killed.append(victim)
                os.kill(victim, signal.SIGKILL)

        shared = align(open_volume(raw[0]), out=tmp_path / "out.zarr", client=client, progress=kill)
    assert killed
    np.testing.assert_array_equal(shared.matrices, found.matrices)
    assert shared.volume is not None
    np.testing.assert_array_equal(shared.volume.read(), found.render(Volume.from_array(raw[1], SIZE)).read())


_JOB = """
import sys, ndlab
from ndlab.preprocess import align
def tell(progress):
    print(progress.done, flush=True)
align(ndlab.open(sys.argv[1]), out=sys.argv[2], workers=1, progress=tell)
"""


def test_a_killed_process_goes_on_where_it_was(raw: Any, found: Alignment, tmp_path: Path) -> None:
    out = tmp_path / "out.zarr"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    job = subprocess.Popen([sys.executable, "-c", _JOB, raw[0], str(out)], stdout=subprocess.PIPE, env=environment)
    assert job.stdout is not None
    for line in job.stdout:
        if int(line) >= 4:
            break
    job.kill()
    job.wait()
    job.stdout.close()
    again = align(open_volume(raw[0]), out=out, workers=1)
    receipts = [json.loads(one.read_text()) for one in (out / ".ndlab" / "runs").glob("*place*.receipt.json")]
    assert [one["skipped"] >= 3 for one in receipts] == [True], "what was done is not done again"
    np.testing.assert_array_equal(again.matrices, found.matrices)
    assert again.volume is not None
    np.testing.assert_array_equal(again.volume.read(), found.render(Volume.from_array(raw[1], SIZE)).read())
