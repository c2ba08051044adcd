"""Tables of puncta: found in one channel, measured in all, told apart by a linear classifier; features of synapses."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import numpy as np

from ndlab.errors import BadRequest

if TYPE_CHECKING:
    import pandas as pd

    from ndlab.volume import Volume

__all__ = [
    "FEATURES", "Trials", "ari_by_dimension", "find_puncta", "linear_trials", "punctum_features", "read_detections",
    "transformed",
]  # fmt: skip

Array = np.ndarray[Any, Any]
FEATURES = ("f0", "f1", "f2", "f3", "f4", "f5")
"""Of each channel around a synapse: f0 integrated brightness, f1 local brightness, f2 distance to the centre of mass,
f3 moment of inertia around the synapse. The founding tables have two more that nobody wrote down; here they are f4, the
highest brightness, and f5, how much brighter the middle is than the rest."""
_MEDIAN_AREA = 0.09  # µm²


def find_puncta(
    volume: Volume,
    channel: str,
    *,
    threshold: float | None = None,
    median_area: Annotated[float, "µm²"] = _MEDIAN_AREA,
    merge: Annotated[float, "nm"] = 400.0,
    min_voxels: int = 3,
) -> pd.DataFrame:
    """Find the puncta of a channel and return a row for each: where, how large, how bright in every channel.

    Puncta are pieces of a section (4-connected) above a threshold; those of neighbouring sections whose centres are
    less than `merge` apart are one.

    Parameters
    ----------
    volume : Volume
        (c, z, y, x), channels named, calibrated.
    channel : str
        Such as the postsynaptic PSD-95.
    threshold : float, optional
        Without it the one at which the median punctum of a section has `median_area`.
    median_area : float
        [µm²]
    merge : float
        [nm]
    min_voxels : int
        Smaller pieces are noise.

    Returns
    -------
    pandas.DataFrame
        ``z``, ``y``, ``x`` [nm], ``area`` (the largest of its pieces [µm²]), ``sections``, and the mean brightness of
        each channel in it, z-scored over all puncta, under the channel's name.

    Examples
    --------
    >>> from ndlab.samples import array_tomography
    >>> table = find_puncta(array_tomography((8, 100, 100), pairs=10).volume(), "PSD95")
    >>> list(table)[:5], len(table) >= 15
    (['z', 'y', 'x', 'area', 'sections'], True)

    References
    ----------
    The detector FC15 of the founding lab: puncta of PSD-95 with a median of 0.09 µm², merged within 400 nm.
    """
    import pandas as pd

    values = volume.isel(c=channel).read()
    size = np.array(volume.voxel_size)
    area = float(size[1] * size[2]) / 1e6
    level = _threshold(values, median_area / area, min_voxels) if threshold is None else threshold
    labels, count = _pieces(values > level, min_voxels)
    number = _merged(labels, count, size, merge)
    names = [one.name for one in volume.channels]
    brightness = np.stack([_means(volume.isel(c=name).read(), labels, number) for name in names], 1)
    voxels = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    where = np.nonzero(labels)
    weight = np.bincount(number[labels[where]])[1:]
    centre = [np.bincount(number[labels[where]], one)[1:] / weight for one in where]
    largest = np.zeros(number.max(initial=0) + 1)
    np.maximum.at(largest, number[1:], voxels * area)
    sections = [len(np.unique(z)) for z in _grouped(number[labels[where]], where[0])]
    place = np.array(volume.offset) + (np.stack(centre, 1) + 0.5) * size
    table = pd.DataFrame(place, columns=["z", "y", "x"]).assign(area=largest[1:], sections=sections)
    deviation = np.where(brightness.std(axis=0) > 0, brightness.std(axis=0), 1)
    for name, column in zip(names, ((brightness - brightness.mean(axis=0)) / deviation).T, strict=True):
        table[name] = column
    return table


def _pieces(above: Array, least: int) -> tuple[Array, int]:
    """Label pieces of sections, without those that are noise."""
    from scipy.ndimage import label

    flat = np.zeros((3, 3, 3), bool)
    flat[1] = [[0, 1, 0], [1, 1, 1], [0, 1, 0]]
    labels, count = label(above, flat)
    keep = np.bincount(labels.ravel(), minlength=count + 1) >= least
    keep[0] = False
    return (np.cumsum(keep) * keep)[labels], int(keep.sum())


def _threshold(values: Array, voxels: float, least: int) -> float:
    """Find the level above which the median piece has so many voxels: they grow as it falls."""
    levels = np.unique(np.quantile(values, np.linspace(0.85, 0.999, 60)))
    best = levels[0]
    for level in levels[::-1]:
        labels, count = _pieces(values > level, least)
        best = level
        if count and np.median(np.bincount(labels.ravel())[1:]) >= voxels:
            break
    return float(best)


def _merged(labels: Array, count: int, size: Array, merge: float) -> Array:
    """Find the number of the punctum that each piece is part of; 0 stays 0."""
    from scipy.ndimage import center_of_mass
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    if not count:
        return np.zeros(1, int)
    centre = np.array(center_of_mass(labels > 0, labels, range(1, count + 1)))
    pairs = cKDTree(centre[:, 1:] * size[1:]).query_pairs(merge, output_type="ndarray")
    pairs = pairs[np.abs(np.diff(centre[pairs, 0], axis=1))[:, 0] == 1]
    _, number = connected_components(coo_array((np.ones(len(pairs)), pairs.T), (count, count)), directed=False)
    return np.concatenate([[0], number + 1])


def _means(values: Array, labels: Array, number: Array) -> Array:
    inside = labels > 0
    which = number[labels[inside]]
    found: Array = np.bincount(which, values[inside].astype(float))[1:] / np.bincount(which)[1:]
    return found


def _grouped(keys: Array, values: Array) -> list[Array]:
    order = np.argsort(keys, kind="stable")
    return np.split(values[order], np.flatnonzero(np.diff(keys[order])) + 1)


class Trials(NamedTuple):
    """How well a linear classifier tells synapses from other puncta, over trials with a fifth kept aside.

    `weights` are of the classifier of all rows; `chance` is what it thinks of each row (higher is more like a synapse).
    """

    precision: float
    recall: float
    f1: float
    average_precision: float
    weights: dict[str, float]
    chance: Array


def linear_trials(table: pd.DataFrame, synapse: Array, *, trials: int = 20, seed: int = 0) -> Trials:
    """Train linear support vector machines on puncta, and score each on the fifth that it did not see.

    Parameters
    ----------
    table : pandas.DataFrame
        As `find_puncta` returns it: brightness, area and sections are what is learnt from.
    synapse : ndarray of bool
        Which puncta are synapses.
    trials : int
    seed : int

    Examples
    --------
    >>> import pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> table = pd.DataFrame({"area": rng.random(200), "synapsin": rng.normal(size=200)})
    >>> linear_trials(table, table["synapsin"].to_numpy() > 0, trials=5).f1 > 0.9
    True
    """
    from sklearn.model_selection import StratifiedShuffleSplit
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    from ndlab.detect.scores import average_precision

    rows = table.drop(columns=["z", "y", "x"], errors="ignore")
    truth = np.asarray(synapse, bool)
    if truth.sum() < 5 or (~truth).sum() < 5:
        raise BadRequest(f"{truth.sum()} synapses and {(~truth).sum()} others", "a trial needs 5 of each at least")
    x = rows.to_numpy(float)

    def fitted(some: Array) -> Any:
        return make_pipeline(StandardScaler(), LinearSVC(random_state=seed, class_weight="balanced")).fit(
            x[some], truth[some]
        )

    scores = []
    for seen, unseen in StratifiedShuffleSplit(trials, test_size=0.2, random_state=seed).split(x, truth):
        chance = fitted(seen).decision_function(x[unseen])
        right = int(((chance > 0) & truth[unseen]).sum())
        scores.append((right / max(1, (chance > 0).sum()), right / truth[unseen].sum(),
                       average_precision(chance, truth[unseen])))  # fmt: skip
    precision, recall, ap = (float(one) for one in np.mean(scores, axis=0))
    whole = fitted(np.arange(len(x)))
    weights = dict(zip(rows.columns, whole[-1].coef_[0].tolist(), strict=True))
    return Trials(precision, recall, 2 * precision * recall / max(1e-12, precision + recall), ap, weights,
                  whole.decision_function(x))  # fmt: skip


def punctum_features(volume: Volume, points: Array, *, box: tuple[int, int, int] = (5, 11, 11)) -> pd.DataFrame:
    """Measure every channel around each synapse, and return a row for each with six columns a channel.

    Parameters
    ----------
    volume : Volume
        (c, z, y, x), channels named.
    points : ndarray, (n, 3)
        Centres (z, y, x) [nm].
    box : (z, y, x)
        Odd numbers of voxels around a centre; what lies outside the volume is dark.

    Returns
    -------
    pandas.DataFrame
        Columns ``CHANNEL_f0`` … ``CHANNEL_f5``, see `FEATURES`; distances and moments in µm and µm².

    Examples
    --------
    >>> from ndlab.samples import array_tomography
    >>> made = array_tomography((8, 80, 80), pairs=6)
    >>> table = punctum_features(made.volume(), made.of("excitatory"))
    >>> table.shape, bool(table["PSD95_f0"].mean() > table["GAD_f0"].mean())
    ((6, 36), True)
    """
    import pandas as pd

    size = np.array(volume.voxel_size)
    reach = [n // 2 for n in box]
    steps = np.stack(np.meshgrid(*[np.arange(-r, r + 1) * s / 1000 for r, s in zip(reach, size, strict=True)],
                                 indexing="ij"))  # fmt: skip
    far = (steps**2).sum(axis=0)
    near = far <= (1.5 * size[1:].max() / 1000) ** 2
    at = np.floor((np.asarray(points, float) - volume.offset) / size).astype(int)
    columns: dict[str, Array] = {}
    for name in [one.name for one in volume.channels]:
        held = np.pad(volume.isel(c=name).read().astype("f8"), [(r, r) for r in reach])
        rows = np.array([_six(_cut(held, one, box), steps, far, near) for one in at]).reshape(-1, len(FEATURES))
        columns |= {f"{name}_{feature}": rows[:, i] for i, feature in enumerate(FEATURES)}
    return pd.DataFrame(columns)


def _cut(held: Array, at: Array, box: tuple[int, int, int]) -> Array:
    return held[tuple(slice(a, a + n) for a, n in zip(at, box, strict=True))]


def _six(cut: Array, steps: Array, far: Array, near: Array) -> tuple[float, ...]:
    total = float(cut.sum())
    if total <= 0:
        return (0.0,) * 6
    centre = (steps * cut).sum(axis=(1, 2, 3)) / total
    local = float(cut[near].sum())
    rest = float(cut[~near].mean())
    return (total, local, float(np.linalg.norm(centre)), float((far * cut).sum() / total), float(cut.max()),
            float(cut[near].mean()) / max(rest, 1e-9))  # fmt: skip


def transformed(table: pd.DataFrame, how: Literal["raw", "scaled", "log", "zlog"]) -> pd.DataFrame:
    """Transform every column of a table of features by one of the founding analysis' four ways.

    Parameters
    ----------
    table : pandas.DataFrame
    how : {"raw", "scaled", "log", "zlog"}
        As they are; from 0 to 1000; log10(x + 1); the latter with mean 0 and deviation 1.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"a": [0.0, 9.0, 99.0]})
    >>> [transformed(table, how)["a"].round(2).tolist() for how in ("scaled", "log", "zlog")]
    [[0.0, 90.91, 1000.0], [0.0, 1.0, 2.0], [-1.22, 0.0, 1.22]]
    """
    if how == "raw":
        return table.copy()
    if how == "scaled":
        span = table.max() - table.min()
        return (table - table.min()) / span.where(span > 0, 1) * 1000
    if how not in ("log", "zlog"):
        raise BadRequest(f"transform {how!r}", 'there are "raw", "scaled", "log" and "zlog"')
    if (table.to_numpy() < 0).any():
        raise BadRequest("the logarithm of negative features", "log10(x + 1) is of what is 0 or more")
    logs: pd.DataFrame = table.add(1).map(np.log10)
    if how == "log":
        return logs
    deviation = logs.std(ddof=0)
    scored: pd.DataFrame = (logs - logs.mean()) / deviation.where(deviation > 0, 1)
    return scored


def ari_by_dimension(table: pd.DataFrame, classes: Array, *, most: int | None = None, seed: int = 0) -> pd.DataFrame:
    """Cluster the first principal components by k-means, and say how well clusters agree with known classes.

    Parameters
    ----------
    table : pandas.DataFrame
        Features, transformed.
    classes : ndarray
        Known class of each row; there are as many clusters as classes.
    most : int, optional
        Components to go up to; all unless given.
    seed : int

    Returns
    -------
    pandas.DataFrame
        ``dimension``; ``ari``, the adjusted Rand index; ``shuffled``, the same of classes in random order: what chance
        gives.

    Examples
    --------
    >>> import pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> classes = np.repeat([0, 1], 40)
    >>> table = pd.DataFrame(rng.normal(size=(80, 3)) + 4 * classes[:, None])
    >>> ari_by_dimension(table, classes, most=1)["ari"].tolist()
    [1.0]
    """
    import pandas as pd
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA
    from sklearn.metrics import adjusted_rand_score

    truth = np.asarray(classes)
    count = min(*table.shape, most or table.shape[1])
    places = PCA(count, random_state=seed).fit_transform(table.to_numpy(float))
    shuffled = np.random.default_rng(seed).permutation(truth)
    rows = []
    for d in range(1, count + 1):
        found = KMeans(len(np.unique(truth)), n_init=4, random_state=seed).fit_predict(places[:, :d])
        rows.append((d, adjusted_rand_score(truth, found), adjusted_rand_score(shuffled, found)))
    return pd.DataFrame(rows, columns=["dimension", "ari", "shuffled"])


def read_detections(path: str | os.PathLike[str]) -> pd.DataFrame:
    r"""Read a table of detections as the founding query engine wrote them, and return it with its own column names.

    Parameters
    ----------
    path : path
        CSV of ``col,row,z`` counted from 0, or without a header ``row,col,z`` counted from 1; other columns stay.

    Returns
    -------
    pandas.DataFrame
        ``x_px``, ``y_px``, ``z_section`` in voxels, counted from 0.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "found.csv"
    >>> _ = file.write_text("12,30,1\n14.5,31,2\n")
    >>> read_detections(file).to_numpy().tolist()
    [[29.0, 11.0, 0.0], [30.0, 13.5, 1.0]]
    """
    import pandas as pd

    first = pd.read_csv(path, nrows=0).columns
    names = [str(one).strip().lower() for one in first]
    if {"col", "row", "z"} <= set(names):
        table = pd.read_csv(path, engine="pyarrow")
        table.columns = pd.Index(names)
        return table.rename(columns={"col": "x_px", "row": "y_px", "z": "z_section"})
    if len(names) < 3 or not _number(names[0]):
        raise BadRequest(f"{os.fspath(path)} with columns {', '.join(names)}", "detections have col, row and z",
                         "or no header and row, col, z")  # fmt: skip
    rest = [f"column_{i}" for i in range(3, len(names))]
    table = pd.read_csv(path, header=None, names=["y_px", "x_px", "z_section", *rest])
    table[["x_px", "y_px", "z_section"]] -= 1
    return table[["x_px", "y_px", "z_section", *rest]]


def _number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
