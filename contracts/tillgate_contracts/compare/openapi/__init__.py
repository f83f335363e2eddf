"""Comparison of OpenAPI documents (2.0 lifted, 3.0, 3.1, 3.2) and of what is lifted into that shape (OData EDMX)."""
