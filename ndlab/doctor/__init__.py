"""Diagnose whether this machine is fit for ndlab (`environment`), and whether a store is whole (`diagnose`)."""

from ndlab.doctor.environment import environment
from ndlab.doctor.report import Finding, Report, Status
from ndlab.doctor.stores import diagnose

__all__ = ["Finding", "Report", "Status", "diagnose", "environment"]
