"""Middleware for the provider of an API: its answers say what the catalog says about versions that end.

    from tillgate.deprecation import DeprecationASGI, DeprecationWSGI, Deprecations

    ending = Deprecations("https://tillgate.example", token=…, environment="production", paths={"/v2": "price-api@v2"})
    application = DeprecationWSGI(application, ending)

Answers below `/v2` carry `Deprecation` (RFC 9745), `Sunset` (RFC 8594) and `Link`; during a brown-out of this
environment they are 503 with `Retry-After`. The standard library only.
"""

from tillgate.deprecation.asgi import DeprecationASGI
from tillgate.deprecation.ending import PlannedRefusal, VersionEnd
from tillgate.deprecation.refreshing import Deprecations
from tillgate.deprecation.wsgi import DeprecationWSGI

__all__ = ["DeprecationASGI", "DeprecationWSGI", "Deprecations", "PlannedRefusal", "VersionEnd"]
