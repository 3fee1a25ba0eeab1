"""The models that are served: what was prepared here, and what live workers say they run."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

import anyio.to_thread
from pydantic import BaseModel, Field

from api.capacity import Capacity
from common.errors import ModelFilesError, ModelNotFoundError
from common.model_files import ModelManifest
from common.overviews import WorkerInfo
from common.protocol import MODEL_ALIAS


class ModelView(BaseModel):
    """A served model, in the shape OpenAI clients read, with what it was made of."""

    id: str
    object: Literal["model"] = "model"
    created: int = Field(description="Unix seconds; 0 where only workers know the model.")
    owned_by: Literal["financellm"] = "financellm"
    base: str | None
    adapter: str | None
    revision: str
    scores: dict[str, float] = Field(description="Measured results of the adapter.")
    workers: list[WorkerInfo] = Field(description="Workers seen lately that serve this revision.")


class ModelList(BaseModel):
    """All served models."""

    object: Literal["list"] = "list"
    data: list[ModelView]


def read_manifest(folder: Path) -> ModelManifest | None:
    """Return the prepared model's manifest, None if there is none; blocks."""
    try:
        return ModelManifest.read(folder)
    except ModelFilesError:
        return None


async def served_models(folder: Path, capacity: Capacity) -> ModelList:
    """Return all served models, read off the event loop; raises UnavailableError."""
    manifest = await anyio.to_thread.run_sync(read_manifest, folder)
    return model_list(manifest, (await capacity.overview()).workers)


def find_model(models: ModelList, name: str) -> ModelView:
    """Return the first model of this name, or under the common alias the first of all.

    Raises ModelNotFoundError in words that name those there are.
    """
    for view in models.data:
        if name in {view.id, MODEL_ALIAS}:
            return view
    names = ", ".join(sorted({view.id for view in models.data} | {MODEL_ALIAS}))
    raise ModelNotFoundError(f"There is no model {name[:64]!r} here; known names: {names}.", "model")


def model_list(manifest: ModelManifest | None, workers: Sequence[WorkerInfo]) -> ModelList:
    """Return the prepared model first, then models that only workers know."""
    views: dict[tuple[str, str], ModelView] = {}
    if manifest is not None:
        views[manifest.name, manifest.revision] = _prepared(manifest)
    for worker in workers:
        key = (worker.model, worker.model_revision)
        view = views.setdefault(key, _served(worker))
        view.workers.append(worker)
    return ModelList(data=list(views.values()))


def _prepared(manifest: ModelManifest) -> ModelView:
    return ModelView(
        id=manifest.name,
        created=int(datetime.fromisoformat(manifest.created_at).timestamp()),
        base=manifest.base,
        adapter=manifest.adapter,
        revision=manifest.revision,
        scores=manifest.scores,
        workers=[],
    )


def _served(worker: WorkerInfo) -> ModelView:
    return ModelView(
        id=worker.model, created=0, base=None, adapter=None, revision=worker.model_revision, scores={}, workers=[]
    )
