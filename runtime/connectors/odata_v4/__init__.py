"""OData V4: reading in a stable order or by delta links, and writing."""
