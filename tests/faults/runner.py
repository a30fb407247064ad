"""The real runner, whose jobs rest before every step: harm needs time, and steps that only rest leave it to others."""

import os
import time

from simclr.events import ShouldStop
from worker.attempt import Say, attempt
from worker.protocol import Order
from worker.runner import main

REST = "FAULTS_REST_S"


def rested(order: Order, say: Say, should_stop: ShouldStop) -> int:
    rest_s = float(os.environ[REST])

    def should_stop_after_rest() -> bool:
        time.sleep(rest_s)
        return should_stop()

    return attempt(order, say, should_stop_after_rest)


if __name__ == "__main__":
    main(rested)
