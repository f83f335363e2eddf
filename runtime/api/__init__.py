"""REST API of the runtime."""
