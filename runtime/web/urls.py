"""Pages of the runtime (`runtime/…`)."""

from typing import Any

app_name = "runtime"
urlpatterns: list[Any] = []
