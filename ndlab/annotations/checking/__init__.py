"""Checking: whether a set of annotations agrees with itself, and mending what can be made anew from the rest."""

from ndlab.annotations.checking.findings import Finding, Report
from ndlab.annotations.checking.run import check

__all__ = ["Finding", "Report", "check"]
