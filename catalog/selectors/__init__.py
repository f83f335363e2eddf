"""Reads. Functions that other rooms call answer with the frozen values of `catalog.domain.facts`."""
