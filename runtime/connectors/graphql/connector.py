"""GraphQL over HTTP: a query with a connection is read, a mutation writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runtime.connectors.graphql.settings import GraphQLSettings
from runtime.connectors.graphql.sink import GraphQLSink
from runtime.connectors.graphql.source import GraphQLSource
from runtime.connectors.settings import read_settings

READ_ONLY = True


def source(settings: Mapping[str, Any]) -> GraphQLSource:
    return GraphQLSource(read_settings(GraphQLSettings, settings))


def sink(settings: Mapping[str, Any]) -> GraphQLSink:
    return GraphQLSink(read_settings(GraphQLSettings, settings))
