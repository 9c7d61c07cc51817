"""``python -m edgeai``."""

import sys

from .cli import main

sys.exit(main())
