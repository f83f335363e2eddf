"""Use-cases: authorise → load and lock → decide (pure) → save → record and emit."""
