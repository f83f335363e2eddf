"""Pages of the runtime."""
