"""The suite that every connector passes: the package `tillgate_conformance`, as any other connector inherits it."""

from tillgate_conformance import *  # noqa: F403
from tillgate_conformance import __all__ as __all__
