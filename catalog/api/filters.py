"""Filters of the API list, over the search table."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet

from catalog.domain.search_criteria import NONE
from catalog.models import ApiSearch
from catalog.selectors import search_query
from kernel.viewer import Viewer


class Keys(django_filters.BaseInFilter, django_filters.CharFilter):
    """`?domain=price,promotion`: alternatives; `none` is "not stated"."""

    def filter(self, qs: Any, value: Any) -> Any:
        return super().filter(qs, ["" if v == NONE else v for v in value] if value else value)


class ApiFilter(django_filters.FilterSet):
    q = django_filters.CharFilter(method="words", max_length=200, help_text="Words, matched as on the browse page")
    domain = Keys(lookup_expr="in")
    owner_team = Keys(field_name="team", lookup_expr="in")
    layer = Keys(lookup_expr="in")
    style = Keys(lookup_expr="in")
    tier = Keys(lookup_expr="in")
    data_class = Keys(lookup_expr="in")
    system = Keys(lookup_expr="in")
    state = django_filters.CharFilter(
        method="has_state", max_length=10, help_text="APIs with at least one version in this state"
    )
    judged = django_filters.BooleanFilter()

    class Meta:
        model = ApiSearch
        fields: list[str] = []

    def words(self, queryset: QuerySet[ApiSearch], name: str, value: str) -> QuerySet[ApiSearch]:
        understood = search_query.understand(value.replace("\x00", " "), viewer=Viewer.of(self.request.user))
        if understood.tsquery is None:
            return queryset.none()
        found = "api_id in (select m.api_id from catalog_search_hits(%s::tsquery, %s::tsquery, '', false) m)"
        parameters = [understood.tsquery.strict, understood.tsquery.wide]
        return queryset.extra(where=[found], params=parameters)  # noqa: S610 - parameters are bound

    def has_state(self, queryset: QuerySet[ApiSearch], name: str, value: str) -> QuerySet[ApiSearch]:
        return queryset.filter(states__contains=[value])
