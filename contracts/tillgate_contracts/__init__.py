"""The contract engine: reads API contracts of every kind, compares two of them and lints one. No server, no Django."""
