"""Random requests and a driver for engines."""

import random
from dataclasses import dataclass

from worker.engine.base import EngineRequest, Sampling, TokenEvent
from worker.engine.native.engine import NativeEngine

VOCABULARY = 300


@dataclass(frozen=True, slots=True)
class Output:
    """What a row produced: tokens and exact log probabilities."""

    tokens: tuple[int, ...]
    logprobs: tuple[float | None, ...]
    reason: str | None


def random_request(chance: random.Random) -> EngineRequest:
    """Return a request of random length; some repeat themselves, share a prefix, draw at random or are urgent."""
    length = chance.choice((1, 3, 20, 31, 32, 33, 64, 90, 130))
    kind = chance.randrange(3)
    if kind == 0:
        prompt = [chance.randrange(VOCABULARY) for _ in range(length)]
    elif kind == 1:
        prompt = [(i * i) % 53 for i in range(length)] + [chance.randrange(VOCABULARY)]
    else:
        prompt = [(i % 7) + 11 for i in range(length)]
    sampling = Sampling()
    if chance.random() < 0.3:
        sampling = Sampling(
            chance.uniform(0.3, 1.5), chance.choice((1.0, 0.9)), chance.choice((0, 20)), chance.getrandbits(40)
        )
    return EngineRequest(
        tuple(prompt), chance.randint(1, 24), sampling, frozenset({5}), chance.random() < 0.2, logprobs=True
    )  # fmt: skip


def run_alone(engine: NativeEngine, request: EngineRequest) -> Output:
    """Return what a request produces with nothing else in the engine."""
    engine.add(request)
    events: list[TokenEvent] = []
    while engine.has_work():
        events += engine.step()
    return output(events)


def output(events: list[TokenEvent]) -> Output:
    """Gather a row's events."""
    assert all(event.error is None and event.token_id is not None for event in events)
    reasons = [event.finish_reason for event in events]
    assert reasons[:-1] == [None] * (len(events) - 1)
    return Output(
        tuple(event.token_id or 0 for event in events), tuple(event.logprob for event in events), reasons[-1]
    )  # fmt: skip


def run_randomly(engine: NativeEngine, requests: list[EngineRequest], seed: int) -> list[Output]:
    """Feed requests at random moments, with rows that are aborted in between, and return every row's output."""
    chance = random.Random(seed)
    events: dict[int, list[TokenEvent]] = {}
    order: list[int] = []
    waiting = list(requests)
    doomed: list[int] = []
    while waiting or engine.has_work():
        for _ in range(min(len(waiting), chance.choice((0, 0, 1, 2, 6)))):
            order.append(engine.add(waiting.pop(0)))
        if chance.random() < 0.1:
            doomed.append(engine.add(random_request(chance)))
        if doomed and chance.random() < 0.2:
            engine.abort(doomed.pop())
        for event in engine.step():
            events.setdefault(event.row, []).append(event)
    return [output(events[row]) for row in order]
