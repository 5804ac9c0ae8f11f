"""``python3 -m shop_api serve`` or ``python3 -m shop_api migrate``."""

import sys

from shop_api.migrate import migrate
from shop_api.server import serve
from shop_api.settings import Settings

COMMANDS = {"serve": serve, "migrate": migrate}

command = COMMANDS.get(" ".join(sys.argv[1:]))
if command is None:
    sys.exit(f"usage: python3 -m shop_api {'|'.join(COMMANDS)}")
command(Settings.from_environment())
