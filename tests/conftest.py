"""What every test may use: the place of the shared real data, and a clean slate for process-wide state."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real retail data beside the repository; absent in a user's own clone."""
    folder = Path(os.environ.get("TILLGATE_SHARED", ROOT.parent / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip(f"real data is not at {folder}; set TILLGATE_SHARED to the folder that holds data/")
    return folder
