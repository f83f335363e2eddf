"""Comparison of AsyncAPI documents, versions 2 and 3."""
