"""What goes over the wire for collections and documents."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from api.job_views import timestamp
from api.schemas import Timestamp
from common.collections import Collection, DocumentCounts, DocumentRecord, DocumentStatus, ItemError
from common.pages import Page


class CollectionCreation(BaseModel):
    """A new, empty collection."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    name: str = Field(min_length=1, max_length=200, description="For people; need not be unique.")


class CollectionView(BaseModel):
    """A collection as its caller sees it."""

    id: str
    object: Literal["collection"] = "collection"
    name: str
    created_at: Timestamp
    documents: DocumentCounts
    bytes: int = Field(description="Size of all files.")


class DocumentView(BaseModel):
    """A document as its caller sees it; what reading it tells is null until it is ready."""

    id: str
    object: Literal["document"] = "document"
    name: str
    bytes: int
    sha256: str
    status: DocumentStatus
    error: ItemError | None = Field(description="Why it cannot be read, if it failed.")
    pages: int | None
    company: str | None
    period: str | None
    doc_type: str | None
    created_at: Timestamp


class PageView(BaseModel):
    """The text of one page, as citations quote it; `page` counts from one."""

    document_id: str
    document: str
    page: int
    pages: int
    text: str


class CollectionPage(BaseModel):
    """A page of collections."""

    object: Literal["list"] = "list"
    data: list[CollectionView]
    has_more: bool
    last_id: str | None


class DocumentPage(BaseModel):
    """A page of documents."""

    object: Literal["list"] = "list"
    data: list[DocumentView]
    has_more: bool
    last_id: str | None


class Deleted(BaseModel):
    """That an object is gone."""

    id: str
    object: str
    deleted: Literal[True] = True


def collection_view(collection: Collection) -> CollectionView:
    """Return a collection for the wire."""
    return CollectionView(
        id=collection.id,
        name=collection.name,
        created_at=timestamp(collection.created_at_ms),
        documents=collection.documents,
        bytes=collection.bytes,
    )


def document_view(document: DocumentRecord) -> DocumentView:
    """Return a document for the wire."""
    return DocumentView(
        id=document.id,
        name=document.name,
        bytes=document.bytes,
        sha256=document.sha256,
        status=document.status,
        error=document.error,
        pages=document.pages,
        company=document.company,
        period=document.period,
        doc_type=document.doc_type,
        created_at=timestamp(document.created_at_ms),
    )


def page_view(document: DocumentRecord, page: Page) -> PageView:
    """Return a page for the wire."""
    return PageView(
        document_id=document.id, document=document.name, page=page.number, pages=document.pages or 0, text=page.text
    )
