"""Measured tables that the package ships."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["kasthuri_synapses"]

DATA = Path(__file__).resolve().parent / "data"

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
    table: pd.DataFrame = pd.read_csv(DATA / "kasthuri2015" / "synapses.csv", dtype=kinds)
    return table
