"""The text a streaming client has, and what of later events is new to it, also after a worker was lost."""

from typing import Any

from api.unanswered import UnansweredError


class TextChangedError(UnansweredError):
    """Another worker began the answer again and said something else than was sent already."""

    code = "job_failed"


class SentText:
    """What was sent of one answer.

    A job that was handed to another worker begins its answer again. Greedy and seeded answers come out the same, so
    what the client has already is passed over.
    """

    def __init__(self, job_id: str) -> None:
        self._job_id = job_id
        self._sent = ""
        self._attempt = ""

    def restart(self) -> None:
        """Expect the answer from its beginning again."""
        self._attempt = ""

    def add(self, data: dict[str, Any]) -> str:
        """Return what a token event brings beyond what was sent, possibly nothing; raises TextChangedError."""
        self._attempt = self._attempt[: data["offset"]] + data["text"]
        return "" if self._sent.startswith(self._attempt) else self.rest(self._attempt)

    def rest(self, text: str) -> str:
        """Return what of the whole answer was not sent yet, and take it as sent; raises TextChangedError."""
        if not text.startswith(self._sent):
            raise TextChangedError(
                "The worker was lost, and its answer changed when another one began it again. "
                f"GET /v1/jobs/{self._job_id} tells the whole answer once it is done."
            )
        new = text[len(self._sent) :]
        self._sent = text
        return new
