"""From a submission to what the model is asked, off the event loop where a long context takes a while."""

import anyio.to_thread
from anyio import CapacityLimiter

from api.schemas import JobSubmission
from common.jobs import GenerateRequest

# Choosing evidence takes about a millisecond for a thousand characters; a change of threads a tenth of one.
INLINE_CHARACTERS = 500
RENDERING_THREADS = 2


class Rendering:
    """Renders short submissions at once and long ones in a thread, so that nobody else waits for them."""

    def __init__(self) -> None:
        self._limiter = CapacityLimiter(RENDERING_THREADS)

    async def request(self, submission: JobSubmission) -> GenerateRequest:
        """Return what the model is asked; raises RequestError for a task that the other fields rule out."""
        if len(submission.context or "") <= INLINE_CHARACTERS:
            return submission.generate_request()
        return await anyio.to_thread.run_sync(submission.generate_request, limiter=self._limiter)
