"""Answer tables as files: CSV, JSON lines, Parquet and Excel, written beside and renamed, so never half."""

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from api.query_export import ROW_COLUMNS, csv_line, guarded, row_cells, wide_cells, wide_columns
from common.errors import ConfigurationError
from common.queries import QueryQuestion, Row

SUFFIXES = (".csv", ".jsonl", ".parquet", ".xlsx")
_NEEDED = {".parquet": "pyarrow", ".xlsx": "xlsxwriter"}
_ROWS_A_GROUP = 1_000
_PARQUET_TYPES = {"index": "int64", "page": "int64", "confidence": "float64"}

Cells = dict[str, Any]
# Names, each with the part of an answer that it shows: a question's id may read like any part.
Columns = Mapping[str, str]


def check_suffix(path: Path) -> None:
    """Raise ConfigurationError for a format that is unknown or whose package is not installed."""
    if path.suffix not in SUFFIXES:
        raise ConfigurationError(f"{path}: the name must end in one of {', '.join(SUFFIXES)}.")
    package = _NEEDED.get(path.suffix)
    if package is None:
        return
    try:
        import_module(package)
    except ImportError as error:
        raise ConfigurationError(
            f"{path.suffix} files need the package {package}: install the extra with `pip install financellm[export]`, "
            "or name a .csv or .jsonl file."
        ) from error


def write_table(path: Path, rows: Iterator[Row], wide_questions: Sequence[QueryQuestion] | None) -> None:
    """Write rows in row order; with `wide_questions` one line a document instead of one an answer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}", suffix=path.suffix)
    os.close(handle)
    written = Path(name)
    try:
        if path.suffix == ".jsonl" and wide_questions is None:
            with written.open("w", encoding="utf-8") as file:
                file.writelines(row.model_dump_json() + "\n" for row in rows)
        else:
            columns = {part: part for part in ROW_COLUMNS} if wide_questions is None else wide_columns(wide_questions)
            cells = map(row_cells, rows) if wide_questions is None else _wide(rows, wide_questions)
            _WRITERS[path.suffix](written, columns, cells)
        written.replace(path)
    finally:
        written.unlink(missing_ok=True)


def _wide(rows: Iterator[Row], questions: Sequence[QueryQuestion]) -> Iterator[Cells]:
    group: list[Row] = []
    for row in rows:
        if group and group[0].document_id != row.document_id:
            yield wide_cells(group, questions)
            group = []
        group.append(row)
    if group:
        yield wide_cells(group, questions)


def _write_csv(path: Path, columns: Columns, lines: Iterator[Cells]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(csv_line(list(columns)))
        file.writelines(csv_line(list(cells.values())) for cells in lines)


def _write_jsonl(path: Path, _columns: Columns, lines: Iterator[Cells]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(cells, ensure_ascii=False) + "\n" for cells in lines)


def _write_parquet(path: Path, columns: Columns, lines: Iterator[Cells]) -> None:
    arrow: Any = import_module("pyarrow")
    parquet: Any = import_module("pyarrow.parquet")
    types = {name: _PARQUET_TYPES.get(part, "string") for name, part in columns.items()}
    schema = arrow.schema([(name, arrow.type_for_alias(alias)) for name, alias in types.items()])
    with parquet.ParquetWriter(path, schema) as writer:
        group: list[Cells] = []
        for cells in lines:
            group.append(cells)
            if len(group) == _ROWS_A_GROUP:
                writer.write_table(arrow.Table.from_pylist(group, schema))
                group = []
        if group:
            writer.write_table(arrow.Table.from_pylist(group, schema))


def _write_xlsx(path: Path, columns: Columns, lines: Iterator[Cells]) -> None:
    xlsxwriter: Any = import_module("xlsxwriter")
    # Strings stay strings: nothing a report says becomes a formula or a link.
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(str(path), options) as workbook:
        sheet = workbook.add_worksheet("answers")
        sheet.write_row(0, 0, list(columns))
        for number, cells in enumerate(lines, start=1):
            sheet.write_row(number, 0, [_short(guarded(cell)) for cell in cells.values()])


def _short(cell: Any) -> Any:
    # What Excel holds in a cell; a longer text is refused by it.
    return cell[:32_767] if isinstance(cell, str) else cell


_WRITERS: dict[str, Callable[[Path, Columns, Iterator[Cells]], None]] = {
    ".csv": _write_csv,
    ".jsonl": _write_jsonl,
    ".parquet": _write_parquet,
    ".xlsx": _write_xlsx,
}
