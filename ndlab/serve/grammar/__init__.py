"""The paths of the Open Connectome Project and NeuroData services: text to request and back.

A path is one of::

    /sd/<token>/<channel,...>/<service>/<arguments>       (also /ca/, also behind /ocp/ or /nd/)
    /overlay/<alpha>/<server>/<token>/<channel>/<server>/<token>/<channel>/<plane>/<arguments>
    /catmaid/[mcfc/|maxproj/]<token>/<channel,...>/[width:<n>/][size:256/]<plane>/[filter/<ids>/][<t>/]<z>/<y>_<x>_<level>.png
    /catmaid/viking/<token>/volume/<channel>/<level>/X<x>_Y<y>_Z<z>.png
    /synaptogram/<token>/<channel,...>/xy/<cut>
    /synaptogram/<token>/<channel,...>/<x>,<y>,<z>/<options of its own, see grammar.synaptograms>

A *cut* is ``<level>/<x0>,<x1>/<y0>,<y1>/<z0>,<z1>/[<t0>,<t1>/]``: half-open, counted in the dataset's own
coordinates at that level, so the first slice of a dataset that starts at z = 2917 is 2917. A plane's cut has one
number in place of the range along its third axis, and one for the time. Options follow in any order: ``neariso/``,
``window/<lo>,<hi>/``, ``filter/<id,id,...>/``, ``direct/`` and ``aligned/``; the last two asked the old servers for
another way of reading and change nothing here.
"""

from ndlab.serve.grammar.paths import format_path as format  # noqa: A004 - parse and format are a pair
from ndlab.serve.grammar.paths import parse
from ndlab.serve.grammar.requests import (
    RESERVED,
    Cut,
    Cutout,
    Options,
    Overlay,
    Picture,
    Request,
    Synaptogram,
    SynaptogramAt,
    Tile,
    VoxelId,
)

__all__ = [
    "RESERVED",
    "Cut",
    "Cutout",
    "Options",
    "Overlay",
    "Picture",
    "Request",
    "Synaptogram",
    "SynaptogramAt",
    "Tile",
    "VoxelId",
    "format",
    "parse",
]
