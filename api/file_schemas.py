"""What goes over the wire for files, as OpenAI clients expect it."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from common.errors import RequestError, UnsupportedParameterError
from common.stored_files import FILE_ID_PATTERN, StoredFile
from common.wire import faults_in_words

Seconds = Annotated[int, Field(ge=3_600, le=2_592_000)]
FORM_FIELDS = frozenset({"purpose", "expires_after[anchor]", "expires_after[seconds]"})


class UploadForm(BaseModel):
    """The fields beside an uploaded file."""

    model_config = ConfigDict(extra="forbid")

    purpose: Literal["batch"]
    expires_after_s: Seconds | None = Field(None, alias="expires_after[seconds]")


class FileView(BaseModel):
    """A file; times are Unix seconds."""

    id: str = Field(pattern=FILE_ID_PATTERN)
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    expires_at: int | None
    filename: str
    purpose: str
    status: Literal["processed"] = "processed"


class FilePage(BaseModel):
    """Files; pass `last_id` as `after` to read on."""

    object: Literal["list"] = "list"
    data: list[FileView]
    first_id: str | None
    last_id: str | None
    has_more: bool


class DeletedFile(BaseModel):
    """A file is gone."""

    id: str
    object: Literal["file"] = "file"
    deleted: Literal[True] = True


def read_form(fields: dict[str, str]) -> UploadForm:
    """Read the fields of an upload; raises RequestErrors that name the field."""
    for name in fields:
        if name not in FORM_FIELDS:
            raise UnsupportedParameterError(f"The form field {name[:64]!r} is not supported here.", name[:64])
    anchor = fields.get("expires_after[anchor]")
    if anchor not in {None, "created_at"}:
        raise RequestError("expires_after[anchor] must be created_at.", "expires_after[anchor]")
    if (anchor is None) != ("expires_after[seconds]" not in fields):
        raise RequestError("expires_after needs both anchor and seconds.", "expires_after")
    values = {name: value for name, value in fields.items() if name != "expires_after[anchor]"}
    try:
        return UploadForm.model_validate(values)
    except ValidationError as error:
        fault = faults_in_words(error.errors(include_input=False, include_url=False))[0]
        raise RequestError(f"{fault.field}: {fault.reason}", fault.field) from error


def file_view(file: StoredFile) -> FileView:
    """Return a file as its caller sees it."""
    return FileView(
        id=file.id,
        bytes=file.bytes,
        created_at=file.created_at_ms // 1000,
        expires_at=None if file.expires_at_ms is None else file.expires_at_ms // 1000,
        filename=file.filename,
        purpose=file.purpose,
    )
