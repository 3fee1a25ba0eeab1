"""Jobs as a stubbed service tells of them, on a page whose session asked for them."""

import json
from typing import Any

from playwright.sync_api import Page, Route

from tests.support.page_stub import answered_job

ANSWER = "20.5 million"


class JobsStub:
    """Answers /v1/jobs/… for one page; `statuses` says how each job stands, and may change.

    `looks` and `streams` list the jobs looked at and followed. A stream ends at once without an event, so that the page
    asks again and again for each one that it wants open.
    """

    def __init__(self, page: Page, count: int, status: str = "queued") -> None:
        self.statuses = {f"job_{number:028d}": status for number in range(count)}
        self.looks: list[str] = []
        self.streams: list[str] = []
        entries = [{"id": job_id, "question": question(job_id), "context": None} for job_id in self.statuses]
        page.add_init_script(f"sessionStorage.setItem('financellm.asked', {json.dumps(json.dumps(entries))})")
        page.route("**/v1/jobs/*", self._look)
        page.route("**/v1/jobs/*/events", self._stream)

    def _look(self, route: Route) -> None:
        job_id = route.request.url.rpartition("/")[2]
        self.looks.append(job_id)
        route.fulfill(json=self._job(job_id))

    def _job(self, job_id: str) -> dict[str, Any]:
        status = self.statuses[job_id]
        if status == "succeeded":
            return answered_job(job_id, ANSWER, "=120.5-100.0 | million")
        return {"id": job_id, "status": status, "queue": None, "links": {"events": f"/v1/jobs/{job_id}/events"}}

    def _stream(self, route: Route) -> None:
        self.streams.append(route.request.url.split("/")[-2])
        route.fulfill(status=200, content_type="text/event-stream", body=": still here\n\n")


def question(job_id: str) -> str:
    """What a job was asked."""
    return f"Question of {job_id}"
