"""``python -m kangen``, for where the folder of scripts is not on PATH."""

import sys

from kangen.cli import main

sys.exit(main())
