"""Looks at a lab from outside and says, line by line, what is well and what to do about what is not."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import httpx2
import redis
from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from backend.catalogue.engine import Catalogue, open_catalogue
from backend.catalogue.upgrade import is_current
from backend.jobs import presence
from backend.jobs.invariants import violations
from backend.jobs.queue import QUEUE
from backend.jobs.states import Lane
from backend.lab.configuration import load_settings
from backend.lab.errors import LabError
from backend.lab.launcher import WARN_BELOW_MIB, address_of, without_password
from backend.lab.ownership import is_held, read_note
from backend.settings import PREFIX, Settings

MARKS = {"well": "[green]ok[/]  ", "idle": "[dim]–[/]   ", "ill": "[red]fix[/] "}
SECOND_LOOK_S = 1.0
PROBE = """
import json, torch
from simclr.device import choose_device
print(json.dumps([torch.__version__, choose_device().reason]))
"""


@dataclass(frozen=True)
class Finding:
    """``ill`` means that a person has to do something, ``idle`` that something is merely not running."""

    state: Literal["well", "idle", "ill"]
    sentence: str


def examine(console: Console) -> bool:
    """Print every finding; True when nothing is ill."""
    all_well = True
    for finding in findings():
        all_well &= finding.state != "ill"
        console.print(MARKS[finding.state], end="")
        console.print(finding.sentence, markup=False, soft_wrap=True)
    return all_well


def findings() -> Iterator[Finding]:
    """One look at each part, the cheap ones first."""
    try:
        settings = load_settings()
    except LabError as error:
        yield Finding("ill", f"settings: {error}")
        return
    yield Finding("well", f"settings: the lab listens on {settings.host}:{settings.port}")
    yield from look_at_folder(settings)
    yield from look_at_jobs(settings)
    is_up = is_held(settings.data_folder)
    note = read_note(settings.data_folder) if is_up else None
    address = note.address if note else address_of(settings)
    if is_up or settings.redis_url:
        yield look_at_redis(settings, note.redis_url if note else "")
        yield from look_at_api(settings, address)
    else:
        yield Finding("idle", "lab: not running; start it with: make up")
    yield look_at_torch()


def look_at_folder(settings: Settings) -> Iterator[Finding]:
    folder = settings.data_folder
    if not folder.exists():
        yield Finding("idle", f"data folder: {folder} does not exist yet; the first start makes it")
        return
    if not os.access(folder, os.W_OK | os.X_OK):
        yield Finding("ill", f"data folder: {folder} is not writable for you; change its owner or SIMCLR_LAB_DATA")
        return
    free_mib = shutil.disk_usage(folder).free // 2**20
    if free_mib < WARN_BELOW_MIB:
        yield Finding("ill", f"data folder: only {free_mib} MiB free below {folder}; free some space")
    else:
        yield Finding("well", f"data folder: {folder}, {free_mib / 1024:.0f} GiB free")
    if settings.folders is not None and not settings.folders.is_dir():
        yield Finding("ill", f"folders of images: {settings.folders} is no folder; make it, or change {PREFIX}FOLDERS")


def look_at_jobs(settings: Settings) -> Iterator[Finding]:
    """What is always true of jobs and their files."""
    if settings.database_url is None and not (settings.data_folder / "catalogue.sqlite").exists():
        return
    catalogue = open_catalogue(settings)
    try:
        if not is_current(catalogue.engine):
            yield Finding("idle", "jobs: not looked at; the next start of the lab brings the catalogue up to date")
            return
        found = _violations(catalogue, settings)
        if found:
            # A lab at work moves on between a look at the rows and one at the files.
            time.sleep(SECOND_LOOK_S)
            still = set(_violations(catalogue, settings))
            found = [sentence for sentence in found if sentence in still]
    except SQLAlchemyError as error:
        yield Finding("ill", f"catalogue: cannot be read ({type(error).__name__}); see logs/api.log")
        return
    finally:
        catalogue.close()
    yield from (Finding("ill", sentence) for sentence in found)
    if not found:
        yield Finding("well", "jobs: leases, events, results, checkpoints and files are all as they must be")


def _violations(catalogue: Catalogue, settings: Settings) -> list[str]:
    with catalogue.reading() as session:
        return violations(session, settings.data_folder)


def look_at_redis(settings: Settings, noted_url: str) -> Finding:
    url = settings.redis_url or noted_url
    shown = without_password(url)
    address = url.replace("redis+socket://", "unix://", 1)
    try:
        with redis.Redis.from_url(address, socket_timeout=2.0, socket_connect_timeout=2.0) as client:
            unheard = _unheard_bells(client)
    except (redis.RedisError, ValueError) as error:
        return Finding(
            "ill", f"Redis: {shown} does not answer ({type(error).__name__}); jobs wait up to 10 s longer until it does"
        )
    if unheard:
        # Celery's workers can stay deaf after Redis was restarted: https://github.com/celery/celery/issues/8030
        return Finding(
            "ill",
            f"Redis: {shown} answers, but no worker takes the {unheard} wake-ups there; jobs start up to 10 s later "
            "until workers are started, or started again",
        )
    return Finding("well", f"Redis: {shown} answers")


def _unheard_bells(client: "redis.Redis") -> int:
    """Wake-ups that lie there for more than a moment; a worker that listens takes one at once."""
    if not client.llen(QUEUE):
        return 0
    time.sleep(SECOND_LOOK_S)
    return int(client.llen(QUEUE))


def look_at_api(settings: Settings, address: str) -> Iterator[Finding]:
    headers = {"Authorization": f"Bearer {settings.access_token}"}
    try:
        with httpx2.Client(base_url=f"{address}/api", headers=headers, timeout=5.0, trust_env=False) as client:
            answer, waiting = client.get("/system"), client.get("/jobs?state=queued&limit=500")
    except httpx2.HTTPError as error:
        yield Finding("ill", f"API: {address} does not answer ({type(error).__name__}); see logs/api.log")
        return
    if answer.status_code != httpx2.codes.OK:
        yield Finding(
            "ill", f"API: {address} answers {answer.status_code}; does SIMCLR_LAB_TOKEN differ from the lab's?"
        )
        return
    system = answer.json()
    queue = system["queue"]
    yield Finding("well", f"API: {address} answers; {queue['queued']} jobs queued, {queue['running']} running")
    if system["workers"]:
        crew = "; ".join(
            "imports, beside them"
            if worker["lanes"] == [Lane.IMPORT]
            else f"{worker['device'] or 'one that is starting'} ({worker['device_name'] or 'no name yet'}), for "
            f"{' and '.join(worker['lanes'])} jobs"
            for worker in system["workers_seen"]
        )
        yield Finding("well", f"workers: {system['workers']} seen in the last 30 s: {crew}")
        if not any(Lane.IMPORT in worker["lanes"] for worker in system["workers_seen"]):
            yield Finding(
                "ill", f"workers: none takes imports, so uploads wait; have one with {PREFIX}LANES=long,short,import"
            )
        yield from look_at_pins(waiting.json()["items"], system["workers_seen"])
    else:
        yield Finding(
            "ill", "workers: none seen in the last 30 s; see logs/worker.log, or start one: simclr-lab worker"
        )


def look_at_pins(waiting: list[dict[str, Any]], workers: list[dict[str, Any]]) -> Iterator[Finding]:
    """Jobs that wait for a device which no worker has."""
    known = {worker["device_name"] for worker in workers if worker["lanes"] != [Lane.IMPORT]}
    for job in waiting:
        device = job["pinned_to"]
        if device is not None and device not in known and None not in known:
            yield Finding(
                "ill", f"job {job['id']} waits for {device}, which no worker has: start one with 'simclr-lab worker --device "
                f"{device}', or cancel the job"
            )  # fmt: skip


def has_living_worker(settings: Settings, host: str) -> bool:
    """Whether a worker on the machine ``host`` wrote a sign of life into the catalogue lately."""
    catalogue = open_catalogue(settings)
    try:
        with catalogue.reading() as session:
            return any(worker.host == host for worker in presence.alive(session))
    except SQLAlchemyError:
        return False
    finally:
        catalogue.close()


def look_at_torch() -> Finding:
    """Torch in a process of its own: it takes seconds and hundreds of MiB to import."""
    try:
        probe = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        return Finding("ill", "torch: did not load within two minutes; is the machine overloaded?")
    if probe.returncode:
        reason = (probe.stderr.strip().splitlines() or ["no message"])[-1]
        return Finding("ill", f"torch: does not load ({reason}); run make clean and make again")
    version, how = json.loads(probe.stdout.strip().splitlines()[-1])
    return Finding("well", f"torch {version}: {how}")
