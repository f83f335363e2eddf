"""Which rule of the database refused a write.

Code branches on the constraint's name, never on the wording of an error.
"""

from __future__ import annotations


def violated(error: Exception) -> str:
    """The name of the violated constraint, "" where the database names none.

    `error` is Django's, whose cause is the driver's.
    """
    diagnosis = getattr(error.__cause__, "diag", None)
    return getattr(diagnosis, "constraint_name", None) or ""
