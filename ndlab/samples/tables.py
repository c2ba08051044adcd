"""Measured tables that the package ships."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ndlab.samples.shipped import shipped

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "bock_density",
    "founding_throughput",
    "kasthuri_objects",
    "kasthuri_sasd",
    "kasthuri_spreadsheet",
    "kasthuri_synapses",
    "kasthuri_touches",
    "weiler_synapses",
]

_FLAGS = [
    "spine_apparatus",
    "single_synapse_spine",
    "terminal",
    "multi_synaptic",
    "in_cylinder_1",
    "in_cylinder_2",
    "in_cylinder_3",
]
_COUNTS = ["spine_id", "spine_volume_vx", "bouton_id", "vesicles", "mitochondria"]
_WORDS = ["axon_type", "location", "dendrite_type"]


def kasthuri_synapses() -> pd.DataFrame:
    """Return the 1700 synapses that Kasthuri et al. (2015) annotated in mouse somatosensory cortex, a row each.

    Every synapse whose density lies in one of three cylinders around two apical dendrites, with the axon and the
    dendrite that it joins. Empty cells (NA) are what nobody measured: vesicles, boutons, mitochondria and axon lengths
    belong to cylinder 1 only, spine measures to synapses on spines.

    Returns
    -------
    pandas.DataFrame
        ==================== ======== ==========================================================================
        column               unit     meaning
        ==================== ======== ==========================================================================
        synapse_id                    1 to 1700
        x_um, y_um, z_um     µm       centroid of the postsynaptic density; pixels of 6 nm, sections of 30 nm
        axon_id                       presynaptic neurite (856 of them)
        dendrite_id                   postsynaptic neurite (173; the two apical ones are 16 and 14)
        axon_type                     excitatory, inhibitory or myelinated; NA for one
        location                      spine or shaft; NA for one
        dendrite_type                 spiny or smooth
        psd_px               pixels   area of the density, summed over sections
        spine_id                      NA on shafts and where the spine has no number
        spine_volume_vx      voxels   the sheet's header says µm³, but its values (up to 40749) can only be voxels
        spine_apparatus               does the spine hold one; NA on shafts and where uncertain
        single_synapse_spine          is it the only synapse of its spine
        bouton_id                     NA outside cylinder 1
        terminal                      True at the end of an axon, False en passant
        multi_synaptic                does the bouton make more than one synapse
        vesicles                      number in the bouton
        mitochondria                  number in the bouton
        axon_length_um       µm       length of the axon's skeleton inside cylinder 1
        in_cylinder_1, 2, 3           the cylinders overlap
        ==================== ======== ==========================================================================

    References
    ----------
    Kasthuri N, Hayworth KJ, Berger DR, et al. (2015). Saturated reconstruction of a volume of neocortex. Cell
    162:648-661. https://doi.org/10.1016/j.cell.2015.06.054. The facts are those of its supplementary table (mmc2.xls),
    re-encoded; codes for "not available" became empty cells.

    Examples
    --------
    >>> table = kasthuri_synapses()
    >>> len(table), table.axon_id.nunique(), table.dendrite_id.nunique()
    (1700, 856, 173)
    >>> int((table.groupby(["axon_id", "dendrite_id"]).size() == 5).sum())
    1
    """
    import pandas as pd

    kinds = dict.fromkeys(_FLAGS, "boolean") | dict.fromkeys(_COUNTS, "Int64") | dict.fromkeys(_WORDS, "category")
    table: pd.DataFrame = pd.read_csv(shipped("kasthuri2015/synapses.csv"), dtype=kinds)
    return table


def kasthuri_touches() -> pd.DataFrame:
    """Return which axons touch which spines, with the ids that were published: 15,680 rows.

    Those ids are not those of `kasthuri_synapses`; `ndlab.analyze.peters_rule` finds out how they differ. A spine was
    dilated by 5 pixels of 24 nm in the plane and by one section, and every axon in that shell was noted.

    Returns
    -------
    pandas.DataFrame
        ``spine_id`` and ``axon_id``, one row for each pair.

    References
    ----------
    Graph ``kasthuri2015_ramon_v4_graph_touch`` of https://github.com/neurodata/ndpaper (Apache-2.0).

    Examples
    --------
    >>> kasthuri_touches().shape
    (15680, 2)
    """
    import pandas as pd

    return pd.read_csv(shipped("kasthuri2015/touches.csv"))


def kasthuri_objects() -> pd.DataFrame:
    """Return the 6708 objects that the annotators of Kasthuri et al. (2015) painted or used to group others.

    Returns
    -------
    pandas.DataFrame
        ``object_id`` (a spine's is its ``spine_id`` elsewhere), ``parent_id`` in the hierarchy, ``neurite_id`` of the
        cell that it is a piece of (a dendrite's is its ``dendrite_id``), anchor ``x_vx, y_vx, z_vx`` and box
        ``x0_vx … z1_vx`` [voxels of 6 x 6 x 30 nm; -1 where nothing is painted], ``name``.

    References
    ----------
    VAST export of https://github.com/neurodata/kasthuri2015 (Apache-2.0).

    Examples
    --------
    >>> int(kasthuri_objects().name.str.contains("Spine").sum()) > 1000
    True
    """
    import pandas as pd

    return pd.read_parquet(shipped("kasthuri2015/objects.parquet"))


def kasthuri_sasd() -> pd.DataFrame:
    """Return the 59 synapses that share their axon and their dendrite with another: 35 pairs of them.

    Returns
    -------
    pandas.DataFrame
        ``spine_id, dendrite_id, axon_id, spine_volume_vx, psd_px, vesicles, spine_apparatus, mitochondria``.

    References
    ----------
    ``sasdpairs.mat`` of https://github.com/neurodata/kasthuri2015 (Apache-2.0).

    Examples
    --------
    >>> kasthuri_sasd().groupby(["axon_id", "dendrite_id"]).ngroups
    28
    """
    import pandas as pd

    return pd.read_csv(shipped("kasthuri2015/sasd.csv"))


def kasthuri_spreadsheet() -> pd.DataFrame:
    """Return the spreadsheet of synapses that the claims notebooks of the founding paper published.

    The synapses are those of `kasthuri_synapses`, found again in what was painted. 23 axons, of 28 synapses, have
    another number, one to one, so that the graph is the same.

    Returns
    -------
    pandas.DataFrame
        ``synapse_id``; ``pre_id, post_id``, most of them the table's axon and dendrite plus 10,000; ``x_um,
        y_um, z_um``, where the paint of the synapse is.

    References
    ----------
    ``kasthuri2015_synapse_table.csv`` of https://github.com/neurodata/ndpaper (Apache-2.0).

    Examples
    --------
    >>> kasthuri_spreadsheet().groupby(["pre_id", "post_id"]).ngroups
    1559
    """
    import pandas as pd

    return pd.read_csv(shipped("kasthuri2015/spreadsheet.csv"))


def bock_density() -> pd.DataFrame:
    """Return how many synapses were detected in each of 61,776 blocks of mouse visual cortex.

    A block is 39 x 39 x 111 voxels of 128 x 128 x 45 nm, 4.99 x 4.99 x 5.00 µm. They are detections, with a precision
    of 0.69 and a recall of 0.62 where somebody looked, not synapses that were verified.

    Returns
    -------
    pandas.DataFrame
        ``x_px, y_px, z_section``, the centre of the block in those voxels; ``unmasked_vx``, how many of its 168,831
        voxels count (blood vessels and cell bodies do not); ``synapses``.

    References
    ----------
    Bock DD, Lee WCA, Kerlin AM, et al. (2011). Network anatomy and in vivo physiology of visual cortical neurons.
    Nature 471:177-182. https://doi.org/10.1038/nature09802. Counts: Upward-Spiral-Science, 2016, of detections by
    NeuroData, re-encoded.

    Examples
    --------
    >>> int(bock_density().synapses.sum())
    7704178
    """
    import pandas as pd

    return pd.read_parquet(shipped("bock11/density.parquet"))


def weiler_synapses() -> pd.DataFrame:
    """Return where synapses were detected by array tomography in mouse somatosensory cortex, volume Ex10R55.

    Returns
    -------
    pandas.DataFrame
        ``query`` (3 excitatory, 7 inhibitory), ``kind``, and the centroid ``x_px, y_px, z_section`` in voxels of
        100 x 100 x 70 nm, counted from 0.

    References
    ----------
    Weiler NC, Collman F, Vogelstein JT, Burns R, Smith SJ (2014). Synaptic molecular imaging in spared and deprived
    columns of mouse barrel cortex with array tomography. Scientific Data 1:140046. Detections: A. Simhal, from
    https://github.com/neurodata/synaptome-stats (Apache-2.0).

    Examples
    --------
    >>> weiler_synapses().groupby("kind", observed=True).size().to_dict()
    {'excitatory': 29744, 'inhibitory': 35227}
    """
    import pandas as pd

    return pd.read_parquet(shipped("weiler14/Ex10R55.parquet"))


def founding_throughput() -> pd.DataFrame:
    """Return what the founding system read, wrote and drew a second, as its Figure 1 shows it: 176 numbers.

    Returns
    -------
    pandas.DataFrame
        ``panel`` (read, write, annotate, tiles), ``series``, ``threads``, ``mb_per_thread`` [MB; empty where it does
        not apply], ``value``, ``unit`` (MB/s or frames/s).

    References
    ----------
    ``store/data`` of https://github.com/neurodata/ndpaper2016 (Apache-2.0), measured on an AWS i2.8xlarge.

    Examples
    --------
    >>> table = founding_throughput()
    >>> int(table[table.panel == "read"].value.max()), int(table[table.panel == "write"].value.max())
    (4798, 1720)
    """
    import pandas as pd

    return pd.read_csv(shipped("ndpaper2016/throughput.csv"))
