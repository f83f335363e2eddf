"""People and groups: /Users and /Groups, and the same by /.search (RFC 7644 §3.2 to §3.6)."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from governance.api.scim.base import MOST, PAGE, SEARCH, ScimView, listed, number
from governance.domain.scim import filters
from governance.domain.scim.errors import ScimError
from governance.domain.scim.projection import leaves_out, projected
from governance.domain.scim.schema import GROUPS, PEOPLE, ResourceType, uuid_of
from governance.models import ProvisionedGroup, ProvisionedPerson
from governance.selectors import provisioned, provisioned_filters
from governance.services.provisioning import groups, people

AT_ONCE = 500
"""So many resources are read at once where a filter has to be asked of each."""


class _List(ScimView):
    """A list, narrowed by a filter, page by page; of several kinds one after the other."""

    kinds: tuple[ResourceType, ...]

    def shown(self, kind: ResourceType, rows: list[Any], *, members: bool = True) -> list[dict[str, Any]]:
        if kind is PEOPLE:
            return provisioned.shown_people(rows, self.base, with_groups=members)
        return provisioned.shown_groups(rows, self.base, with_members=members)

    def page(self, asked: Any) -> Response:
        attributes, excluded = asked.get("attributes") or "", asked.get("excludedAttributes") or ""
        start = max(1, number(asked.get("startIndex"), "startIndex", 1))
        left = min(MOST, max(0, number(asked.get("count"), "count", PAGE)))
        text = asked.get("filter")
        if text is not None and not isinstance(text, str):
            raise ScimError(400, "`filter` is a text.", "invalidFilter")
        made = filters.parse(text) if text else None
        total, documents = 0, []
        for kind in self.kinds:
            skip = max(0, start - 1 - total)
            narrowed = provisioned_filters.narrowed(kind, made) if made is not None else None
            among = provisioned.every(kind).filter(narrowed.wanted if narrowed else Q())
            if made is None or (narrowed and narrowed.exact):
                number_of = among.count()
                chosen = list(among.values_list("pk", flat=True)[skip : skip + left])
            else:
                keys = self._keys(kind, among, made)
                number_of, chosen = len(keys), keys[skip : skip + left]
            rows = list(provisioned.every(kind).filter(pk__in=chosen))
            members = not leaves_out("groups" if kind is PEOPLE else "members", attributes, excluded)
            total, left = total + number_of, left - len(rows)
            documents += [projected(kind, one, attributes, excluded) for one in self.shown(kind, rows, members=members)]
        return Response(listed(documents, total, start), headers={"Cache-Control": "private, no-store"})

    def _keys(self, kind: ResourceType, among: QuerySet[Any], made: filters.Filter) -> list[Any]:
        """The ids of all that the filter is about, in the order of the list; each of `among` is asked."""
        keys = list(among.values_list("pk", flat=True))
        asks_members = not {"members", "groups"}.isdisjoint(filters.paths(made))
        hits = []
        for at in range(0, len(keys), AT_ONCE):
            rows = list(provisioned.every(kind).filter(pk__in=keys[at : at + AT_ONCE]))
            documents = self.shown(kind, rows, members=asks_members)
            hits += [row.pk for row, one in zip(rows, documents, strict=True) if filters.matches(made, one, kind)]
        return hits


class ProviderPeople(_List):
    """GET: people. POST: a new one, or one that somebody has named before."""

    kinds = (PEOPLE,)

    def get(self, request: Request) -> Response:
        return self.page(request.query_params)

    def post(self, request: Request) -> Response:
        row = people.create(self.body(), actor=self.caller)
        return self.one(PEOPLE, self.shown(PEOPLE, [row])[0], status=201)


class ProviderGroups(_List):
    """GET: the provider's groups. POST: a new one."""

    kinds = (GROUPS,)

    def get(self, request: Request) -> Response:
        return self.page(request.query_params)

    def post(self, request: Request) -> Response:
        row = groups.create(self.body(), actor=self.caller)
        return self.one(GROUPS, self.shown(GROUPS, [row])[0], status=201)


class _Search(_List):
    """RFC 7644 §3.4.3: the parameters of a list in a body, so that no address holds names of people."""

    def post(self, request: Request) -> Response:
        body = self.body()
        if not isinstance(body, dict):
            raise ScimError(400, f"Send one JSON object: {SEARCH}.", "invalidSyntax")
        return self.page(body)


class SearchPeople(_Search):
    kinds = (PEOPLE,)


class SearchGroups(_Search):
    kinds = (GROUPS,)


class SearchEverything(_Search):
    kinds = (PEOPLE, GROUPS)


class ProviderPerson(ScimView):
    """One person."""

    def get(self, request: Request, key: str) -> Response:
        number = uuid_of(key)
        row = provisioned.people().filter(pk=number).first() if number else None
        if row is None:
            raise ScimError(404, people.NOT_THERE)
        return self.answer(row)

    def answer(self, row: ProvisionedPerson) -> Response:
        return self.one(PEOPLE, provisioned.shown_people([row], self.base)[0])

    def put(self, request: Request, key: str) -> Response:
        return self.answer(people.replace(key, self.body(), actor=self.caller, if_match=self.if_match))

    def patch(self, request: Request, key: str) -> Response:
        return self.answer(people.patch(key, self.body(), actor=self.caller, if_match=self.if_match))

    def delete(self, request: Request, key: str) -> Response:
        people.take_out(key, actor=self.caller, if_match=self.if_match)
        return Response(status=204)


class ProviderGroup(ScimView):
    """One group of the provider."""

    def get(self, request: Request, key: str) -> Response:
        number = uuid_of(key)
        row = provisioned.groups().filter(pk=number).first() if number else None
        if row is None:
            raise ScimError(404, groups.NOT_THERE)
        return self.answer(row)

    def answer(self, row: ProvisionedGroup) -> Response:
        asked = self.request.query_params
        members = not leaves_out("members", asked.get("attributes", ""), asked.get("excludedAttributes", ""))
        return self.one(GROUPS, provisioned.shown_groups([row], self.base, with_members=members)[0])

    def put(self, request: Request, key: str) -> Response:
        return self.answer(groups.replace(key, self.body(), actor=self.caller, if_match=self.if_match))

    def patch(self, request: Request, key: str) -> Response:
        return self.answer(groups.patch(key, self.body(), actor=self.caller, if_match=self.if_match))

    def delete(self, request: Request, key: str) -> Response:
        groups.take_out(key, actor=self.caller, if_match=self.if_match)
        return Response(status=204)
