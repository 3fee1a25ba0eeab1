"""Engines by name; the packages of one engine are imported only when it is chosen."""

import os
from collections.abc import Callable
from importlib.util import find_spec

from common.errors import ConfigurationError
from common.model_files import TOKENIZER_NAME
from common.tokens import ChatTokenizer
from worker.engine.base import Engine
from worker.engine.fake import ByteTokenizer, FakeEngine
from worker.engine.requests import EngineLimits
from worker.engine.text import Tokenizer
from worker.settings import WorkerSettings


def choose_engine(settings: WorkerSettings) -> str:
    """Return the engine's name; `auto` is native where it is built and packed, else transformers.

    Raises ConfigurationError if neither is there.
    """
    if settings.engine != "auto":
        return settings.engine
    if _native_is_ready(settings):
        return "native"
    if find_spec("torch") and find_spec("transformers"):
        return "transformers"
    raise ConfigurationError(
        "No engine is there: the native one is not built or its packed model is missing, and the packages of the "
        "transformers engine are not installed. Run `financellm model prepare`, or `pip install "
        "financellm[transformers]`."
    )


def engine_builder(settings: WorkerSettings, name: str) -> Callable[[], Engine]:
    """Return a function that builds a fresh engine of this name."""
    return lambda: BUILDERS[name](settings)


def tokenizer_for(settings: WorkerSettings, name: str) -> Tokenizer:
    """Return the tokenizer that goes with an engine; raises ModelFilesError if its file is missing."""
    if name == "fake":
        return ByteTokenizer()
    return ChatTokenizer.from_file(settings.model_path / TOKENIZER_NAME)


def _native_is_ready(settings: WorkerSettings) -> bool:
    if find_spec("worker.engine.native.engine") is None:
        return False
    from worker.engine.native.engine import unavailable_reason
    from worker.engine.native.packed import PACKED_NAME

    return unavailable_reason() is None and (settings.model_path / PACKED_NAME).is_file()


def _fake(settings: WorkerSettings) -> Engine:
    return FakeEngine(settings.max_rows, settings.max_job_tokens, settings.fake_step_ms, settings.fake_faults)


def _native(settings: WorkerSettings) -> Engine:
    from worker.engine.native.engine import NativeEngine, NativeOptions

    options = NativeOptions(
        max_rows=settings.max_rows,
        max_row_tokens=settings.max_job_tokens,
        kv_bytes=settings.kv_cache_bytes,
        threads=settings.engine_threads,
    )
    return NativeEngine(settings.model_path, options)


def _transformers(settings: WorkerSettings) -> Engine:
    # Must be set before torch loads: threads that spin while they wait take the processor from everything beside them.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from worker.engine.transformers_engine import TransformersEngine

    return TransformersEngine(
        settings.model_path,
        settings.max_rows,
        settings.max_job_tokens,
        settings.transformers_dtype,
        settings.prefill_tokens_per_step,
    )


def _vllm(settings: WorkerSettings) -> Engine:
    from worker.engine.vllm import VllmEngine

    return VllmEngine(settings.model_path, _limits(settings), settings.transformers_dtype)


def _openvino(settings: WorkerSettings) -> Engine:
    from worker.engine.openvino import OpenVinoEngine

    return OpenVinoEngine(settings.model_path, _limits(settings))


def _onnxruntime(settings: WorkerSettings) -> Engine:
    from worker.engine.onnxruntime import OnnxEngine

    return OnnxEngine(settings.model_path, settings.max_rows, settings.max_job_tokens)


def _llamacpp(settings: WorkerSettings) -> Engine:
    from worker.engine.llamacpp import LlamaEngine

    return LlamaEngine(settings.model_path, _limits(settings))


def _limits(settings: WorkerSettings) -> EngineLimits:
    return EngineLimits(settings.max_rows, settings.max_job_tokens, settings.kv_cache_bytes, settings.engine_threads)


BUILDERS: dict[str, Callable[[WorkerSettings], Engine]] = {
    "fake": _fake,
    "native": _native,
    "transformers": _transformers,
    "vllm": _vllm,
    "openvino": _openvino,
    "onnxruntime": _onnxruntime,
    "llamacpp": _llamacpp,
}
