"""Asks over the next-best pages where those before gave no verified answer."""

from dataclasses import dataclass, replace

from common.errors import PromptTooLongError
from common.finance_answers import PageRead, PromptRead, ResultKind, Verification
from common.jobs import GenerateRequest
from worker.finance_answer import ReadAnswer, read, with_confidence
from worker.generation import TRY_SEPARATOR, Generation, LineGenerator
from worker.lease import HeldJob

_UNSETTLED = frozenset({Verification.UNVERIFIED, Verification.PARTLY})


@dataclass(frozen=True, slots=True)
class _Try:
    request: GenerateRequest
    generation: Generation
    found: ReadAnswer


class PageByPage:
    """Answers a job by its first prompt, or by the first of its next ones whose answer is verified.

    Where none is, the answer of the first prompt stands: a worse page must not replace it with another guess.
    """

    def __init__(self, generator: LineGenerator) -> None:
        self._generator = generator

    def answer(self, held: HeldJob) -> tuple[Generation, ReadAnswer]:
        """Return what the model wrote in all, and the answer that stands; raises what LineGenerator.generate raises."""
        first, *further = held.claim.job.request.prompts()
        tries = [self._ask(held, first, "")]
        for request in further:
            if not _is_open(tries[-1]):
                break
            try:
                tries.append(self._ask(held, request, f"{tries[-1].generation.written}{TRY_SEPARATOR}"))
            except PromptTooLongError:
                # The first prompt was admitted; one that is longer than a row may be is not worth failing for.
                continue
        standing = tries[0] if _is_open(tries[-1]) else tries[-1]
        found = _with_prompts(tries, standing) if further else standing.found
        return _in_all(tries, standing), found

    def _ask(self, held: HeldJob, request: GenerateRequest, written: str) -> _Try:
        generation = self._generator.generate(held, request, written)
        found = read(request, generation.line, generation.retried)
        return _Try(request, generation, with_confidence(found, generation.outcome.logprob))


def _is_open(tried: _Try) -> bool:
    answer = tried.found.answer
    return answer is not None and (answer.kind is ResultKind.NOT_FOUND or answer.verification in _UNSETTLED)


def _in_all(tries: list[_Try], standing: _Try) -> Generation:
    """Return the standing line with the times and tokens of every prompt and all text written."""
    outcome = tries[0].generation.outcome
    for later in tries[1:]:
        outcome = outcome.followed_by(later.generation.outcome)
    ending = standing.generation.outcome
    return replace(
        standing.generation,
        written=tries[-1].generation.written,
        outcome=replace(outcome, text=ending.text, finish_reason=ending.finish_reason, logprob=ending.logprob),
        tokenize_ms=sum(tried.generation.tokenize_ms for tried in tries),
    )


def _with_prompts(tries: list[_Try], standing: _Try) -> ReadAnswer:
    if standing.found.answer is None:
        return standing.found
    prompts = tuple(
        PromptRead(
            pages=tuple(PageRead(document=source.document, page=source.page) for source in tried.request.sources),
            kind=tried.found.answer.kind,
            verification=tried.found.answer.verification,
            stands=tried is standing,
        )
        for tried in tries
        if tried.found.answer is not None
    )
    return replace(standing.found, answer=standing.found.answer.model_copy(update={"prompts": prompts}))
