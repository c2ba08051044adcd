"""The data catalogue: the original paper's Tables 1A, 1B and 1C and today's public locations, and a probe for them.

Each table is one readable tab-separated file beside this one; a blank cell means that no source states the value.
Voxel sizes are nanometres in (z, y, x), shapes and offsets voxels in (z, y, x). The offset is the original service's
coordinate of the first voxel. Licences are "not stated" wherever the sources name none, which is nearly everywhere.

What the totals are, and where they come from:

==========  ====  ==========================================================================================
table       rows  what they are
==========  ====  ==========================================================================================
``1A``      30    every row of the printed image table; two of them (lee14, xbrain) are blank in print
``1B``      59    annotation tokens on those images, the annotation channels of three image tokens, one set of
                  synapse detections, and three tokens that are neither (two atlases, a test volume)
``1C``      18    every row of the graph table
``public``  94    where the data, and newer data, are kept today; ask `probe` whether they answer
==========  ====  ==========================================================================================

The service of 2016 published a list of its tokens, images included. The catalogue marks them with `token`: 80, of
which 28 are images of Table 1A. Accounts of that list say 77 and 79; the two stored copies of it that name names
hold 79 (without kasthuri11cc) and, together, 80. Which three the count of 77 leaves out is recorded nowhere, so all
80 are here. Three more annotation tokens (kasthuri2015_ramon_v2 to v4) are newer than the list and not marked.

The sizes, channels and base levels of 1A and 1B come from the service's own metadata; its voxel sizes do not, since
nearly all of them were placeholders such as 1x1x10: they are the printed ones, doubtful ones said in `note`. A 1B row
is in voxels of its base level, so its voxel size is the image's times a power of two in the plane.
"""

from ndlab.store.catalog.listing import Datasets, dataset, datasets
from ndlab.store.catalog.probe import probe
from ndlab.store.catalog.rows import Dataset
from ndlab.store.catalog.verdict import LevelProbe, Probe

__all__ = ["Dataset", "Datasets", "LevelProbe", "Probe", "dataset", "datasets", "probe"]
