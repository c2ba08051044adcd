"""Diagnose an environment, a store (`diagnose`), or what runs: a hub, a server, a cluster (`installation`)."""

from ndlab.doctor.environment import environment
from ndlab.doctor.live import installation
from ndlab.doctor.report import Finding, Report, Status
from ndlab.doctor.stores import diagnose

__all__ = ["Finding", "Report", "Status", "diagnose", "environment", "installation"]
