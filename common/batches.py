"""What an OpenAI batch is beside being a bulk run: its endpoint, its files, its limits."""

from common.jobs import Value

COMPLETION_WINDOW = "24h"
COMPLETION_WINDOW_S = 86_400
MOST_LINES = 50_000
MOST_LINE_BYTES = 1 << 20
MOST_LINE_DEPTH = 20


class BatchSpec(Value):
    """A batch's own part of its run; `input_key` is where the file store has the input."""

    endpoint: str
    input_file_id: str
    input_key: str
    output_expires_after_s: int | None = None
