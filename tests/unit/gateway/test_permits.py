"""The thread that wakes workers."""

import threading

from api.permits import PermitSender
from common.errors import UnavailableError
from common.jobs import Lane


def test_messages_go_out_in_order_and_closing_sends_the_rest() -> None:
    """Given queued messages, when the sender closes, then all of them were sent in order."""
    sent: list[str] = []
    sender = PermitSender(lambda _lane, job_id: sent.append(job_id))
    for number in range(50):
        sender.put(Lane.BULK, str(number))
    sender.start()
    sender.close(5)
    assert sent == [str(number) for number in range(50)]


def test_an_outage_drops_what_waits_and_the_sender_goes_on() -> None:
    """Given a broker that fails once, when messages wait behind it, then they are dropped and later ones are sent."""
    failing, waiting = threading.Event(), threading.Event()
    sent: list[str] = []
    marked = threading.Event()

    def send(_lane: Lane, job_id: str) -> None:
        if job_id == "first":
            failing.set()
            waiting.wait(5)
            raise UnavailableError("away")
        sent.append(job_id)
        marked.set()

    sender = PermitSender(send)
    sender.start()
    sender.put(Lane.BULK, "first")
    failing.wait(5)
    for job_id in ("dropped", "dropped too"):
        sender.put(Lane.BULK, job_id)
    waiting.set()
    while not marked.wait(0.05):
        sender.put(Lane.BULK, "later")
    sender.close(5)
    assert set(sent) == {"later"}


def test_closing_in_an_outage_ends_the_thread() -> None:
    """Given a broker that always fails, when the sender closes, then it does not hang."""

    def send(_lane: Lane, _job_id: str) -> None:
        raise UnavailableError("away")

    sender = PermitSender(send)
    for _ in range(10):
        sender.put(Lane.BULK, "x")
    sender.start()
    sender.close(5)
    assert not sender.is_running
