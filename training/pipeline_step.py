"""One step of the pipeline: a process that is not started again while its inputs and outputs are what they were."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError
from rich.console import Console

from common.errors import FinanceLLMError

ROOT = Path(__file__).resolve().parents[1]


class StepFailedError(FinanceLLMError):
    """A step ended with another exit code than 0; `exit_code` is its."""

    code = "training_step_failed"

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    inputs: str
    outputs: dict[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Step:
    """Runs `python -m module arguments`; `inputs` names everything that its outputs depend on.

    With `result` set, the last line the process prints is a JSON object and is kept there.
    """

    name: str
    module: str
    arguments: tuple[str, ...]
    inputs: dict[str, str]
    outputs: tuple[Path, ...]
    result: Path | None = field(default=None)

    def run(self, records: Path, console: Console) -> None:
        """Start the process unless the step is current; raises StepFailedError and keeps no record if it fails."""
        if self.is_current(records):
            console.print(f"{self.name}: current", markup=False, highlight=False)
            return
        command = f"{self.name}: python -m {self.module} {' '.join(self.arguments)}"
        console.print(command, markup=False, highlight=False, soft_wrap=True)
        path = self._record_path(records)
        path.unlink(missing_ok=True)
        self._start()
        missing = [str(output) for output in self._all_outputs() if not output.is_file()]
        if missing:
            raise StepFailedError(f"{self.name} ended without writing {', '.join(missing)}.", 1)
        record = _Record(inputs=self._inputs_hash(), outputs=self._stamps())
        write_json_durably(path, record.model_dump(mode="json"))

    def is_current(self, records: Path) -> bool:
        """Tell whether the step ran with these inputs and its outputs have not been touched since."""
        try:
            record = _Record.model_validate_json(self._record_path(records).read_bytes())
            return record == _Record(inputs=self._inputs_hash(), outputs=self._stamps())
        except (OSError, ValidationError):
            return False

    def _start(self) -> None:
        command = [sys.executable, "-m", self.module, *self.arguments]
        captured = None if self.result is None else subprocess.PIPE
        with subprocess.Popen(command, cwd=ROOT, stdout=captured, text=True) as process:
            try:
                last_line = _pass_on(process.stdout)
                exit_code = process.wait()
            except BaseException:
                # The process got the terminal's signal too, or gets ours; it leaves a checkpoint where it can.
                process.terminate()
                process.wait()
                raise
        if exit_code != 0:
            raise StepFailedError(f"{self.name} ended with exit code {exit_code}.", exit_code)
        if self.result is not None:
            write_json_durably(self.result, _parsed(last_line, self.name))

    def _inputs_hash(self) -> str:
        named = json.dumps([self.module, self.inputs], sort_keys=True)
        return hashlib.sha256(named.encode()).hexdigest()

    def _stamps(self) -> dict[str, tuple[int, int]]:
        stats = {str(path): path.stat() for path in self._all_outputs()}
        return {name: (stat.st_size, stat.st_mtime_ns) for name, stat in stats.items()}

    def _all_outputs(self) -> tuple[Path, ...]:
        return self.outputs if self.result is None else (*self.outputs, self.result)

    def _record_path(self, records: Path) -> Path:
        return records / f"{self.name}.json"


def hash_files(paths: Iterable[Path]) -> str:
    """Return one SHA-256 over names and contents of files, in order of their names."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        with path.open("rb") as file:
            digest.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()


def write_json_durably(path: Path, content: object) -> None:
    """Replace a JSON file whole, so that a kill leaves the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)


def _pass_on(lines: Iterable[str] | None) -> str:
    last_line = ""
    for line in lines or ():
        print(line, end="", flush=True)
        last_line = line
    return last_line


def _parsed(line: str, name: str) -> dict[str, object]:
    try:
        content = json.loads(line)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise StepFailedError(f"{name} did not end with a JSON object but with {line[:80]!r}.", 1)
    return content
