"""The engine alone, on the requests the service was given: what a service may at best reach."""

import json
import subprocess
import sys
import time

from common.finance_requests import context_request
from common.finance_tasks import Task
from tests.bench.model_load import FIRST, WARM_UP_FIRST, WARM_UP_JOBS, typical_request
from tests.support.stack import model_dir
from worker.engine.base import EngineRequest
from worker.engine.registry import choose_engine, engine_builder, tokenizer_for
from worker.settings import WorkerSettings


def bare_tokens_per_second(engine: str, jobs: int, max_tokens: int) -> tuple[str, float]:
    """Run in a process of its own, as a worker does; return the engine's name and completion tokens per second."""
    command = [sys.executable, "-m", "tests.bench.bare_engine", engine, str(jobs), str(max_tokens)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    name, rate = json.loads(done.stdout.splitlines()[-1])
    return str(name), float(rate)


def measure(engine_name: str, jobs: int, max_tokens: int) -> tuple[str, float]:
    """Queue all requests at once and step until the engine is empty."""
    settings = WorkerSettings(engine=engine_name, model_dir=model_dir())
    name = choose_engine(settings)
    tokenizer = tokenizer_for(settings, name)
    engine = engine_builder(settings, name)()

    def request(number: int) -> EngineRequest:
        body = typical_request(number, max_tokens)
        prompt = tokenizer.encode_chat(
            context_request(body["question"], body["context"], Task.TEXT, max_tokens).messages
        )
        return EngineRequest(tuple(prompt), max_tokens, stop_token_ids=tokenizer.stop_token_ids)

    def run(numbers: range) -> int:
        for number in numbers:
            engine.add(request(number))
        tokens = 0
        while engine.has_work():
            tokens += sum(event.token_id is not None for event in engine.step())
        return tokens

    run(range(WARM_UP_FIRST, WARM_UP_FIRST + WARM_UP_JOBS))
    started_s = time.perf_counter()
    tokens = run(range(FIRST, FIRST + jobs))
    rate = tokens / (time.perf_counter() - started_s)
    engine.close()
    return name, rate


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
