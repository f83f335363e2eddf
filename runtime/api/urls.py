"""REST API of the runtime (`api/v1/…`)."""

from typing import Any

app_name = "runtime-api"
urlpatterns: list[Any] = []
