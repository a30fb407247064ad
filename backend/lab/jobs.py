"""``simclr-lab jobs`` and ``simclr-lab job …``: what the page of jobs does, over the same API, from a terminal."""

import json
import uuid
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from backend.jobs.states import Kind, State
from backend.lab.client import Client
from backend.lab.configuration import load_settings
from backend.lab.errors import LabError
from backend.lab.launcher import address_of
from backend.lab.ownership import is_held, read_note

SHORT = 6  # last characters of an id, which differ where its first ones are the time
PATIENCE_S = 3.0
MIB = 2**20

app = typer.Typer(help="Pause, resume, cancel, repeat or show one job of the running lab.", no_args_is_help=True)
JobId = Annotated[str, typer.Argument(metavar="JOB", help="Its id, or the end of it that 'simclr-lab jobs' shows.")]


def listing(every: bool) -> None:
    """Print the jobs that wait, run or are paused, and the last that have ended; ``every``: all of them."""
    with connected() as client:
        jobs = client.get("/jobs?limit=500")["items"]
        system = client.get("/system")
    console = Console(highlight=False)
    shown = jobs if every else [job for job in jobs if not State(job["state"]).is_terminal]
    if not every:
        shown += [job for job in jobs if State(job["state"]).is_terminal][: max(0, 10 - len(shown))]
    if not shown:
        console.print("There are no jobs yet: submit one in the browser, or see it done by 'simclr-lab demo'.")
        return
    console.print(as_table(shown))
    if system["workers"] == 0:
        console.print("No worker has said within 30 s that it lives: nothing runs until one does.", style="yellow")


def as_table(jobs: Sequence[dict[str, Any]]) -> Table:
    """One job a line, as the API tells them: what runs, then what waits, in turn, then the others."""
    order = [State.RUNNING, State.QUEUED, State.PAUSED]
    rank = {state: number for number, state in enumerate(order)}
    jobs = sorted(jobs, key=lambda job: (rank.get(State(job["state"]), len(order)), job["position"] or 0))
    table = Table(box=None, pad_edge=False)
    for name in ("job", "name", "state", "how far", "time", "where", "who"):
        table.add_column(name, overflow="fold")
    for job in jobs:
        cells = (job["id"][-SHORT:], job["name"], state_of(job), progress_of(job), time_of(job), job["device"] or "",
                 job["submitter"])  # fmt: skip
        table.add_row(*(cell.replace("[", r"\[") for cell in cells))
    return table


def state_of(job: dict[str, Any]) -> str:
    wishes = {"pause": "pausing", "cancel": "cancelling"}
    if job["state"] == State.RUNNING and job["desired"] in wishes:
        return wishes[job["desired"]]
    return f"queued, {job['position']}." if job["position"] else str(job["state"])


def progress_of(job: dict[str, Any]) -> str:
    """In epochs where there are any, and in percent."""
    progress = job["progress"]
    if not progress or not progress["steps"]:
        return ""
    share = f"{100 * progress['step'] / progress['steps']:.0f} %"
    return f"epoch {progress['epoch']}/{progress['epochs']}, {share}" if progress["epochs"] else share


def time_of(job: dict[str, Any]) -> str:
    """What is left of a running job, when a waiting one starts, what one that ended took; beside it what was predicted."""
    predicted = f"{duration(job['predicted_s'])} predicted" if job["predicted_s"] is not None else ""
    eta = (job["progress"] or {}).get("eta_s")
    if job["state"] == State.QUEUED and job["starts_in_s"] is not None:
        own = f"starts in {duration(job['starts_in_s'])}"
    elif job["state"] == State.RUNNING and eta is not None:
        own = f"{duration(eta)} left"
    else:
        own = f"{duration(job['spent_s'])} taken" if job["spent_s"] else ""
    return ", ".join(part for part in (own, predicted) if part)


