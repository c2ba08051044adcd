"""Neuroglancer itself on layers that were exported: every annotation is drawn where it is, and clicking knows it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import ndimage

from ndlab.annotations import Annotations, Neuron
from ndlab.annotations.exchange import export
from tests.browser.test_neuroglancer import Shown, page_of
from tests.servers import FolderServer, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.timeout(300)

# On a lattice of 25 nm, so that marks of a few pixels do not run into each other: 28 by 24 places of the plane z = 500.
PLACES = np.array([(500, y, x) for y in range(205, 805, 25) for x in range(150, 850, 25)], float)


@pytest.fixture(scope="module")
def client() -> Iterator[str]:
    """Serve Neuroglancer's page, as its package does, and return its address."""
    import neuroglancer

    neuroglancer.set_server_bind_address("127.0.0.1")
    viewer = neuroglancer.UnsynchronizedViewer()
    yield viewer.get_viewer_url().partition("/#")[0]
    neuroglancer.stop()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Layers of the same points, in shards and in files, and of lines; many others in planes that are not seen."""
    found = tmp_path_factory.mktemp("layers")
    rng = np.random.default_rng(0)
    away = rng.uniform((0, 0, 0), (400, 1000, 1000), (3000, 3))
    places = np.concatenate([PLACES, away])
    table = {"id": np.arange(len(places), dtype=np.uint64) + np.uint64(2**40)}
    table |= {axis: places[:, i] for i, axis in enumerate("zyx")}
    table |= {f"{end}_{axis}": places[:, i] + 5 * (axis == "x") * (1 if end == "post" else -1)
              for i, axis in enumerate("zyx") for end in ("pre", "post")}  # fmt: skip
    table["even"] = (np.arange(len(places)) % 2).astype(np.uint8)
    table["cell"] = np.where(np.arange(len(places)) < 100, 2**60 + 1, 2**60 + 2).astype(np.uint64)
    pq.write_table(pa.table(table), found / "points.parquet")
    made: dict[str, dict[str, Any]] = {"shards": {}, "files": {"sharded": False}, "lines": {"geometry": "line"}}
    for name, options in made.items():
        export(found / "points.parquet", f"precomputed://{found}/{name}", properties=["even"], relationships=["cell"],
               limit=200, **options)  # fmt: skip
    ann = Annotations.temporary()
    ann.add([Neuron(id=2**60 + 1, keys={"name": "axon of 100"}), Neuron(id=2**60 + 2, keys={"name": "the others"})])
    ann.export(f"precomputed://{found}/cells", segments=True, label="name", tags=[])
    return found


def state(server: str, name: str, *others: dict[str, Any], **layer: Any) -> dict[str, Any]:
    shader = "void main() { setColor(prop_even() == uint(1) ? vec3(0.0, 1.0, 0.0) : vec3(1.0, 0.0, 0.0)); %s }"
    mark = "setLineWidth(3.0); setEndpointMarkerSize(0.0);" if name == "lines" else (
        "setPointMarkerSize(7.0); setPointMarkerBorderWidth(0.0);"
    )  # fmt: skip
    source = f"precomputed://{server}/{name}"
    return {
        "dimensions": {axis: [1e-9, "m"] for axis in "xyz"}, "position": [500, 500, 500], "crossSectionScale": 1,
        "layout": "xy", "showAxisLines": False, "showScaleBar": False, "showDefaultAnnotations": False,
        "layers": [{"type": "annotation", "name": "a", "source": source, "shader": shader % mark,
                    "crossSectionAnnotationSpacing": 1, **layer}, *others],
    }  # fmt: skip


def marks(shot: Any, channel: int) -> Any:
    """Return the centres (row, column) of marks of one colour."""
    strong = (shot[..., channel] > 200) & (np.delete(shot, channel, -1) < 60).all(-1)
    strong[:60] = strong[:120, :30] = False  # bars of the page, names of the axes
    labelled, count = ndimage.label(strong)
    return np.array(ndimage.center_of_mass(strong, labelled, range(1, count + 1))).reshape(-1, 2)


def drawn(shown: Shown, client: str, wanted: dict[str, Any], count: int) -> tuple[Any, float, float]:
    """Return the picture of a state once it has that many marks, and has them still a moment later."""
    shown.open(f"{client}/#!{quote(json.dumps(wanted))}")
    before = -1
    for _ in range(60):
        # Now and then the page drops a layer that it was opened with while it loads.
        shown.page.evaluate(
            "one => viewer.layerManager.managedLayers.length < one.layers.length && viewer.state.restoreState(one)",
            wanted,
        )
        shot, row, column = shown.picture()
        there = len(marks(shot, 0)) + len(marks(shot, 1))
        if before == there >= count:
            break
        before = there
        shown.page.wait_for_timeout(300)
    return shot, row, column


@pytest.mark.parametrize("name", ["shards", "files", "lines"])
def test_every_annotation_of_the_plane_is_drawn_in_its_colour(
    browser: Browser, folder: Path, client: str, name: str
) -> None:
    levels = json.loads((folder / name / "info").read_text())["spatial"]
    assert len(levels) > 2
    with serving(FolderServer(folder)) as server, page_of(browser, server.url) as shown:
        shot, row, column = drawn(shown, client, state(server.url, name), 400)
        seen = (PLACES[:, 1] - 500 + row < 690) & (PLACES[:, 1] - 500 + row > 70)
        seen &= (PLACES[:, 2] - 500 + column < 880) & (PLACES[:, 2] - 500 + column > 20)
        assert seen.sum() > 400
        for even, channel in ((0, 0), (1, 1)):
            found = marks(shot, channel)
            which = seen & (np.arange(len(PLACES)) % 2 == even)
            expected = PLACES[which, 1:] - 500 + (row, column)
            away = np.abs(found[None] - expected[:, None]).max(-1).min(1)
            assert away.max() < 2.5
        asked = {path.split("/")[2].partition("?")[0] for _, path in shown.answers if path.count("/") > 1}
        assert {f"spatial{i}" for i in range(len(levels))} <= asked
        assert all(status < 400 or status == 404 for status, _ in shown.answers)


def test_a_chosen_segment_shows_its_own_and_is_known_by_name(browser: Browser, folder: Path, client: str) -> None:
    with serving(FolderServer(folder)) as server, page_of(browser, server.url) as shown:
        cells = {"type": "segmentation", "name": "cells", "source": f"precomputed://{server.url}/cells",
                 "segments": [str(2**60 + 1)]}  # fmt: skip
        linked = {"linkedSegmentationLayer": {"cell": "cells"}, "filterBySegmentation": ["cell"]}
        shot, row, column = drawn(shown, client, state(server.url, "shards", cells, **linked), 100)
        found = np.concatenate([marks(shot, channel) for channel in (0, 1)])
        own = PLACES[:100, 1:] - 500 + (row, column)
        own = own[(own[:, 0] > 70) & (own[:, 0] < 690) & (own[:, 1] > 20) & (own[:, 1] < 880)]
        assert len(found) == len(own) > 50
        assert np.abs(found[None] - own[:, None]).max(-1).min(1).max() < 2.5
        assert (
            shown.page.evaluate(
                """() => {
                const layer = viewer.layerManager.getLayerByName("cells").layer;
                const group = layer.displayState.segmentationGroupState.value;
                const found = group.segmentPropertyMap.value;
                return found.getSegmentLabel([...group.visibleSegments][0]);
            }"""
            )
            == "axon of 100"
        )
