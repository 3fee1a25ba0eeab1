"""The model a worker serves: its name, its revision, and the proof that its files are those that were prepared."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from common.errors import FinanceLLMError, ModelFilesError
from common.model_files import ModelManifest
from worker.settings import WorkerSettings


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A prepared model; `manifest` is None for the fake engine, which has no files."""

    settings: WorkerSettings
    manifest: ModelManifest | None

    @classmethod
    def of(cls, settings: WorkerSettings, engine: str) -> "ServedModel":
        """Read the manifest of the model an engine needs; raises ModelFilesError if there is none."""
        return cls(settings, None if engine == "fake" else ModelManifest.read(settings.model_path))

    @property
    def name(self) -> str:
        """Name shown to clients."""
        return "fake" if self.manifest is None else self.manifest.name

    @property
    def revision(self) -> str:
        """Stands for exactly these files."""
        return "fake" if self.manifest is None else self.manifest.revision

    @contextmanager
    def verified(self) -> Iterator[None]:
        """Hash the files while the block loads them; raises ModelFilesError if one differs from the manifest.

        That error comes first: what loading changed files leads to says less.
        """
        if self.manifest is None:
            yield
            return
        with ThreadPoolExecutor(1, thread_name_prefix="verify") as pool:
            check = pool.submit(self.manifest.verify, self.settings.model_path)
            try:
                yield
            except Exception as error:
                check.result()
                if isinstance(error, FinanceLLMError):
                    raise
                raise ModelFilesError(f"{self.settings.model_path} cannot be loaded: {error!r}.") from error
            check.result()