def duration(seconds: float) -> str:
    """Such as "45 s", "3 min" or "2.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


@app.command()
def show(job: JobId) -> None:
    """Print all about a job, with its config."""
    with connected() as client:
        found = the_job(client, job)
    console = Console(highlight=False)
    console.print(as_table([found]))
    facts = {
        "id": found["id"],
        "memory": f"{found['peak_bytes'] / MIB:,.0f} MiB at most" if found["peak_bytes"] else None,
        "predicted": f"{found['predicted_peak_bytes'] / MIB:,.0f} MiB" if found["predicted_peak_bytes"] else None,
        "crashes": found["crashes"] or None,
        "goes on from": f"step {found['saved_step']}" if found["saved_step"] else None,
        "encoder": found["produced_encoder_id"],
        "error": found["error"]["message"] if found["error"] else None,
    }
    for name, fact in facts.items():
        if fact is not None:
            console.print(f"{name + ':':<14}{fact}", markup=False, soft_wrap=True)
    console.print_json(json.dumps(found["config"]))


@app.command()
def pause(job: JobId) -> None:
    """Stop a job at its next step and keep what it has computed."""
    _ask(job, "pause")


@app.command()
def resume(job: JobId) -> None:
    """Let a paused job run on."""
    _ask(job, "resume")


@app.command()
def cancel(job: JobId) -> None:
    """End a job; what it has computed is kept for one that goes on from it."""
    _ask(job, "cancel")


@app.command()
def again(
    job: JobId,
    epochs: Annotated[int | None, typer.Option(min=2, max=1000, help="Go on to so many epochs in all.")] = None,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Begin anew with another choice, such as augment.flip_p=0; may be repeated.",
        ),
    ] = None,
) -> None:
    """Run a job that has ended once more: on from where it ended, or from the start with other choices."""
    key = str(uuid.uuid4())
    with connected() as client:
        found = the_job(client, job)
        if not change:
            made = client.post(f"/jobs/{found['id']}/again", {"epochs": epochs} if epochs is not None else {}, key)
        elif found["kind"] == Kind.IMPORT:
            raise LabError(
                f"{found['name']} is an import, which '--set' cannot change: 'job again' without it repeats one that failed, "
                "and the Data page imports the same images in another way"
            )
        else:
            config = changed(found["config"], [*change, *([f"epochs={epochs}"] if epochs is not None else [])])
            kept = ("kind", "dataset_id", "encoder_id", "name", "priority", "submitter")
            body = {name: found[name] for name in kept if found[name] not in (None, "")}
            body |= {"config": config} | ({"device": found["pinned_to"]} if found["pinned_to"] else {})
            made = client.post("/jobs", body, key)
    _report(made)


def changed(config: dict[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """A copy of ``config`` with every "name=value" in it; dots in a name lead into the parts of a config.

    Raises:
        LabError: there is no such choice, or something else stands where a value should.
    """
    copy: dict[str, Any] = json.loads(json.dumps(config))
    for change in changes:
        name, sign, text = change.partition("=")
        *parts, last = name.split(".")
        place: Any = copy
        for part in parts:
            place = place.get(part) if isinstance(place, dict) else None
        if not sign or not isinstance(place, dict) or last not in place or isinstance(place[last], dict):
            raise LabError(f"--set {change}: name a choice and its value, such as batch_size=64 or augment.flip_p=0")
        try:
            place[last] = json.loads(text)
        except ValueError:
            place[last] = text
    return copy


def the_job(client: Client, asked: str) -> dict[str, Any]:
    """The one job whose id is ``asked`` or ends with it.

    Raises:
        LabError: there is none, or more than one.
    """
    found = [job for job in client.get("/jobs?limit=500")["items"] if job["id"].endswith(asked.lower())]
    if len(found) != 1:
        what = f"{len(found)} jobs end with" if found else "there is no job"
        raise LabError(f"{what} {asked}: 'simclr-lab jobs --all' lists them")
    (only,) = found
    return dict(only)


def connected() -> Client:
    """A client of the lab that runs on the data folder, or of the address that the settings name."""
    settings = load_settings()
    note = read_note(settings.data_folder) if is_held(settings.data_folder) else None
    address = note.address if note else address_of(settings)
    return Client(address, settings.access_token, patience_s=PATIENCE_S)


def _ask(job: str, wish: str) -> None:
    with connected() as client:
        found = the_job(client, job)
        _report(client.post(f"/jobs/{found['id']}/{wish}", {}))


def _report(job: dict[str, Any]) -> None:
    Console(highlight=False).print(as_table([job]))
