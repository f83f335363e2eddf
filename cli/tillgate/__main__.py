"""`python -m tillgate`."""

import sys

from tillgate.main import main

if __name__ == "__main__":
    sys.exit(main())
