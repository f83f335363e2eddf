"""Catalog rules in plain Python: facts, lifecycle, scopes, names, dependency graphs, scorecards."""
