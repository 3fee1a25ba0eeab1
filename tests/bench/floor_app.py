"""The least a FastAPI gateway on Redis can do: one hash written and one list entry pushed for each request."""

import os
import uuid

import redis.asyncio
import uvicorn
from fastapi import FastAPI, Request

app = FastAPI()
client = redis.asyncio.Redis.from_url(os.environ["FLOOR_REDIS_URL"])


@app.post("/jobs", status_code=202)
async def submit(request: Request) -> dict[str, str]:
    """Store the body and push its id."""
    job_id = uuid.uuid4().hex
    async with client.pipeline(transaction=False) as pipe:
        pipe.hset(f"floor:{job_id}", mapping={"body": await request.body()})
        pipe.lpush("floor:queue", job_id)
        await pipe.execute()
    return {"id": job_id}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["FLOOR_PORT"]), log_level="warning", access_log=False)
