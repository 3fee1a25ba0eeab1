"""Runs the gateway: `python -m api`."""

import os
import sys

from api.server import serve
from api.settings import load_settings
from common.errors import ConfigurationError
from common.telemetry import configure_logging
from common.tracing import configure_tracing


def main() -> int:
    """Serve until SIGTERM or SIGINT; returns the process's exit code."""
    try:
        settings = load_settings()
        configure_tracing("financellm-api")
    except ConfigurationError as error:
        print(error.message, file=sys.stderr)
        return os.EX_CONFIG
    configure_logging(settings.log_level, "api")
    return serve(settings)


if __name__ == "__main__":
    sys.exit(main())
