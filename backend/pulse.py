"""Feels whether the bell can be rung, so that a page can say so: now and then, in the background, never in a request's way."""

import asyncio

from backend.jobs.queue import answers

LOOK_S = 3.0


class Pulse:
    """``is_felt`` says whether Redis answered a moment ago; a lab without one has no pulse."""

    def __init__(self, redis_url: str | None) -> None:
        self._redis_url = redis_url
        self.is_felt = redis_url is not None  # until the first look, which comes at once

    async def run(self) -> None:
        """Look until cancelled."""
        if self._redis_url is None:
            return
        while True:
            self.is_felt = await asyncio.to_thread(answers, self._redis_url)
            await asyncio.sleep(LOOK_S)
