"""The contract engine: reads every kind of API contract, compares two of them and lints one. Plain Python, no Django."""
