"""The parts of `make bench`: what each measures, its command, and the minutes it is expected to take."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# Engines made for serving; the reference engine takes longer than all of them and is asked for by name.
SERVING_ENGINES = ("llama", "openvino", "vllm")
RESULTS = Path(__file__).resolve().parents[2] / "docs" / "performance"


@dataclass(frozen=True, slots=True)
class Part:
    """One bench: a module below tests.bench and its arguments. `needs_data` adds --data FOLDER."""

    name: str
    what: str
    arguments: tuple[str, ...]
    minutes: float
    needs_data: bool = False

    def words(self, data: Path | None, peers: bool) -> list[str]:
        """Return the words after `python -m` of this part's command."""
        words = [f"tests.bench.{self.name}", *self.arguments]
        if self.name == "engines":
            words += ["--engines", *(SERVING_ENGINES if peers else ())]
        if self.needs_data:
            words += ["--data", str(data)]
        return words

    def shown(self, peers: bool = False) -> str:
        """Return the command as a reader would type it."""
        return " ".join(["python -m", *self.words(Path("$FINANCELLM_SHARED_DATA"), peers)])


# Minutes on two quiet cores, rounded up; that of fidelity in this form is a guess.
PARTS = (
    Part("engines", "decode and prefill speed, memory, of the engine alone and of its peers", ("--rounds", "3"), 6),
    Part("fidelity", "what quantisation costs", ("--documents", "4"), 4, needs_data=True),
    Part("latency", "queue, prefill and decode by prompt, answer and clients", (), 2),
    Part("service", "what the service adds to the engine", ("--jobs", "200"), 5),
    Part("gateway", "what the gateway costs", (), 1),
    Part("scaling", "more workers", (), 2),
    Part("footprint", "memory and cold start", (), 1),
    Part("bulk", "questions over reports", ("--files", "12", "--limit-s", "420"), 8, needs_data=True),
    Part("simulation", "waits by arrival rate and workers", ("--validate",), 2),
)


def chosen(only: str | None) -> Sequence[Part]:
    """Return the parts named, comma separated, in their own order; raises ValueError for a name there is none of."""
    if only is None:
        return PARTS
    wanted = {name.strip() for name in only.split(",") if name.strip()}
    unknown = wanted - {part.name for part in PARTS}
    if unknown:
        raise ValueError(f"no part is called {', '.join(sorted(unknown))}; there are {names()}")
    return [part for part in PARTS if part.name in wanted]


def names() -> str:
    """Return all names, comma separated."""
    return ",".join(part.name for part in PARTS)


def interpreter_command(words: Sequence[str]) -> list[str]:
    """Return a command of this interpreter."""
    return [sys.executable, "-m", *words]
