"""Sets of questions with typed columns, by name."""

from common.templates import signals
from common.templates.columns import Column

TEMPLATES: dict[str, tuple[Column, ...]] = {"signals": signals.COLUMNS}
