"""Evidence for the gate: what is known now about everything that the question names, one module for each part.

A harmless word may only come from a row that says it; absence is written in words.
"""

from governance.services.gate_evidence.gather import gather, snapshot

__all__ = ["gather", "snapshot"]
