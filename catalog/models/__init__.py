"""Tables of the catalog. Private to this room: others meet them through selectors and services."""

from catalog.models.apis import (
    Api,
    ApiEntity,
    ApiGroupObjectPermission,
    ApiUserObjectPermission,
    ApiVersion,
    Contract,
    ContractComparison,
    ContractRevision,
    VersionEndpoint,
)
from catalog.models.consumers import Application, Subscription, UsageBatch, UsageDay
from catalog.models.dependencies import Dependency
from catalog.models.deprecations import BrownOut, SunsetNotice
from catalog.models.imports import ContractUpload, ImportedThing, ImportFile, ImportRow, ImportRun, ImportSchedule
from catalog.models.observed import DriftReport, OperationUse
from catalog.models.ownership import Domain, Team
from catalog.models.provision import ProviderRight, RetailStore
from catalog.models.scorecards import Campaign
from catalog.models.search import ApiFacets, ApiSearch, DailyJob, SavedSearch, SearchWord
from catalog.models.systems import Destination, Environment, System, SystemEndpoint
from catalog.models.systems_of_record import AttributeGroup, Boundary, BusinessEntity, ScopeValue
from catalog.models.tallies import EvidenceTally
from catalog.models.tiers import SlaTier

__all__ = [
    "Api",
    "ApiEntity",
    "ApiFacets",
    "ApiGroupObjectPermission",
    "ApiSearch",
    "ApiUserObjectPermission",
    "ApiVersion",
    "Application",
    "AttributeGroup",
    "Boundary",
    "BrownOut",
    "BusinessEntity",
    "Campaign",
    "Contract",
    "ContractComparison",
    "ContractRevision",
    "ContractUpload",
    "DailyJob",
    "Dependency",
    "Destination",
    "Domain",
    "DriftReport",
    "Environment",
    "EvidenceTally",
    "ImportFile",
    "ImportRow",
    "ImportRun",
    "ImportSchedule",
    "ImportedThing",
    "OperationUse",
    "ProviderRight",
    "RetailStore",
    "SavedSearch",
    "ScopeValue",
    "SearchWord",
    "SlaTier",
    "Subscription",
    "SunsetNotice",
    "System",
    "SystemEndpoint",
    "Team",
    "UsageBatch",
    "UsageDay",
    "VersionEndpoint",
]
