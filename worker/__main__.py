"""`python -m worker`: one worker process."""

import os
import sys

from common.errors import ConfigurationError, FinanceLLMError, ModelFilesError
from common.telemetry import configure_logging, get_logger
from common.tracing import configure_tracing, flush_tracing
from worker.settings import load_settings
from worker.stop_signals import StopSignals


def main() -> int:
    """Run a worker; exit code 78 if it cannot start as configured."""
    try:
        settings = load_settings()
    except ConfigurationError as error:
        print(error.message, file=sys.stderr)
        return os.EX_CONFIG
    configure_logging(settings.log_level, "worker")
    # Until there is something to drain, a stop is immediate.
    stop_signals = StopSignals(lambda: os._exit(0))
    # Not before the signals are blocked: numpy starts threads when it is imported, and one of them would get the stop.
    from worker.app import run_worker

    try:
        configure_tracing("financellm-worker")
        return run_worker(settings, stop_signals)
    except (ConfigurationError, ModelFilesError) as error:
        print(error.message, file=sys.stderr)
        return os.EX_CONFIG
    except FinanceLLMError as error:
        get_logger("worker").error("worker ended", code=error.code, reason=error.message)
        return os.EX_UNAVAILABLE


if __name__ == "__main__":
    code = main()
    flush_tracing()
    sys.stderr.flush()
    # Threads of the torch and tokenizers libraries may hang at interpreter exit; everything of ours is stopped.
    os._exit(code)
