"""GraphQL: queries page by page, mutations, bulk operations."""
