"""The bell: a Celery message without content that makes a worker look into the catalogue sooner.

Losing, repeating or reordering it changes nothing, because jobs are claimed in the catalogue and workers look there now and
then anyway. It is therefore published once, without retries, and never while a request waits.
"""

import logging
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from celery import Celery

WAKE = "wake"
QUEUE = "simclr-lab"
EXPIRES_S = 60  # so that bells rung during a long job do not pile up behind it
SOCKET_TIMEOUT_S = 5  # without it a publish to a frozen Redis hangs for ever

log = logging.getLogger(__name__)


def make_app(redis_url: str) -> "Celery":
    """A Celery app for ``redis://host:port/0`` or, through a socket file, ``redis+socket:///path/to/redis.sock``."""
    # 0.4 s, which the API spends in the background of its first submission rather than at its start.
    from celery import Celery

    app = Celery("simclr-lab", broker=redis_url, set_as_current=False)
    app.conf.update(
        task_default_queue=QUEUE,
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_acks_late=False,
        # A restarted Redis must not kill the supervision of a running job; Celery 6 turns this on by default.
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_prefetch_multiplier=1,
        # Whoever reached Redis could otherwise stop workers; cancelling goes through the catalogue.
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "socket_timeout": SOCKET_TIMEOUT_S,
            "socket_connect_timeout": SOCKET_TIMEOUT_S,
            "socket_keepalive": True,
        },
    )
    return app


def ring(app: "Celery") -> bool:
    """Publish one wake-up; False, and a line in the log, when the broker does not take it.

    Takes milliseconds, also when Redis is down; up to ``SOCKET_TIMEOUT_S`` for each step when it hangs.
    """
    try:
        once = {**app.conf.broker_transport_options, "max_retries": 0}
        with app.connection_for_write(transport_options=once) as connection:
            app.send_task(WAKE, connection=connection, expires=EXPIRES_S, ignore_result=True, retry=False)
    except Exception as error:  # noqa: BLE001  kombu lets errors of every layer through, and none may reach a request
        log.warning("No wake-up was sent (%s); workers look for jobs by themselves every few seconds.", error)
        return False
    return True


def answers(redis_url: str, timeout_s: float = 1.0) -> bool:
    """Whether Redis is there; waits ``timeout_s`` at most for each step."""
    import redis  # 0.2 s, which the API spends in the background

    address = redis_url.replace("redis+socket://", "unix://", 1)
    try:
        with redis.Redis.from_url(address, socket_timeout=timeout_s, socket_connect_timeout=timeout_s) as client:
            return bool(client.ping())
    except (redis.RedisError, OSError, ValueError):
        return False


class Bell:
    """Rings for a process that submits jobs; made cheaply, and safe to use from several threads."""

    def __init__(self, redis_url: str | None) -> None:
        self._redis_url = redis_url
        self._app: Celery | None = None
        self._making = threading.Lock()
        # When Redis hangs, two waiting rings say all that a hundred would.
        self._ringing = threading.BoundedSemaphore(2)

    def ring(self) -> bool:
        """Wake a worker; False when nobody was reached. Call it after the commit, outside the request."""
        if self._redis_url is None or not self._ringing.acquire(blocking=False):
            return False
        try:
            with self._making:
                self._app = self._app or make_app(self._redis_url)
            return ring(self._app)
        finally:
            self._ringing.release()
