"""Engines that need packages of their own: what is said where these, or the exported model, are absent."""

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from common.errors import ConfigurationError, ModelFilesError
from tests.unit.native.tiny import write_tiny
from training.export import FORMS, Form, export, exporter_missing
from worker.engine.base import GREEDY, Sampling
from worker.engine.llamacpp import GGUF_NAME
from worker.engine.numpy_sampling import choose, generator_for, logprob
from worker.engine.onnxruntime import FOLDER_NAME as ONNX_NAME
from worker.engine.openvino import FOLDER_NAME as OPENVINO_NAME
from worker.engine.registry import BUILDERS, engine_builder
from worker.engine.requests import MIN_TEMPERATURE, MIN_TOP_P
from worker.settings import WorkerSettings

PACKAGES = {
    "vllm": ("vllm",),
    "openvino": ("openvino", "openvino_genai"),
    "onnxruntime": ("onnxruntime_genai",),
    "llamacpp": ("llama_cpp",),
}


def settings(engine: str, folder: Path) -> WorkerSettings:
    return WorkerSettings.model_validate({"engine": engine, "model_dir": folder})


def test_every_engine_of_the_settings_can_be_built() -> None:
    """Given the engines a setting may name, when compared, then each has a builder, and only those."""
    choices = WorkerSettings.model_fields["engine"].annotation
    assert set(BUILDERS) | {"auto"} == set(getattr(choices, "__args__", ()))


@pytest.mark.parametrize("engine", PACKAGES)
def test_an_absent_package_is_named_with_its_extra(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given an engine whose package cannot be imported, when built, then the error says what to install."""
    for module in PACKAGES[engine]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigurationError, match=rf"pip install 'financellm\[{engine}\]'"):
        engine_builder(settings(engine, tmp_path), engine)()


@pytest.mark.parametrize("engine", FORMS)
def test_an_absent_export_is_named_with_its_command(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given the package but no exported model, when built, then the error says how to export."""
    for module in PACKAGES[engine]:
        monkeypatch.setitem(sys.modules, module, ModuleType(module))
    with pytest.raises(ModelFilesError, match=f"python -m training.export {engine}"):
        engine_builder(settings(engine, tmp_path), engine)()


def test_engines_read_what_the_export_writes() -> None:
    """Given both sides of an export, when compared, then they agree on its name in the model folder."""
    names = {engine: form.target for engine, form in FORMS.items()}
    assert names == {"llamacpp": GGUF_NAME, "openvino": OPENVINO_NAME, "onnxruntime": ONNX_NAME}


def test_a_gguf_is_exported_without_another_package(tmp_path: Path) -> None:
    """Given a prepared folder, when exported for llama.cpp, then a GGUF file lies in it."""
    write_tiny(tmp_path, hidden_size=128, num_attention_heads=4, intermediate_size=256)
    assert exporter_missing("llamacpp") is None
    assert export("llamacpp", tmp_path).read_bytes()[:4] == b"GGUF"


def test_an_absent_exporter_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given an interpreter without the exporter, when exported, then the error names module and interpreter."""
    monkeypatch.setitem(FORMS, "openvino", Form("openvino", "no_such_module", FORMS["openvino"].command))
    with pytest.raises(ConfigurationError, match=r"no_such_module.*--python"):
        export("openvino", tmp_path)


def test_a_failed_export_leaves_the_last_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given an exporter that fails half-way, when run, then its last words are told and the old form stays."""
    (tmp_path / "openvino").mkdir()
    (tmp_path / "openvino" / "kept").write_text("x", "utf-8")
    script = "import pathlib, sys; pathlib.Path(sys.argv[1]).mkdir(); sys.exit('out of luck')"
    form = Form("openvino", "json", lambda python, model_dir, target: [python, "-c", script, str(target)])
    monkeypatch.setitem(FORMS, "openvino", form)
    with pytest.raises(ConfigurationError, match="out of luck"):
        export("openvino", tmp_path)
    assert (tmp_path / "openvino" / "kept").is_file()


def test_greedy_takes_the_best_and_one_candidate_is_greedy() -> None:
    """Given logits, when chosen greedily or from one candidate, then it is the best token."""
    logits = np.array([0.5, 2.0, -1.0, 1.9], np.float32)
    assert choose(logits, GREEDY, generator_for(GREEDY)) == 1
    narrowest = Sampling(MIN_TEMPERATURE, MIN_TOP_P)
    for narrow in (Sampling(1.5, top_k=1), Sampling(1.5, top_p=0.01), narrowest):
        assert choose(logits, narrow, generator_for(narrow)) == 1


def test_drawn_tokens_follow_their_probabilities() -> None:
    """Given three tokens and top_k 2, when drawn often, then shares are the softmax's and the third never comes."""
    logits = np.log(np.array([0.6, 0.3, 0.1], np.float32))
    sampling = Sampling(1.0, top_k=2, seed=5)
    generator = generator_for(sampling)
    drawn = [choose(logits, sampling, generator) for _ in range(3_000)]
    assert drawn.count(0) / 3_000 == pytest.approx(2 / 3, abs=0.03)
    assert 2 not in drawn
    again = generator_for(sampling)
    assert [choose(logits, sampling, again) for _ in range(50)] == drawn[:50]


def test_log_probabilities_are_of_the_whole_vocabulary() -> None:
    """Given logits of known probabilities, when asked, then their logarithms come back."""
    shares = np.array([0.6, 0.3, 0.1], np.float32)
    logits = np.log(shares) + 7
    assert [logprob(logits, token) for token in range(3)] == pytest.approx(np.log(shares).tolist(), abs=1e-5)
