"""What the commands about this machine rest on: lock, ports, keys, sample."""

import hashlib
import os
import re
import socket
from pathlib import Path

import pytest
from pydantic import SecretStr

from api.folder_lock import folder_lock
from api.keys import new_api_key
from api.local_redis import any_free_port, free_port, port_is_free
from api.samples import sample_questions
from api.schemas import JobSubmission
from api.settings import ApiSettings
from common.errors import ConfigurationError
from common.finance_tasks import Task


def test_a_folder_has_one_owner_at_a_time(tmp_path: Path) -> None:
    # Given an owner, then the next one is told who it is
    with (
        folder_lock(tmp_path),
        pytest.raises(ConfigurationError, match=f"process {os.getpid()}"),
        folder_lock(tmp_path),
    ):
        pass
    # When it has left, then the folder is free again
    with folder_lock(tmp_path):
        pass


def test_a_taken_port_is_noticed() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        taken = server.getsockname()[1]
        assert not port_is_free(taken)
        assert free_port(taken) != taken
    assert port_is_free(taken)
    assert free_port(taken) == taken


def test_any_free_port_can_be_listened_on() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", any_free_port()))


def test_a_new_key_is_let_in_by_its_entry() -> None:
    # Given a new key
    key, entry = new_api_key("research")
    # When its entry is configured
    settings = ApiSettings(api_key_hashes=SecretStr(entry))
    # Then the gateway knows the key's hash and its caller, and no two keys are alike
    assert settings.key_hashes == (("research", hashlib.sha256(key.encode()).digest()),)
    assert new_api_key("research")[0] != key
    assert len(key) > 40


@pytest.mark.parametrize("caller", ["", "a b", "a,b=c", "x" * 65, "name\n"])
def test_a_caller_the_gateway_would_refuse_gets_no_key(caller: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot name a caller"):
        new_api_key(caller)


def test_the_sample_can_be_submitted() -> None:
    # Given the shipped sample, then each question passes the gateway's own validation and says what is expected
    questions = sample_questions()
    assert len(questions) == 10
    assert len({question.id for question in questions}) == len(questions)
    for question in questions:
        fields = question.model_dump(include={"question", "context", "max_tokens"})
        submission = JobSubmission.model_validate(fields | {"lane": "bulk", "metadata": {"sample": question.id}})
        request = submission.generate_request()
        assert request.task is (Task.TEXT if question.id == "cash-change" else Task.FIGURES)
        assert request.evidence is not None
        assert request.evidence.rows_dropped == request.evidence.sentences_dropped == 0
        assert question.expected.strip()


def test_sample_tables_add_up() -> None:
    # Given every table of the sample, then gross profit is revenue less costs in each column
    checked = 0
    for question in sample_questions():
        rows = {cells[0].strip(): [amount(cell) for cell in cells[1:]] for cells in table_rows(question.context)}
        for revenue, cost in (("Revenue", "Cost of sales"), ("Net revenue", "Cost of revenue")):
            if {revenue, cost, "Gross profit"} <= rows.keys():
                for income, spent, profit in zip(rows[revenue], rows[cost], rows["Gross profit"], strict=True):
                    assert income - abs(spent) == pytest.approx(profit)
                    checked += 1
    assert checked == 5


def table_rows(text: str) -> list[list[str]]:
    return [line.split("|") for line in text.splitlines() if "|" in line and re.search(r"\d", line.split("|")[1])]


def amount(cell: str) -> float:
    sign = -1 if "(" in cell else 1
    return sign * float(re.sub(r"[^\d.]", "", cell) or 0)
