"""``make soak``: faults of all kinds at random on a lab of real parts at work, and what must be true of it in the end.

    python -m tests.faults.soak --faults 300 --seed 1 --seconds 3600

A seed draws the same faults in the same order again; what they hit depends on the moment. Ends with a table of counts, and with
exit code 1 and a sentence where a promise was broken; the lab's folder is kept then. After ``--seconds`` no further fault comes.
"""

import argparse
import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from sqlalchemy import func, select

from backend.catalogue.models import JobRow
from tests.faults.soak_harm import Harmer
from tests.faults.soak_jobs import Jobs, complaints
from tests.faults.soak_lab import MARK, SoakLab, Violation, marked
from tests.faults.soak_schedule import Fault, Harm, draw
from tests.worker.redis_server import socket_folder
from tests.worker.waiting import until

EACH_S = 60.0  # a job that is left over at the end gets so long, at least
SILENCE_S = 20.0  # within which every process is gone after the end


class Soak:
    """One run; ``done`` are the faults so far."""

    def __init__(self, lab: SoakLab, seed: int) -> None:
        self.lab, self.jobs = lab, Jobs(lab, seed)
        self.harmer = Harmer(lab, self.jobs)
        self.done: list[Fault] = []
        self.began = time.monotonic()

    def run(self, faults: list[Fault], seconds: float) -> list[str]:
        """Do as many of the faults as there is time for; complaints, none of a sound lab."""
        self.lab.tend()
        self.jobs.learn_references()
        say(f"{len(self.jobs.submitted)} jobs undisturbed for reference")
        self.began = time.monotonic()
        for fault in faults:
            if time.monotonic() > self.began + seconds:
                break
            self.jobs.keep_waiting()
            self.lab.tend()
            time.sleep(fault.after_s)
            try:
                what = self.harmer.do(fault)
            except Exception as error:
                raise Violation(f"at fault {fault.number}, {fault.harm}: {error}") from error
            self.done.append(fault)
            say(f"{fault.number:>4} {time.monotonic() - self.began:7.1f} s  {fault.harm}  {what}")
        self.harmer.join()
        self._finish()
        return [*complaints(self.jobs), *self._unsound()]

    def _finish(self) -> None:
        """Let the jobs that are left run to their ends."""
        deadline = time.monotonic() + EACH_S * (2 + len(self.jobs.unfinished()))
        while left := self.jobs.unfinished():
            self.lab.tend()
            if time.monotonic() > deadline:
                raise Violation(f"in the end {len(left)} jobs did not come to theirs: {', '.join(left)}")
            time.sleep(0.2)

    def _unsound(self) -> list[str]:
        """Workers tidy up after they have settled."""
        try:
            until(lambda: self.lab.violations() == [], "a sound lab", within_s=20)
        except AssertionError:
            return self.lab.violations()
        return []

    def table(self) -> list[str]:
        counts = Counter(fault.harm for fault in self.done)
        with self.lab.catalogue.reading() as session:
            jobs, attempts = session.execute(select(func.count(), func.sum(JobRow.epoch)).select_from(JobRow)).one()
        return [
            *(f"  {harm:<42} {counts[harm]:>4}" for harm in Harm),
            f"  {'faults':<42} {len(self.done):>4}",
            f"  {'jobs, attempts at them':<42} {jobs:>4} {attempts}",
            f"  {'answers 503 while the catalogue was locked':<42} {self.lab.refused_busy:>4}",
            f"  {'seconds from the first fault':<42} {time.monotonic() - self.began:>4.0f}",
        ]


def main() -> int:
    parser = argparse.ArgumentParser(description="Faults at random on a lab of real parts.")
    parser.add_argument("--faults", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to stop"))  # and close the lab on the way out
    os.environ[MARK] = f"{os.getpid()}-{time.time_ns()}"
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    say(f"seed {asked.seed}, {asked.faults} faults, in {folder}")
    with socket_folder() as sockets:
        lab = SoakLab(folder, sockets)
        soak = Soak(lab, asked.seed)
        try:
            found = soak.run(draw(asked.seed, asked.faults), asked.seconds)
        except AssertionError as violation:
            found = [str(violation)]
        finally:
            with contextlib.suppress(Exception):
                soak.harmer.join()  # or something would be started after the end
            table = soak.table()
            lab.close()
    found += left_over()
    say("\n".join([*table, f"  {'violations':<42} {len(found):>4}"]))
    if found:
        say("\n".join(f"seed {asked.seed}, after fault {len(soak.done)}: {sentence}" for sentence in found))
        say(f"the lab is kept in {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


def left_over() -> list[str]:
    """Processes of the soak that outlive it."""
    try:
        until(lambda: not list(marked()), "the end of all processes", within_s=SILENCE_S)
    except AssertionError:
        return [f"process {pid} is left over: {command}" for pid, command in marked()]
    return []


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
