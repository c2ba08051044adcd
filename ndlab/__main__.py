"""``python -m ndlab`` is the `ndlab` command."""

import sys

from ndlab.cli import main

if __name__ == "__main__":
    sys.exit(main())
