"""Peers are installed from pinned packages into folders of their own, and a failure is kept as one line."""

import re
import sys
from pathlib import Path

import pytest

from tests.bench.engines import measure_peer, why_not
from tests.bench.engines_peers import PEERS, Peer
from tests.bench.peers import install, places, recipes, steps
from tests.bench.peers.models import PEER_MODELS, export_command
from tests.bench.peers.recipes import RECIPES, Recipe

ROOT = Path(__file__).resolve().parents[3]
LLAMA = next(recipe for recipe in RECIPES if recipe.source)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Peers live in an empty folder."""
    for module in (places, recipes, install):
        monkeypatch.setattr(module, "PEERS", tmp_path / "peers")
    monkeypatch.setattr(steps, "ROOT", tmp_path)
    return tmp_path / "peers"


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_locks_pin_every_package_by_hash_and_bring_no_gpu_libraries(recipe: Recipe) -> None:
    """Given a lock, when read, then each package has a version and hashes, and none is for GPUs, images or sound."""
    entries = re.split(r"\n(?=\S)", recipe.lock.read_text("utf-8").strip())
    assert all(re.match(r"[\w.-]+==[\w.!+-]+( ; .+)? \\\n +--hash=sha256:", entry) for entry in entries)
    names = {entry.partition("==")[0] for entry in entries}
    assert not {name for name in names if name.startswith(("nvidia", "cuda", "torch", "triton"))}


def test_peers_get_the_torch_that_the_product_uses() -> None:
    """Given the product's torch, when recipes are read, then theirs is the same."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert f"TORCH_VERSION := {recipes.TORCH}\n" in makefile
    inputs = [(places.LOCKS / f"{recipe.name}.in").read_text("utf-8") for recipe in RECIPES if recipe.torch]
    assert all(f"torch=={recipes.TORCH}+cpu\n" in text for text in inputs)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_commands_touch_nothing_but_the_peers_folder(recipe: Recipe) -> None:
    """Given a recipe, when its commands are read, then all but the first run tools of its own environment."""
    source, build = Path("/source"), Path("/build")
    first, *rest = recipes.install_commands(recipe, "python3")
    assert first == ["python3", "-m", "venv", "--clear", str(places.PEERS / recipe.name)]
    rest += recipes.torch_commands(recipe, "https://torch.example")
    rest += [recipes.download_command(recipe, Path("/download")), recipes.bindings_command(recipe, source)]
    rest += [*recipes.build_commands(recipe, source, build, 1), recipes.check_command(recipe)]
    assert all(command[0].startswith(str(places.PEERS / recipe.name / "bin")) for command in rest)
    installs = [command for command in rest if "install" in command]
    assert all("--no-deps" in command for command in installs)
    assert "--require-hashes" in installs[0]


def test_llama_is_built_without_amx_by_as_many_compilers_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given an x86 machine, when llama.cpp is built, then for this processor, AMX off, with that many jobs."""
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    configure, build = recipes.build_commands(LLAMA, Path("/source"), Path("/build"), 3)
    assert "-DGGML_NATIVE=ON" in configure
    assert "-DCMAKE_CXX_FLAGS=-mno-amx-tile -mno-amx-int8 -mno-amx-bf16" in configure
    assert build[-2:] == ["--parallel", "3"]


def test_another_lock_has_another_stamp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a lock that changed, when looked up, then the environment counts as not installed."""
    monkeypatch.setattr(recipes, "LOCKS", tmp_path)
    (tmp_path / "openvino.txt").write_text("numpy==1\n", "utf-8")
    before = recipes.stamp(Recipe("openvino", ("numpy",)))
    assert recipes.stamp(Recipe("openvino", ("numpy",))) == before
    (tmp_path / "openvino.txt").write_text("numpy==2\n", "utf-8")
    assert recipes.stamp(Recipe("openvino", ("numpy",))) != before


@pytest.mark.parametrize(
    ("output", "line"),
    [
        ("one\ntwo\n\n", "two"),
        ("ERROR: No matching distribution\nbye\n", "ERROR: No matching distribution"),
        ("ImportError: libx.so\n[notice] A new release\n", "ImportError: libx.so"),
        ("", "it printed nothing"),
        ("x" * 500, "x" * 200),
    ],
)
def test_the_reason_is_the_line_that_names_the_error(output: str, line: str) -> None:
    """Given a command's output, when it failed, then one line of it is the reason."""
    assert steps.reason(output) == line


