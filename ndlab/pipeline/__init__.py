"""Steps over blocks: one task per block, on threads or on a Dask cluster, resumable and truthful.

A `Step` is a function of a `Box`; a `Run` calls it once for every block of a `Grid` (or of a list of boxes), keeps a
bounded window of tasks in flight, and writes each block's outcome to a `Record` beside the output. The same Run
started again, after a crash or ``kill -9``, does only what the record does not show as done. Scheduling is the
thread pool's or Dask's; the list of blocks, the window and the receipts are ndlab's.
"""

from ndlab.pipeline.blockwise import BlockStep
from ndlab.pipeline.estimate import Estimate
from ndlab.pipeline.lineage import Lineage
from ndlab.pipeline.loading import attach, load
from ndlab.pipeline.onlookers import looking_on
from ndlab.pipeline.outcome import Outcome
from ndlab.pipeline.progress import Progress, progress_bar
from ndlab.pipeline.receipt import Receipt
from ndlab.pipeline.record import Record
from ndlab.pipeline.run import Run
from ndlab.pipeline.runners import current_client
from ndlab.pipeline.status import Status, status
from ndlab.pipeline.step import Step, Task, describe, environment, fingerprint
from ndlab.pipeline.tasks import Tiling
from ndlab.pipeline.watching import Event, Look
from ndlab.pipeline.window import Window

__all__ = [
    "BlockStep",
    "Estimate",
    "Event",
    "Lineage",
    "Look",
    "Outcome",
    "Progress",
    "Receipt",
    "Record",
    "Run",
    "Status",
    "Step",
    "Task",
    "Tiling",
    "Window",
    "attach",
    "current_client",
    "describe",
    "environment",
    "fingerprint",
    "load",
    "looking_on",
    "progress_bar",
    "status",
]
