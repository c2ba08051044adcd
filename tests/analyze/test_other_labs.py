"""What answers the founding paper's questions answers them for data of other laboratories, without a change."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.spatial import cKDTree

import ndlab
from ndlab import analyze, measure
from ndlab.analyze import Window
from ndlab.annotations import Annotations, Synapse
from ndlab.graph import read
from ndlab.volume import Volume

REPEATS = "pairs of synapses"


def faces(labels: Any) -> dict[tuple[int, int], tuple[int, int, int]]:
    """How many faces across z, y and x each pair of labels shares."""
    found: dict[tuple[int, int], list[int]] = {}
    for axis in range(3):
        low, high = (np.moveaxis(labels, axis, 0)[cut].ravel() for cut in (slice(None, -1), slice(1, None)))
        touching = (low != high) & (low > 0) & (high > 0)
        ends = np.sort(np.stack([low, high], axis=1)[touching], axis=1)
        for pair, n in zip(*np.unique(ends, axis=0, return_counts=True), strict=True):
            found.setdefault((int(pair[0]), int(pair[1])), [0, 0, 0])[axis] = int(n)
    return {pair: (n[0], n[1], n[2]) for pair, n in found.items()}


def ends(graph: Any) -> list[tuple[int, int]]:
    return list(zip(graph.ids[graph.source].tolist(), graph.ids[graph.target].tolist(), strict=True))


# ------------------------------------------------------------------------------ a label volume of mouse visual cortex


def test_a_dense_segmentation_is_a_touch_graph_with_statistics(shared_data: Path) -> None:
    """Labels of pinky (Seung laboratory): touch, graph, invariants; equal to numpy and networkx, for any blocks."""
    volume = ndlab.open(shared_data / "pinky_segmentation" / "zarr3_sharded.ome.zarr")[200:232, 64:144, 64:144]
    graph = analyze.touch(volume)
    known = faces(volume.read())
    assert ends(graph) == sorted(known)
    z, y, x = volume.voxel_size
    areas = [n[0] * y * x + n[1] * z * x + n[2] * z * y for _, n in sorted(known.items())]
    np.testing.assert_allclose(graph.edges["area"], areas)
    assert analyze.touch(volume, block=(20, 50, 33)) == graph

    near = analyze.touch(volume, distance=64.0)
    assert set(ends(graph)) < set(ends(near)), "who shares a face is near, and so are others"
    peer = nx.Graph(sorted(known))
    found = analyze.invariants(graph, ["order", "size", "transitivity", "mean_degree"])
    degrees = [d for _, d in peer.degree]
    values = (peer.order(), peer.size(), nx.transitivity(peer), np.mean(degrees))
    assert [float(found[name]) for name in ("order", "size", "transitivity", "mean_degree")] == pytest.approx(values)
    parts = analyze.communities(graph, "multilevel")
    assert len(parts) == peer.order()


# ---------------------------------------------------------------------------------- a label volume of the fly medulla


@pytest.fixture(scope="module")
def touching(shared_data: Path) -> pd.DataFrame:
    """Supervoxels of FIB-25 (Janelia) as sites of the neuron that most of each belongs to, and who touches them."""
    import h5py

    with h5py.File(shared_data / "fib25_medulla" / "fib25_ts2_z000-089.h5") as store:
        box = np.s_[0:60, 40:200, 40:200]
        pieces, truth = store["supervoxels"][box], store["groundtruth"][box]
    both, size = np.unique(np.stack([pieces.ravel(), truth.ravel()], axis=1), axis=0, return_counts=True)
    both, size = both[(both > 0).all(axis=1)], size[(both > 0).all(axis=1)]
    most = both[np.argsort(size, kind="stable")]
    neuron = dict(zip(most[:, 0].tolist(), most[:, 1].tolist(), strict=True))
    volume = Volume.from_array(pieces, (10, 10, 10), kind="labels")
    graph = analyze.touch(volume, distance=30.0)
    table = pd.DataFrame(ends(graph), columns=["site", "other"]).assign(area=graph.edges["area"] + 100.0)
    table = pd.concat([table, table.rename(columns={"site": "other", "other": "site"})])
    table = table[table.site.isin(neuron) & table.other.isin(neuron)]
    table = table.assign(target=table.site.map(neuron), axon=table.other.map(neuron))
    table = table[table.axon != table.target]
    return table.groupby(["site", "axon", "target"]).area.sum().reset_index()


def planted(touches: pd.DataFrame, loyal: bool, seed: int) -> pd.DataFrame:
    """A synapse at half of the sites: of any axon that touches it, or of the target's favourite one."""
    rng = np.random.default_rng(seed)
    sites = rng.permutation(touches.site.unique())[: touches.site.nunique() // 2]
    some = touches[touches.site.isin(sites)].sample(frac=1, random_state=seed)
    if loyal:
        favourite = touches.groupby("target").axon.agg(lambda axons: axons.mode()[0])
        some = some.assign(not_it=some.axon != some.target.map(favourite)).sort_values("not_it", kind="stable")
    return some.drop_duplicates("site")[["site", "axon", "target"]]


def test_peters_rule_from_labels_to_p(touching: pd.DataFrame) -> None:
    """Real contacts, made-up synapses: the rule holds where it was followed, and falls where it was not."""
    assert touching.site.nunique() > 200
    assert touching.groupby("site").size().mean() > 1.5
    fair, loyal = planted(touching, False, 1), planted(touching, True, 1)
    found = analyze.peters_rule(touching, fair, draws=1000)
    assert found.recall.share == 1
    assert found.conversion.found == len(fair)
    assert found.conversion.of == len(touching)
    assert found.null_a[REPEATS].p > 0.01
    assert found.null_b[REPEATS].p > 0.01
    assert analyze.peters_rule(touching, loyal, draws=1000).null_a[REPEATS].p < 0.01
    by_area = analyze.peters_rule(touching, fair, draws=1000, weight="area")
    assert by_area.conversion == found.conversion


def test_ids_that_are_off_are_found_out(touching: pd.DataFrame) -> None:
    """The fault of the published touch graph, in other labels."""
    synapses = planted(touching, False, 2)
    assert not analyze.compare_ids(touching, synapses).suspicious
    shifted = analyze.compare_ids(touching.assign(site=touching.site + 1), synapses)
    assert shifted.suspicious
    assert shifted.best == (-1, 0)


# ------------------------------------------------------------------------------- synapses of a fly larva's nerve cord


@pytest.fixture(scope="module")
def densities(shared_data: Path) -> Any:
    """Synapses of 14 sections, true where one was painted."""
    files = sorted((shared_data / "vnc_larva_sstem" / "stack1" / "synapses").glob("*.png"))
    return np.stack([np.asarray(Image.open(file)) > 0 for file in files[:14]])


def test_synapses_of_a_nerve_cord_are_counted_in_blocks(densities: Any) -> None:
    volume = Volume.from_array(densities.astype("u1"), (50, 4.6, 4.6))
    numbered = measure.components(volume, connectivity=3)
    assert numbered.provenance["components"] == 46
    counts = analyze.count_in_blocks(numbered, (7, 256, 256))
    labels = numbered.read()
    where = np.argwhere(labels)
    whose = labels[tuple(where.T)]
    blocks = np.ravel_multi_index(tuple((where // (7, 256, 256)).T), (2, 4, 4))
    expected = np.zeros(len(counts))
    for number in range(1, 47):
        size = np.bincount(blocks[whose == number])
        if 2 * size.max() > size.sum():
            expected[np.flatnonzero((counts.index == np.unravel_index(size.argmax(), (2, 4, 4))).all(axis=1))[0]] += 1
    assert counts.counts.tolist() == expected.tolist()
    assert counts.counts.sum() >= 40
    assert counts.block == pytest.approx(7 * 0.05 * (256 * 0.0046) ** 2)

    table = measure.regions(numbered)
    assert (table["size"].sum(), len(table)) == (densities.sum(), 46)
    centres = [where[whose == number].mean(axis=0) for number in range(1, 47)]
    np.testing.assert_allclose(
        [[row[axis] for axis in "zyx"] for row in table], (np.array(centres) + 0.5) * (50, 4.6, 4.6), rtol=1e-9
    )


# ----------------------------------------------------------------------------------------- synapses of the hemibrain


def test_points_of_the_hemibrain_by_brute_force(shared_data: Path) -> None:
    """K, translation-corrected in a box, and G of the synapses of one projection neuron in the antennal lobe."""
    file = shared_data / "tables" / "hemibrain_da1_pn" / "synapses" / "722817260.csv"
    table = pd.read_csv(file).query("type == 'post' and roi == 'AL(R)'")
    points = table[["z", "y", "x"]].drop_duplicates().to_numpy(float) * 0.008
    low, high = points.min(axis=0) - 0.01, points.max(axis=0) + 0.01
    window = Window.box(high - low, low)
    r = np.linspace(0.2, 1.5, 6)
    i, j = cKDTree(points).query_pairs(r[-1], output_type="ndarray").T
    away = np.abs(points[i] - points[j])
    weight = 2 * window.volume**2 / np.prod(high - low - away, axis=1) / (len(points) * (len(points) - 1))
    length = np.sqrt((away**2).sum(axis=1))
    expected = [weight[length <= one].sum() for one in r]
    np.testing.assert_allclose(analyze.pair_function(points, window, r).k, expected, rtol=1e-6)
    crowd = analyze.nearest_neighbor(points, window, r)
    assert np.all(np.diff(crowd) >= 0)
    assert crowd[0] > 4 * (1 - np.exp(-len(points) / window.volume * 4 / 3 * np.pi * r[0] ** 3)), "synapses crowd"


# ------------------------------------------------------------------------------------------------- tables and graphs


def test_a_worms_table_of_contacts_becomes_its_connectome(shared_data: Path) -> None:
    """7,379 rows with padded names, two kinds: annotations, and the graph that pandas counts."""
    table = pd.read_csv(shared_data / "connectomes" / "celegans" / "herm_full_edgelist.csv")
    table.columns = [name.strip() for name in table.columns]
    cells = sorted(set(table.Source.str.strip()) | set(table.Target.str.strip()))
    number = {name: k + 1 for k, name in enumerate(cells)}
    chemical = table[table.Type.str.strip() == "chemical"]
    pre, post = (chemical[side].str.strip().map(number) for side in ("Source", "Target"))
    ann = Annotations.temporary(voxel_size=(50, 5, 5))
    ann.add(
        [
            Synapse(presegments=[int(a)], postsegments=[int(b)], weight=float(w))
            for a, b, w in zip(pre, post, chemical.Weight, strict=True)
        ]
    )
    graph = analyze.connectome(ann, multiple=False)
    expected: dict[tuple[int, int], float] = {}
    for a, b, w in zip(pre.tolist(), post.tolist(), chemical.Weight.tolist(), strict=True):
        expected[a, b] = expected.get((a, b), 0.0) + w
    found = dict(zip(ends(graph), graph.edges["weight"].tolist(), strict=True))
    assert len(chemical) == 4681
    assert found == expected


def test_contacts_of_a_worm_by_what_they_share(shared_data: Path) -> None:
    """Parallel edges of a multigraph are synapses that share both cells."""
    graph = read(shared_data / "connectomes" / "celegans" / "c.elegans.herm_pharynx_1.graphml")
    table = pd.DataFrame({"pre": graph.source, "post": graph.target, "weight": graph.edges["weight"]}).iloc[:400]
    found = analyze.pair_similarity(table, "weight", axon="pre", dendrite="post", draws=200)
    pre, post, log = table.pre.tolist(), table.post.tolist(), np.log10(table.weight).tolist()
    same = [
        abs(log[i] - log[j])
        for i, j in itertools.combinations(range(len(table)), 2)
        if pre[i] == pre[j] and post[i] == post[j]
    ]
    assert found.pairs == (len(same), 400 * 399 // 2 - len(same))
    assert len(same) > 10
    assert found.first == pytest.approx(np.mean(same))


def test_a_larvas_brain_has_the_statistics_of_its_list_of_edges(shared_data: Path) -> None:
    """119,010 edges of another laboratory, read and measured by the functions for 1,559."""
    file = shared_data / "connectomes" / "drosophila_larva_brain" / "G_edgelist.txt"
    graph = read(file, format="edgelist")
    rows = np.loadtxt(file).astype(np.int64)
    found = analyze.invariants(graph, ["order", "size"])
    assert (found["order"], found["size"]) == (len(np.unique(rows[:, :2])), len(rows)) == (3554, 119_010)
    degree = analyze.vertex_statistics(graph, ["degree"])["degree"]
    known = np.unique(rows[:, :2], return_counts=True)
    assert dict(zip(map(int, graph.ids), degree.tolist(), strict=True)) == dict(zip(*map(list, known), strict=True))
