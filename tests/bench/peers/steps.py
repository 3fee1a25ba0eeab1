"""Runs the commands of a recipe, keeps everything they print, and finds the line that says why one failed."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.bench.peers.places import ROOT, environment, log_path, why_path

_REASON_CHARACTERS = 200
_NOISE = ("[notice]", "WARNING:", "Traceback")


class StepFailedError(Exception):
    """A command failed; the text is the reason in one line."""


def reason(output: str) -> str:
    """Return the line of an output that says best why a command failed: the last that names an error, or the last."""
    lines = [line.strip() for line in output.splitlines()]
    lines = [line for line in lines if line and not line.startswith(_NOISE)]
    named = [line for line in lines if "error" in line.lower()]
    return (named or lines or ["it printed nothing"])[-1][:_REASON_CHARACTERS]


class Steps:
    """The commands of one environment or model, with their log."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.log = log_path(name)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.write_text("", "utf-8")
        why_path(name).unlink(missing_ok=True)

    def run(self, command: Sequence[str]) -> None:
        """Run a command; raises StepFailedError with its reason."""
        with self.log.open("a+", encoding="utf-8") as log:
            log.write(f"$ {' '.join(command)}\n")
            log.flush()
            start = log.tell()
            done = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT, env=environment())
            log.seek(start)
            output = log.read()
        if done.returncode != 0:
            raise StepFailedError(reason(output))

    def run_all(self, commands: Sequence[Sequence[str]]) -> None:
        """Run commands in order; raises StepFailedError of the first that fails."""
        for command in commands:
            self.run(command)

    def run_first_of(self, commands: Sequence[Sequence[str]]) -> None:
        """Run commands until one succeeds; raises StepFailedError of the last."""
        for command in commands[:-1]:
            try:
                self.run(command)
            except StepFailedError:
                continue
            return
        self.run(commands[-1])

    def give_up(self, why: str) -> str:
        """Keep the reason for the bench to show, and return it."""
        why_path(self.name).write_text(why + "\n", "utf-8")
        return why


def only_folder(parent: Path) -> Path:
    """Return the one folder that an archive was unpacked to; raises StepFailedError if there is not exactly one."""
    folders = [path for path in parent.iterdir() if path.is_dir()]
    if len(folders) != 1:
        raise StepFailedError(f"{parent.name} holds {len(folders)} folders; the source archive should hold one")
    return folders[0]
