"""`python -m impasto`."""

import sys

from impasto.apps.cli.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
