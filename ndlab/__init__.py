"""ndlab: a Jupyter-centric laboratory for brain volumes too big to download.

Open a store, get a volume; everything else hangs from these few names, each loaded when it is first used.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ndlab import analyze as analyze
    from ndlab import detect as detect
    from ndlab import errors as errors
    from ndlab import explore as explore
    from ndlab import measure as measure
    from ndlab import samples as samples
    from ndlab.annotations import Annotations as Annotations
    from ndlab.geometry import Box as Box
    from ndlab.graph import Graph as Graph
    from ndlab.ingesting import ingest as ingest
    from ndlab.store.catalog import dataset as dataset
    from ndlab.store.catalog import datasets as datasets
    from ndlab.volume import Volume as Volume

    # What opens at an address is known only when it is there; checkers are told of the volume, which nearly all are.
    from ndlab.volume import open as open  # noqa: A004 - the name users know from zarr and xarray

__version__ = "0.1.0"

_HOME = {
    "Annotations": "ndlab.annotations",
    "Box": "ndlab.geometry",
    "Graph": "ndlab.graph",
    "Volume": "ndlab.volume",
    "dataset": "ndlab.store.catalog",
    "datasets": "ndlab.store.catalog",
    "ingest": "ndlab.ingesting",
    "open": "ndlab.opening",
}
_ROOMS = ("analyze", "detect", "errors", "explore", "measure", "samples")

__all__ = [*sorted(_HOME), *_ROOMS, "__version__"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
    elif name in _ROOMS:
        value = import_module(f"ndlab.{name}")
    else:
        raise AttributeError(f"module 'ndlab' has no attribute {name!r}; it has {', '.join(__all__)}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)


# In a notebook, what stands on lower floors is told how to display itself; elsewhere nothing is loaded.
if "IPython" in sys.modules:
    import_module("ndlab.explore.display").register()
