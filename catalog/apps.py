from django.apps import AppConfig


class CatalogConfig(AppConfig):
    name = "catalog"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Catalog"

    def ready(self) -> None:
        """Addresses know what a version label and a contract digest look like."""
        from django.urls import register_converter
        from django.urls.converters import REGISTERED_CONVERTERS

        from catalog.domain.url_converters import DigestConverter, LabelConverter
        from kernel import acting

        acting.watch(
            "catalog_team",
            "catalog_systemendpoint",
            "catalog_apiuserobjectpermission",
            "catalog_apigroupobjectpermission",
        )
        for name, converter in (("label", LabelConverter), ("digest", DigestConverter)):
            if name not in REGISTERED_CONVERTERS:
                register_converter(converter, name)
