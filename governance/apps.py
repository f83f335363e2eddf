from django.apps import AppConfig


class GovernanceConfig(AppConfig):
    name = "governance"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Changes, approvals and the gate"

    def ready(self) -> None:
        from catalog.services import blueprint
        from governance.selectors import provisioned
        from governance.services import blueprint_groups, change_kinds
        from kernel import acting, persons

        acting.watch(
            "governance_groupmapping",
            "governance_grouppattern",
            "governance_provideridentity",
            "governance_checkresult",
        )
        change_kinds.register_all()
        if provisioned.named not in persons.NAMED_BY_PROVIDER:
            persons.NAMED_BY_PROVIDER.append(provisioned.named)
        blueprint.register("groups", blueprint_groups.write)
