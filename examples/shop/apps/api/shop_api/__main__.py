"""``python3 -m shop_api serve`` or ``python3 -m shop_api migrate``."""

import sys

from shop_api.migrate import migrate
from shop_api.server import serve
from shop_api.settings import Settings

COMMANDS = {"serve": serve, "migrate": migrate}

if len(sys.argv) != 2 or sys.argv[1] not in COMMANDS:
    sys.exit(f"usage: python3 -m shop_api {'|'.join(COMMANDS)}")
COMMANDS[sys.argv[1]](Settings.from_environment())
