"""``python -m dicomarray``."""

import sys

from dicomarray.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
