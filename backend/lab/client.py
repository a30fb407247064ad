"""The lab's API as the launcher uses it: with the token, and patient while the API is being restarted."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx2

from backend.jobs.states import State
from backend.lab.errors import LabError

AWAY_S = 30.0  # how long the API may be away before it counts as gone


@dataclass(frozen=True)
class Job:
    """The little that is asked of a job here."""

    id: str
    state: State

    @classmethod
    def of(cls, answer: dict[str, Any]) -> Self:
        return cls(answer["id"], State(answer["state"]))

    @property
    def is_done(self) -> bool:
        return self.state is State.SUCCEEDED

    @property
    def has_failed(self) -> bool:
        return self.state.is_terminal and not self.is_done


class Client:
    """Asks and posts JSON; every request may be repeated safely, so a lost connection is tried again."""

    def __init__(self, address: str, token: str, patience_s: float = AWAY_S) -> None:
        self._address, self._patience_s = address, patience_s
        self._http = httpx2.Client(
            base_url=f"{address}/api",
            headers={"Authorization": f"Bearer {token}"},
            timeout=httpx2.Timeout(60.0),
            trust_env=False,  # a proxy has no business between two programs of one machine
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str) -> dict[str, Any]:
        return self._ask("GET", path)

    def post(self, path: str, body: dict[str, Any], key: str | None = None) -> dict[str, Any]:
        """Post ``body``; ``key`` is the Idempotency-Key under which a job is found again."""
        return self._ask("POST", path, json=body, headers={"Idempotency-Key": key} if key else {})

    def events(self, job_id: str) -> Iterator[dict[str, Any]]:
        """The events of a job from the first to the one that ends it; each once, over lost connections too.

        Raises:
            LabError: the API was away for too long, or refuses.
        """
        last, gone_at = 0, time.monotonic()
        while True:
            try:
                headers = {"Last-Event-ID": str(last)} if last else {}
                with self._http.stream("GET", f"/jobs/{job_id}/events", headers=headers) as answer:
                    if not answer.is_success:
                        answer.read()
                        raise refusal(answer)
                    for sent in httpx2.EventSource(answer):
                        event: dict[str, Any] = json.loads(sent.data)
                        last, gone_at = event["seq"], time.monotonic()
                        yield event
                        if event["kind"] == "state" and State(event["state"]).is_terminal:
                            return
            except httpx2.TransportError as error:
                self._have_patience(gone_at, error)
            else:
                self._have_patience(gone_at, None)  # the stream ended, the job did not: the API is being stopped

    def _ask(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        gone_at = time.monotonic()
        while True:
            try:
                answer = self._http.request(method, path, **content)
            except httpx2.TransportError as error:
                self._have_patience(gone_at, error)
                continue
            if answer.is_success:
                found: dict[str, Any] = answer.json()
                return found
            raise refusal(answer)

    def _have_patience(self, gone_at: float, error: httpx2.TransportError | None) -> None:
        if time.monotonic() > gone_at + self._patience_s:
            raise LabError(
                f"the API at {self._address} does not answer: start the lab with 'simclr-lab up', or see logs/api.log"
            ) from error
        time.sleep(0.5)


def refusal(answer: httpx2.Response) -> LabError:
    """The API's own sentence; it names the thing, the value and the fix."""
    try:
        message = answer.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        message = answer.text[:200]
    return LabError(f"the API answers {answer.status_code} to {answer.request.url.path}: {message}")
