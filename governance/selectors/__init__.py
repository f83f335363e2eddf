"""Reads, always given the viewer where visibility differs."""
