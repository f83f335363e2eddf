"""Addresses below /scim/v2/. A slash at the end makes no difference."""

from __future__ import annotations

from django.urls import path, re_path

from governance.api.scim import discovery, resources

app_name = "scim"
urlpatterns = [
    re_path(r"^Users/?\Z", resources.ProviderPeople.as_view(), name="people"),
    re_path(r"^Users/\.search/?\Z", resources.SearchPeople.as_view(), name="search-people"),
    re_path(r"^Users/(?P<key>[^/]+)/?\Z", resources.ProviderPerson.as_view(), name="person"),
    re_path(r"^Groups/?\Z", resources.ProviderGroups.as_view(), name="groups"),
    re_path(r"^Groups/\.search/?\Z", resources.SearchGroups.as_view(), name="search-groups"),
    re_path(r"^Groups/(?P<key>[^/]+)/?\Z", resources.ProviderGroup.as_view(), name="group"),
    re_path(r"^\.search/?\Z", resources.SearchEverything.as_view(), name="search"),
    re_path(r"^ServiceProviderConfigs?/?\Z", discovery.Service.as_view(), name="config"),
    re_path(r"^Schemas/?\Z", discovery.Schemas.as_view(), name="schemas"),
    re_path(r"^Schemas/(?P<key>[^/]+)/?\Z", discovery.Schema.as_view(), name="schema"),
    re_path(r"^ResourceTypes/?\Z", discovery.ResourceTypes.as_view(), name="types"),
    re_path(r"^ResourceTypes/(?P<key>[^/]+)/?\Z", discovery.OneResourceType.as_view(), name="type"),
    path("", discovery.NotHere.as_view(), name="service"),
    path("<path:path>", discovery.NotHere.as_view()),
]