def test_a_failed_step_is_logged_whole_and_kept_as_a_reason(elsewhere: Path) -> None:
    """Given a command that fails, when run, then its log has all lines and the bench shows one."""
    run = steps.Steps("openvino")
    with pytest.raises(steps.StepFailedError) as caught:
        run.run([sys.executable, "-c", "print('before'); raise SystemExit('error: no room')"])
    run.give_up(str(caught.value))
    assert "before" in (elsewhere / "logs" / "openvino.log").read_text("utf-8")
    assert places.why_missing("openvino") == "error: no room"
    steps.Steps("openvino")
    assert places.why_missing("openvino") == "not made yet: run make bench-peers"


def test_the_second_source_is_tried_where_the_first_has_nothing(elsewhere: Path) -> None:
    """Given a command that fails and one that works, when tried in turn, then the second is enough."""
    fail, work = [sys.executable, "-c", "raise SystemExit(1)"], [sys.executable, "-c", "print('here')"]
    run = steps.Steps("vllm")
    run.run_first_of([fail, work])
    assert "here" in run.log.read_text("utf-8")
    with pytest.raises(steps.StepFailedError):
        run.run_first_of([fail, [*fail[:2], "raise SystemExit(2)"]])


def test_a_machine_without_a_compiler_skips_llama_with_the_reason(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given no compiler, when llama.cpp is installed, then nothing is done and the bench says why it is missing."""
    monkeypatch.setattr("shutil.which", lambda name: None)
    why = install.install(LLAMA, "https://torch.example", 1)
    assert why is not None
    assert "g++" in why
    assert not install.is_installed(LLAMA)
    assert not (elsewhere / "llamacpp").exists()
    assert places.why_missing("llamacpp") == why


def test_a_half_made_environment_is_not_run(elsewhere: Path, tmp_path: Path) -> None:
    """Given an interpreter whose packages failed to install, when the peer is looked up, then the reason is told."""
    python = places.interpreter("vllm")
    python.parent.mkdir(parents=True)
    python.touch()
    peer = Peer("vLLM", "engines_vllm", "settings", environment="vllm")
    assert peer.missing(tmp_path) is None
    steps.Steps("vllm").give_up("no room")
    assert peer.missing(tmp_path) == "no room"


def test_peers_have_a_home_of_their_own_and_report_to_nobody(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given the product's variables, when a peer is started, then it sees its own home and a refusal of telemetry."""
    monkeypatch.setenv("PYTHONPATH", "/product")
    variables = places.environment()
    assert variables["HOME"] == str(elsewhere / "home")
    assert variables["VLLM_NO_USAGE_STATS"] == "1"
    assert "PYTHONPATH" not in variables
    assert (elsewhere / "home" / "intel" / "openvino_telemetry").read_text("utf-8") == "0"


def test_every_peer_has_a_recipe_and_a_model() -> None:
    """Given the peers, when their environments and models are looked up, then each is one that gets made."""
    names, models = {recipe.name for recipe in RECIPES}, {model.name for model in PEER_MODELS}
    assert {peer.environment for peer in PEERS if peer.environment} <= names
    assert {peer.model for peer in PEERS if peer.model} == models
    assert {model.reader for model in PEER_MODELS} <= names


def test_only_the_peers_asked_for_run(tmp_path: Path) -> None:
    """Given names on the command line, when peers are chosen, then others say that they were not asked for."""
    peer = Peer("OpenVINO int8 f32", "engines_openvino", "settings")
    quoting = Peer("vLLM n-gram", "engines_vllm", "settings", only_extractive=True)
    assert why_not(peer, ["openvino"], True, tmp_path) is None
    assert why_not(peer, ["llama"], True, tmp_path) == "not asked for"
    assert why_not(peer, [], True, tmp_path) == "not asked for"
    assert why_not(quoting, None, False, tmp_path) == "quoted prompts were not asked for"


def test_a_peer_that_fails_says_why(tmp_path: Path) -> None:
    """Given an interpreter without llama.cpp, when its script is run, then the missing module is the reason."""
    result = measure_peer(Peer("llama.cpp", "engines_llama", "settings"), {}, tmp_path)
    assert "llama_cpp" in result["why"]


def test_the_exporter_runs_from_its_own_environment() -> None:
    """Given a model folder, when the export is spelled out, then it names the folder, format and target."""
    command = export_command(Path("/model"), Path("/target"), ("int8",))
    assert command[0] == str(places.PEERS / "openvino-export" / "bin" / "optimum-cli")
    assert command[-3:] == ["--weight-format", "int8", "/target"]
