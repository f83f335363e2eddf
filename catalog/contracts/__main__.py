"""`python -m catalog.contracts`."""

import sys

from catalog.contracts.cli import main

if __name__ == "__main__":
    sys.exit(main())
