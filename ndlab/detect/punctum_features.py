"""Features of synapses in array tomography, and the founding analysis of their kinds."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ndlab.errors import BadRequest

if TYPE_CHECKING:
    import pandas as pd

    from ndlab.volume import Volume

__all__ = ["FEATURES", "ari_by_dimension", "punctum_features", "read_detections", "transformed"]

Array = np.ndarray[Any, Any]
FEATURES = ("f0", "f1", "f2", "f3", "f4", "f5")
"""Of each channel around a synapse: f0 integrated brightness, f1 local brightness, f2 distance to the centre of mass,
f3 moment of inertia around the synapse. The founding tables have two more that nobody wrote down; here they are f4, the
highest brightness, and f5, how much brighter the middle is than the rest."""


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
