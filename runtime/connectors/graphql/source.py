"""Reading a connection of GraphQL page by page (pageInfo, edges or nodes)."""

from __future__ import annotations

from runtime.connectors.graphql.session import GraphQLSession
from runtime.connectors.graphql.settings import GraphQLSettings
from runtime.connectors.protocols import CallContext, Resource
from runtime.connectors.rest.source import RestSource


class GraphQLSource(RestSource):
    """The pages are those of REST; what an answer with errors means is said by the session."""

    def __init__(self, settings: GraphQLSettings) -> None:
        made = settings.of_reading()
        super().__init__(made, GraphQLSession(made, settings.codes))
        self.connection = settings.connection

    def discover(self, *, call: CallContext) -> list[Resource]:
        (found,) = super().discover(call=call)
        return [Resource(self.connection, found.key_fields, found.fields)]


__all__ = ["GraphQLSource"]
