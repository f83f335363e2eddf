"""Tables of decisions. `governance/sql/` holds the triggers that guard them."""

from governance.models.approval import Approval, BreakGlass
from governance.models.change import (
    ChangeEvent,
    ChangeLink,
    ChangeRequest,
    ChangeSubject,
    CheckResult,
    Contributor,
    Slot,
)
from governance.models.decision import BreakAcceptance, Decision
from governance.models.freeze import FreezeInterval, FreezeWindow
from governance.models.gate import ApplicationRelease, ReleaseTally, Verdict
from governance.models.loosened import LoosenedFact
from governance.models.notice import GroupMapping, Notice, ProviderCheck, WebhookDelivery, WebhookEndpoint
from governance.models.people import Absence, Delegation
from governance.models.pipeline import PipelineConnection, PipelineDelivery, PipelineMapping, PipelineReview
from governance.models.policy import Policy
from governance.models.provisioning import GroupPattern, ProviderIdentity, ProvisionedGroup, ProvisionedPerson
from governance.models.waiver import Waiver

__all__ = [
    "Absence",
    "ApplicationRelease",
    "Approval",
    "BreakAcceptance",
    "BreakGlass",
    "ChangeEvent",
    "ChangeLink",
    "ChangeRequest",
    "ChangeSubject",
    "CheckResult",
    "Contributor",
    "Decision",
    "Delegation",
    "FreezeInterval",
    "FreezeWindow",
    "GroupMapping",
    "GroupPattern",
    "LoosenedFact",
    "Notice",
    "PipelineConnection",
    "PipelineDelivery",
    "PipelineMapping",
    "PipelineReview",
    "Policy",
    "ProviderCheck",
    "ProviderIdentity",
    "ProvisionedGroup",
    "ProvisionedPerson",
    "ReleaseTally",
    "Slot",
    "Verdict",
    "Waiver",
    "WebhookDelivery",
    "WebhookEndpoint",
]
