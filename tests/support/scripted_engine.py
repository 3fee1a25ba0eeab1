"""An engine that writes what a test tells it to, with every phase of a real one."""

from collections.abc import Mapping
from dataclasses import replace

from worker.engine.base import EngineRequest, TokenEvent
from worker.engine.fake import STOP_TOKEN, ByteTokenizer, FakeEngine


class ScriptedEngine(FakeEngine):
    """Answers a prompt with the text of the script whose key the prompt ends with; other prompts as the fake engine.

    With `logprobs`, by ending of the prompt too, it tells probabilities where it is asked for them: the one given for
    each token of that answer.
    """

    def __init__(
        self,
        script: Mapping[str, str],
        step_ms: float = 0,
        max_row_tokens: int = 4_000,
        logprobs: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__(max_rows=4, max_row_tokens=max_row_tokens, step_ms=step_ms)
        self.capabilities = replace(self.capabilities, logprobs=logprobs is not None)
        self._script = script
        self._logprobs = logprobs or {}
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

    def step(self) -> list[TokenEvent]:
        """Step as the fake engine does."""
        rows = dict(self._rows)
        return [replace(event, logprob=self._logprob(rows[event.row].request)) for event in super().step()]

    def _logprob(self, request: EngineRequest) -> float | None:
        if not request.logprobs:
            return None
        prompt = ByteTokenizer().decode(request.prompt_token_ids)
        return next((told for ending, told in self._logprobs.items() if prompt.endswith(ending)), -1.0)
