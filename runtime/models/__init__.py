"""Tables of the runtime. Hot ones are written by `runtime.ledger` in SQL; the classes here are for reading and for
migrations."""

from runtime.models.alerts import Alert, AlertEntry, AlertRule, AlertSignal, AlertSilence
from runtime.models.day_sums import DaySpan, DaySum, DaySumCursor, TillNumbers
from runtime.models.exceptions import Attempt, ConflictCase, QuarantinedMessage, RejectedMessage, UnkeptCount
from runtime.models.grants import IntakeGrant
from runtime.models.hooks import Hook, HookEvent, HookNotice, HookSequence
from runtime.models.integrations import ApprovedDestination, Deployment, EntityWrite, Integration, Pin, Release
from runtime.models.log import Head, Lane, LaneChange, LaneSleep, Message, Stream, StreamSource
from runtime.models.operation import Firing, RefusedCalls, Run, RunSpan, Schedule, SourceAlarm, Worker
from runtime.models.readings import ReadAgain
from runtime.models.reconciliation import TargetComparison
from runtime.models.recovery import DatabaseIdentity, KeyEpoch, Rewind
from runtime.models.replays import Replay
from runtime.models.retention import DroppedCount, Erasure, RetentionPolicy
from runtime.models.service_levels import (
    IndicatorDay,
    IndicatorPeriod,
    LaneMark,
    ObjectiveChange,
    ObjectivePolicy,
    ServiceIndicator,
)
from runtime.models.subscriptions import Delivery, Progress, TargetSubscription, VendorState
from runtime.models.tokens import SharedToken
from runtime.models.validity import DatedState, ValidityMoment

__all__ = [
    "Alert",
    "AlertEntry",
    "AlertRule",
    "AlertSignal",
    "AlertSilence",
    "ApprovedDestination",
    "Attempt",
    "ConflictCase",
    "DatabaseIdentity",
    "DatedState",
    "DaySpan",
    "DaySum",
    "DaySumCursor",
    "Delivery",
    "Deployment",
    "DroppedCount",
    "EntityWrite",
    "Erasure",
    "Firing",
    "Head",
    "Hook",
    "HookEvent",
    "HookNotice",
    "HookSequence",
    "IndicatorDay",
    "IndicatorPeriod",
    "IntakeGrant",
    "Integration",
    "KeyEpoch",
    "Lane",
    "LaneChange",
    "LaneMark",
    "LaneSleep",
    "Message",
    "ObjectiveChange",
    "ObjectivePolicy",
    "Pin",
    "Progress",
    "QuarantinedMessage",
    "ReadAgain",
    "RefusedCalls",
    "RejectedMessage",
    "Release",
    "Replay",
    "RetentionPolicy",
    "Rewind",
    "Run",
    "RunSpan",
    "Schedule",
    "ServiceIndicator",
    "SharedToken",
    "SourceAlarm",
    "Stream",
    "StreamSource",
    "TargetComparison",
    "TargetSubscription",
    "TillNumbers",
    "UnkeptCount",
    "ValidityMoment",
    "VendorState",
    "Worker",
]
