"""The one list of who reacts to what. Rooms emit; only this file knows the listeners.

A handler must be idempotent: the outbox delivers at least once.
"""

from __future__ import annotations

from importlib import import_module

from kernel import outbox

# topic (or prefix with *) → "module:function"; modules are loaded at first start, so that no room waits for another.
REACTIONS: tuple[tuple[str, str], ...] = (
    ("governance.change_submitted", "governance.tasks:on_change_submitted"),
    ("governance.change_approved", "governance.tasks:on_change_approved"),
    ("governance.deployed_against_gate", "governance.tasks:on_deployed_against_gate"),
    ("governance.deployed_unasked", "governance.tasks:on_deployed_unasked"),
    ("governance.pipeline_fault", "governance.tasks:on_pipeline_fault"),
    ("governance.*", "governance.tasks:on_any"),
    ("governance.*", "governance.tasks:on_gate_may_differ"),
    ("catalog.*", "governance.tasks:on_gate_may_differ"),
    ("catalog.version_*", "governance.tasks:on_version_changed"),
    ("catalog.contract_revision_proposed", "governance.tasks:on_version_changed"),
    ("catalog.version_added", "catalog.tasks:version_added"),
    ("catalog.version_contract_changed", "catalog.tasks:version_added"),
    ("catalog.version_contract_replaced", "catalog.tasks:version_added"),
    ("catalog.version_deprecated", "catalog.tasks:version_deprecated"),
    ("catalog.sunset_notice", "portal.catalog_notices:on_sunset_notice"),
    ("catalog.subscription_move_planned", "portal.catalog_notices:on_move_planned"),
    ("catalog.subscription_ended", "portal.catalog_notices:on_move_planned"),
    ("catalog.brown_out_planned", "portal.catalog_notices:on_brown_out"),
    ("catalog.brown_out_cancelled", "portal.catalog_notices:on_brown_out"),
    ("catalog.import_requested", "catalog.tasks:import_requested"),
    ("catalog.import_needs_person", "portal.catalog_notices:on_import_needs_person"),
    ("runtime.deployed", "portal.runtime_notices:on_deployed"),
    ("runtime.rolled_back", "portal.runtime_notices:on_deployed"),
    ("runtime.deployed", "portal.field_readers:on_deployed"),
    ("runtime.rolled_back", "portal.field_readers:on_deployed"),
    ("runtime.retired", "portal.field_readers:on_deployed"),
    ("runtime.run_failed", "portal.runtime_notices:on_run_failed"),
    ("runtime.source_late", "portal.runtime_notices:on_source_late"),
    ("runtime.source_read_again", "portal.runtime_notices:on_source_read_again"),
    ("runtime.hook_fault", "portal.runtime_notices:on_hook_fault"),
    ("runtime.connection_fault", "portal.runtime_notices:on_connection_fault"),
    ("runtime.connection_restored", "portal.runtime_notices:on_connection_restored"),
    ("runtime.question_fault", "portal.runtime_notices:on_question_fault"),
    ("runtime.question_restored", "portal.runtime_notices:on_question_restored"),
    ("runtime.workers_silent", "portal.runtime_notices:on_workers_silent"),
    ("runtime.workers_missing", "portal.runtime_notices:on_workers_missing"),
    ("kernel.sign_ins_failed", "portal.sign_in_notices:on_sign_ins_failed"),
    ("kernel.signed_in_anew", "portal.new_places:on_new_place"),
    ("kernel.account_touched", "portal.account_notices:on_touched"),
    ("kernel.token_ends", "portal.token_notices:on_ends"),
    ("kernel.process_replaced", "portal.runtime_notices:on_process_replaced"),
    ("kernel.second_factor_changed", "portal.factor_notices:on_changed"),
    ("kernel.second_factor_guessed", "portal.factor_notices:on_guessed"),
    ("kernel.second_factor_copied", "portal.factor_notices:on_copied"),
    ("runtime.alert_opened", "portal.runtime_notices:on_alert"),
    ("runtime.alert_raised", "portal.runtime_notices:on_alert"),
    ("runtime.alert_joined", "portal.runtime_notices:on_alert_joined"),
    ("runtime.alert_resolved", "portal.runtime_notices:on_alert_resolved"),
    ("runtime.rewound", "portal.runtime_notices:on_rewound"),
    ("runtime.recovered", "portal.runtime_notices:on_recovered"),
    ("*", "governance.tasks:on_webhook"),
)


def connect() -> None:
    """Subscribe every reaction, and kick a worker when something is emitted."""
    for topic, target in REACTIONS:
        outbox.subscribe(topic, _Late(target))


class _Late:
    """Resolves its target at the first call; equal by target, so that connecting twice is once."""

    def __init__(self, target: str) -> None:
        self.target = target

    def __call__(self, event: object) -> None:
        module, _, function = self.target.partition(":")
        getattr(import_module(module), function)(event)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Late) and other.target == self.target

    def __hash__(self) -> int:
        return hash(self.target)
