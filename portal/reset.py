"""`make reset`: clear what `make up` keeps, unless it is running."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path

from portal.up import ROOT, StartRefused, only_one


def main() -> int:
    state = Path(os.environ.get("STATE_DIR", ROOT / ".state")).resolve()
    tag = hashlib.sha256(str(state).encode()).hexdigest()[:12]
    try:
        with only_one(state):
            # embedded.py keeps the data of a clone that the server's user cannot enter below /var/tmp
            for folder in (state, Path("/var/tmp") / f"tillgate-{tag}"):  # noqa: S108
                if folder.is_dir():
                    for inside in folder.iterdir():
                        if inside.name != "up.lock":
                            shutil.rmtree(inside) if inside.is_dir() else inside.unlink()
    except StartRefused as error:
        print(f"tillgate: {error} Then reset.", file=sys.stderr)
        return 1
    print("Cleared. The next `make up` starts from the demo retailer.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
