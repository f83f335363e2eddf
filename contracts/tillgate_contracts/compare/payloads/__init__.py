"""Payloads of events that are not JSON Schema: Avro and Protobuf, where their schema stands in the document."""
