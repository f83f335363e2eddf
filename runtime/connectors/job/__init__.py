"""Asynchronous jobs: submit, ask until it is done, fetch what it made."""
