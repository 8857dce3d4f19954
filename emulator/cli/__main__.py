"""`python -m emulator.cli`: the `cardrails` command without its installed script."""

import sys

from emulator.cli import main

sys.exit(main())
