"""OpenAI batches as a source: JSON lines in, one response object a line out."""

import json
from collections.abc import Collection, Iterator, Sequence
from http import HTTPStatus
from typing import Any

from common.batches import MOST_LINE_BYTES, MOST_LINES, BatchSpec
from common.bulk import BulkRun, LineError, OpenItem, Part, ResultFile, item_job_id, result_file_id
from common.completions import chat_completion
from common.errors import ModelNotFoundError, RequestError, UnsupportedParameterError
from common.files import FileStore
from common.jobs import GenerateRequest, JobError
from common.protocol import MODEL_ALIAS, ChatCompletionRequest
from worker.bulk.batch_lines import BadLineError, RawLine, digest, line_error, raw_lines, read_line
from worker.bulk.source import Ask, BulkItem, ItemEnd, OutputRecord, ScannedItem

# Refused like the same request at its own endpoint; everything else has no HTTP status to show.
REFUSALS = {
    "invalid_request": HTTPStatus.BAD_REQUEST,
    "unsupported_parameter": HTTPStatus.BAD_REQUEST,
    "prompt_too_long": HTTPStatus.BAD_REQUEST,
    "model_not_found": HTTPStatus.NOT_FOUND,
}


class BatchSource:
    """The lines of one batch's input file; a cursor is a byte position, `models` are the names that are served."""

    def __init__(self, run: BulkRun, files: FileStore, models: Collection[str] = ()) -> None:
        self._run = run
        self._files = files
        self._models = frozenset({*models, MODEL_ALIAS})
        self._spec = BatchSpec.model_validate(run.spec)

    def scan(self) -> Iterator[ScannedItem | LineError]:
        """Check every line; identical requests are twins, sampled ones too, as their seed decides the answer."""
        seen: set[bytes] = set()
        line = None
        for line in self._lines(0, 0):
            if line.index == MOST_LINES:
                yield LineError(
                    code="too_many_lines", message=f"A batch may have {MOST_LINES} lines.", line=line.number
                )
                return
            try:
                yield self._scanned(line, seen)
            except BadLineError as error:
                yield line_error(line, error)
        if line is None:
            yield LineError(code="empty_file", message="The input file holds no request.")

    def items(self, cursor: int, index: int) -> Iterator[BulkItem]:
        """Yield the lines from a position on."""
        for line in self._lines(cursor, index):
            value = read_line(line, self._spec.endpoint, MOST_LINE_BYTES)
            yield BulkItem(line.index, line.start, line.end, value["custom_id"], value["body"])

    def request(self, item: BulkItem) -> Ask | JobError:
        """Return a line's chat request."""
        try:
            chat = ChatCompletionRequest.parse(item.payload)
            self._check_model(chat.model)
            return Ask(_asked(chat), {"model": chat.model})
        except RequestError as error:
            return JobError(code=error.code, message=error.message)

    def record(self, item: OpenItem, end: ItemEnd) -> OutputRecord:
        """Return a line of the output file, or of the error file."""
        request_id = item_job_id(self._run.id, item.index)
        row: dict[str, Any] = {
            "id": request_id.replace("job_", "batch_req_"),
            "custom_id": item.label,
            "response": None,
            "error": None,
        }
        succeeded = end.job is not None and end.job.result is not None and end.error is None
        if end.job is not None and end.job.result is not None and end.error is None:
            body = chat_completion(end.job, end.job.result, str(item.note.get("model", "")))
            row["response"] = _response(200, request_id, body.model_dump(mode="json"))
        elif end.error is not None and end.error.code in REFUSALS:
            row["response"] = _response(REFUSALS[end.error.code], request_id, {"error": _refusal(end.error)})
        elif end.error is not None:
            row["error"] = {"code": end.error.code, "message": end.error.message}
        return OutputRecord(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode(), succeeded)

    def files(self, parts: Sequence[Part]) -> tuple[ResultFile, ...]:
        """Both files belong to the caller."""
        return tuple(
            ResultFile(
                id=result_file_id(self._run.id, part.stream),
                filename=f"{self._run.id}_{part.stream}.jsonl",
                key=part.key(self._run.id),
                bytes=part.bytes,
                stream=part.stream,
                expires_after_s=self._spec.output_expires_after_s,
            )
            for part in parts
        )

    def _check_model(self, name: str) -> None:
        if name not in self._models:
            names = ", ".join(sorted(self._models))
            raise ModelNotFoundError(f"There is no model {name[:64]!r} here; known names: {names}.", "model")

    def _lines(self, cursor: int, index: int) -> Iterator[RawLine]:
        return raw_lines(self._files, self._spec.input_key, cursor, index, MOST_LINE_BYTES)

    def _scanned(self, line: RawLine, seen: set[bytes]) -> ScannedItem:
        value = read_line(line, self._spec.endpoint, MOST_LINE_BYTES)
        custom_id = digest(value["custom_id"])
        if custom_id in seen:
            words = f"custom_id {value['custom_id'][:64]!r} is used twice; it must be unique in the batch."
            raise BadLineError("duplicate_custom_id", words, "custom_id")
        seen.add(custom_id)
        body = json.dumps(value["body"], sort_keys=True, separators=(",", ":"))
        return ScannedItem(line.index, line.start, digest(body))


def _asked(chat: ChatCompletionRequest) -> GenerateRequest:
    if chat.is_stream:
        raise UnsupportedParameterError("stream: a batch has nobody to stream to; leave it out.", "stream")
    return chat.generate_request()


def _response(status: int, request_id: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"status_code": int(status), "request_id": request_id, "body": body}


def _refusal(error: JobError) -> dict[str, Any]:
    return {"message": error.message, "type": "invalid_request_error", "param": None, "code": error.code}
