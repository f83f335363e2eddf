"""`python -m tillgate_contracts`."""

import sys

from tillgate_contracts.cli import main

if __name__ == "__main__":
    sys.exit(main(prog="python -m tillgate_contracts"))
