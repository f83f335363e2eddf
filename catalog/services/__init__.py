"""Writes: one function per use case. Only `publication` moves a version past review, and only governance may import
it."""
