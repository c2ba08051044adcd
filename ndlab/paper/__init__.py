"""Numbers and figures of a notebook, checked against what was published, and gathered into one report.

A notebook makes one `Results`, gives it every number and figure, and ends with ``results.check()``. Run alone it
shows a table; run by ``ndlab paper`` the same calls also fill the report.
"""

from ndlab.paper.claims import Claim
from ndlab.paper.results import Figure, Number, Results
from ndlab.paper.runner import notebooks_folder, run

__all__ = ["Claim", "Figure", "Number", "Results", "notebooks_folder", "run"]
