"""Bulk import: a folder of contracts, a CSV, Backstage catalog files, Open Data Contract Standard files."""

from catalog.services.importing.jobs import due, execute, request
from catalog.services.importing.leaving import leave
from catalog.services.importing.run import read_sources, run

__all__ = ["due", "execute", "leave", "read_sources", "request", "run"]
