"""The change kinds that governance itself registers: those of the catalog, of policies and of waivers."""


def register_all() -> None:
    """Called once by `GovernanceConfig.ready()`."""
