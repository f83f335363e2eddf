"""Kafka: a topic is read by offsets that the ledger stores, and records are produced with the confirmation of all
replicas that are in sync."""
