"""Comparison of GraphQL schemas: positions of output may only narrow, positions of input may only widen."""
