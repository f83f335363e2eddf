"""The catalog for machines: `/.well-known/api-catalog` (RFC 9727 over RFC 9264 linksets) and an Atom feed (RFC
4287)."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import orjson
from django.contrib.auth.decorators import login_not_required
from django.db import connection
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from catalog.api.base import CatalogView, tags
from catalog.models import Domain
from catalog.selectors import history
from catalog.selectors.lifecycle_headers import absolute
from catalog.selectors.search import visibility as visibility_of
from kernel import clock
from kernel.errors import NotFound

PROFILE = "https://www.rfc-editor.org/info/rfc9727"
LINKSET = f'application/linkset+json; profile="{PROFILE}"'
WELL_KNOWN = "/.well-known/api-catalog"
MOST = 2000

_ITEMS = """
select s.slug, s.name, s.domain, a.status_url, a.documentation_url,
       (select jsonb_agg(
                 jsonb_build_object(
                   'label', v.label, 'state', v.state, 'digest', v.contract_id, 'media_type', c.media_type,
                   'url', e.url, 'sunset', v.sunset_at, 'deprecated', v.deprecated_at)
                 order by v.position desc, v.id desc)
          from catalog_apiversion v
          left join catalog_contract c on c.digest = v.contract_id
          left join lateral (
            select url
              from catalog_versionendpoint ve
              join catalog_environment en on en.id = ve.environment_id
             where ve.version_id = v.id
             order by en.key <> 'production', en.position
             limit 1) e on true
         where v.api_id = s.api_id
           and v.state in ('published', 'deprecated')) as versions
  from catalog_apisearch s
  join catalog_api a on a.id = s.api_id
 where {where}
   and s.states && array['published', 'deprecated']::varchar[]
 order by s.name, s.slug
 limit {limit}
"""


def linkset(viewer: Any, domain: str = "") -> dict[str, Any]:
    """The linkset that this viewer may see. An estate too large for one document is nested: one catalog per domain."""
    params: dict[str, Any] = {"domain": domain}
    where = visibility_of(viewer, params) + (" and domain = %(domain)s" if domain else "")
    with connection.cursor() as cursor:
        cursor.execute(_ITEMS.format(where=where, limit=MOST + 1), params)
        rows = cursor.fetchall()
    here = absolute(WELL_KNOWN) + (f"?domain={quote(domain)}" if domain else "")
    top: dict[str, Any] = {"anchor": here}
    if not domain:
        nested = [
            {"href": f"{absolute(WELL_KNOWN)}?domain={quote(key)}", "title": name}
            for key, name in Domain.objects.values_list("key", "name")
        ]
        if nested:
            top["api-catalog"] = nested
        if len(rows) > MOST and nested:
            return {"linkset": [top]}
    contexts = [context for row in rows[:MOST] for context in _contexts(row)]
    top["item"] = [{"href": c["anchor"]} for c in contexts]
    return {"linkset": [top, *contexts]}


def _contexts(row: tuple[Any, ...]) -> list[dict[str, Any]]:
    slug, name, _, status_url, documentation_url, versions = row
    made = []
    for version in orjson.loads(versions) if isinstance(versions, str) else versions or []:
        page = absolute(f"/catalog/apis/{slug}/versions/{quote(version['label'])}/")
        meta = absolute(f"/api/v1/apis/{slug}/versions/{quote(version['label'])}")
        context: dict[str, Any] = {"anchor": version["url"] or meta}
        if version["digest"]:
            context["service-desc"] = [
                {
                    "href": absolute(f"/api/v1/contracts/{version['digest']}"),
                    "type": version["media_type"],
                    "title": f"{name} {version['label']}",
                }
            ]
        context["service-doc"] = [{"href": documentation_url or page, "type": "text/html"}]
        context["service-meta"] = [{"href": meta, "type": "application/json"}]
        if status_url:
            context["status"] = [{"href": status_url}]
        if version["deprecated"]:
            context["deprecation"] = [{"href": page, "type": "text/html"}]
        if version["sunset"]:
            context["sunset"] = [{"href": page, "type": "text/html"}]
        made.append(context)
    return made


def _answer(request: Request, body: bytes, media_type: str) -> HttpResponse:
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    wanted = request.headers.get("If-None-Match", "")
    response = (
        HttpResponse(status=304)
        if tag in tags(wanted) or wanted.strip() == "*"
        else HttpResponse(body, content_type=media_type)
    )
    response.headers["ETag"] = tag
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Vary"] = "Authorization, Cookie"
    return response


class ApiCatalog(CatalogView):
    """GET and HEAD, conditional; each viewer gets the APIs that they may see."""

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        domain = request.query_params.get("domain", "")
        if domain and ("\x00" in domain or not Domain.objects.filter(key=domain[:60]).exists()):
            raise NotFound("domain.unknown", f"There is no domain {domain[:60]!r}.")
        response = _answer(request, orjson.dumps(linkset(self.viewer, domain)), LINKSET)
        response.headers["Link"] = f'<{absolute(WELL_KNOWN)}>; rel="api-catalog"'
        return response

    def head(self, request: Request) -> HttpResponse:
        return self.get(request)


_ATOM = "http://www.w3.org/2005/Atom"


class ChangesFeed(CatalogView):
    """The newest changes of the catalog as an Atom feed."""

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        entries = history.recent(viewer=self.viewer)
        ElementTree.register_namespace("", _ATOM)
        feed = ElementTree.Element(f"{{{_ATOM}}}feed")
        _add(feed, "id", absolute("/catalog/changes.atom"))
        _add(feed, "title", "Changes of the API catalog")
        _add(
            feed,
            "updated",
            (history.newest_at(entries) or clock.now().replace(hour=0, minute=0, second=0, microsecond=0)).isoformat(),
        )
        _add(feed, "link", "", rel="self", href=absolute("/catalog/changes.atom"), type="application/atom+xml")
        author = ElementTree.SubElement(feed, f"{{{_ATOM}}}author")
        _add(author, "name", "Tillgate")
        for entry in entries:
            slug, _, label = entry.subject_id.partition("@")
            path = f"/catalog/apis/{slug}/versions/{quote(label)}/" if label else f"/catalog/apis/{slug}/"
            item = ElementTree.SubElement(feed, f"{{{_ATOM}}}entry")
            _add(item, "id", absolute(f"/ledger/{entry.pk}"))
            _add(item, "title", f"{entry.subject_id} {history.word_of(entry.verb)}")
            _add(item, "updated", entry.at.isoformat())
            _add(item, "link", "", rel="alternate", href=absolute(path), type="text/html")
            _add(item, "category", "", term=entry.verb)
            who = ElementTree.SubElement(item, f"{{{_ATOM}}}author")
            _add(who, "name", _legible(entry.actor_text))
            _add(item, "summary", _legible(entry.reason or f"{entry.subject_id} {history.word_of(entry.verb)}"))
        body = b'<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(feed, encoding="utf-8")
        return _answer(request, body, "application/atom+xml; charset=utf-8")


def _legible(text: str) -> str:
    """XML 1.0 has no form for most control characters."""
    return "".join(c for c in text if c in "\t\n\r" or c >= " ")


def _add(parent: ElementTree.Element, name: str, text: str, **attributes: str) -> None:
    made = ElementTree.SubElement(parent, f"{{{_ATOM}}}{name}", attributes)
    if text:
        made.text = text


# These addresses are outside /api/, and the sign-in page must not answer for them: the views check session or token.
api_catalog = login_not_required(ApiCatalog.as_view())
changes_feed = login_not_required(ChangesFeed.as_view())
