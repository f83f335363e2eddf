"""Bulk import: a folder of contracts, a CSV, Backstage catalog files, Open Data Contract Standard files."""

from catalog.services.importing.jobs import ask, carry, due
from catalog.services.importing.run import read_sources, run

__all__ = ["ask", "carry", "due", "read_sources", "run"]
