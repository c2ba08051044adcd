"""Puncta found in one channel, measured in all, and told apart by a linear classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np

from ndlab.errors import BadRequest

if TYPE_CHECKING:
    import pandas as pd

    from ndlab.volume import Volume

__all__ = ["Trials", "find_puncta", "linear_trials"]

Array = np.ndarray[Any, Any]
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
