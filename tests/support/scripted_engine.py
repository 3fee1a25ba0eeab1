"""An engine that writes what a test tells it to, with every phase of a real one."""

from collections.abc import Mapping

from worker.engine.base import EngineRequest
from worker.engine.fake import STOP_TOKEN, ByteTokenizer, FakeEngine


class ScriptedEngine(FakeEngine):
    """Answers a prompt with the text of the script whose key the prompt ends with; other prompts as the fake engine."""

    def __init__(self, script: Mapping[str, str], step_ms: float = 0, max_row_tokens: int = 4_000) -> None:
        super().__init__(max_rows=4, max_row_tokens=max_row_tokens, step_ms=step_ms)
        self._script = script
        self.requests: list[EngineRequest] = []

    def add(self, request: EngineRequest) -> int:
        """Admit a row with its scripted answer."""
        self.requests.append(request)
        number = super().add(request)
        prompt = ByteTokenizer().decode(request.prompt_token_ids)
        for ending, answer in self._script.items():
            if prompt.endswith(ending):
                self._rows[number].answer = (*answer.encode(), STOP_TOKEN)
        return number
