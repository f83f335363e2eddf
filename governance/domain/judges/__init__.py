"""The rules of the gate, one module for each part of the evidence. Each reads its part and adds reasons to the case."""
