"""Action: integrations, deployments, the ledger, runs, dead letters, replay, reconciliation."""
