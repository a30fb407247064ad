"""The demonstration: the whole way of the lab over its own API, told in a terminal.

Pretrain on images whose labels are hidden, then ask how much the features know, beside the same network untrained and the
raw pixels. A second run finds the finished jobs of the first by their keys and only shows them again.
"""

import hashlib
import json
import time
from typing import Any, Literal

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from backend.lab.client import Client, Job
from backend.lab.errors import LabError
from simclr.config import EmbedConfig, KnnConfig, LinearProbeConfig, PretrainConfig
from simclr.presets import pretrain_preset

Source = Literal["patterns", "digits", "factors"]
STRATEGIES = {"k-NN": KnnConfig(), "linear probe": LinearProbeConfig()}
BAR_WIDTH = 40  # characters for 100 %


def demonstrate(
    address: str, token: str, console: Console, epochs: int | None = None, source: Source = "patterns"
) -> None:
    """Run or show the demonstration on the lab at ``address``, on the images of a built-in set.

    ``epochs`` shortens or lengthens the default recipe.

    Raises:
        LabError: a job failed, or the lab went away.
    """
    started = time.monotonic()
    recipe = pretrain_preset("quick-cpu")
    if epochs is not None:
        recipe = PretrainConfig.model_validate(recipe.model_dump() | {"epochs": epochs})
    with Client(address, token) as client:
        dataset = made(client, source, console)
        console.print(introduction(dataset), soft_wrap=True)
        encoder_id = pretrain(client, dataset, recipe, console)
        like = {"origin": "untrained", "like": encoder_id, "seed": recipe.seed}
        encoders = {
            "pretrained without labels": encoder_id,
            "the same network, untrained": client.post("/encoders", like)["id"],
            "raw pixels": client.post("/encoders", {"origin": "pixels", "dataset_id": dataset["id"]})["id"],
        }
        results = compare(client, dataset["id"], encoders, console)
        embed(client, dataset["id"], encoder_id, console)
    console.print()
    console.print(as_table(results))
    console.print(f"Took {time.monotonic() - started:.0f} s. Look further:", style="bold")
    console.print(f"    every result           {address}/results#token={token}", soft_wrap=True)
    console.print(f"    search by similarity   {address}/search#token={token}", soft_wrap=True)


def made(client: Client, source: Source, console: Console) -> dict[str, Any]:
    """The built-in set, which a job makes unless it is there already."""
    job = Job.of(client.post("/datasets/builtin", {"source": source}))
    with console.status(f"making the {source}"):
        dataset: dict[str, Any] = client.get(f"/datasets/{finished(client, job)['dataset_id']}")
    return dataset


def introduction(dataset: dict[str, Any]) -> str:
    n, classes = dataset["n"], len(dataset["classes"])
    return f"[bold]{dataset['name']}[/]: {n} images in {classes} classes; the classes stay hidden while it learns."


def pretrain(client: Client, dataset: dict[str, Any], recipe: PretrainConfig, console: Console) -> str:
    """Pretrain, or find the encoder that an earlier demonstration made with the same recipe; its id."""
    body = {"kind": "pretrain", "dataset_id": dataset["id"], "config": recipe.model_dump(mode="json")}
    job = submit(client, body | {"name": "Demonstration"})
    if job.is_done:
        console.print("An earlier demonstration trained this encoder; its course:")
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as bar:
        course = Course(console)
        task = bar.add_task("pretraining", total=None, note="waiting for the worker")
        for event in client.events(job.id):
            course.tell(event)
            if event["kind"] == "progress":
                bar.update(task, total=event["steps"], completed=event["step"], note=course.note(event))
    encoder_id: str = finished(client, job)["produced_encoder_id"]
    return encoder_id


class Course:
    """Tells of a pretraining: a line whenever the features were looked at, with a bar that grows as they get better."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last: dict[str, Any] = {}

    def tell(self, event: dict[str, Any]) -> None:
        if event["kind"] == "progress":
            self._last = event
        elif event["kind"] == "evaluation":
            accuracy = event["knn_accuracy"]
            name = "untrained" if event["epoch"] == 0 else f"epoch {event['epoch']:>3}"
            bar = "█" * round(accuracy * BAR_WIDTH)
            loss = f"  loss {self._loss(self._last)}" if self._last and event["epoch"] else ""
            self._console.print(f"  {name:<10} k-NN {accuracy:6.1%}  [cyan]{bar:<{BAR_WIDTH}}[/]{loss}", soft_wrap=True)
        elif (event["kind"] == "log" and event["level"] != "info") or (
            event["kind"] == "state" and event["state"] == "queued" and event["seq"] > 1
        ):
            self._console.print(f"  {event['message']}", markup=False, soft_wrap=True)

    def note(self, event: dict[str, Any]) -> str:
        """What stands beside the progress bar."""
        parts = [f"epoch {event['epoch']}/{event['epochs']}", f"loss {self._loss(event)}"]
        if event["images_per_s"]:
            parts.append(f"{event['images_per_s']:.0f} images/s")
        if event["eta_s"]:
            parts.append(f"{event['eta_s']:.0f} s left")
        return "  ".join(parts)

    @staticmethod
    def _loss(event: dict[str, Any]) -> str:
        if event["loss"] is None:
            return "–"
        return f"{event['loss']:.3f}" + (f" (chance {event['chance']:.3f})" if event["chance"] else "")


def compare(
    client: Client, dataset_id: str, encoders: dict[str, str], console: Console
) -> dict[str, dict[str, dict[str, Any]]]:
    """Results of every strategy on every encoder: encoder's name → strategy's name → transfer result."""
    jobs = {
        (name, label): submit(
            client,
            {
                "kind": "transfer",
                "dataset_id": dataset_id,
                "encoder_id": encoder_id,
                "config": config.model_dump(mode="json"),
                "name": f"{label}: {name}",
            },
        )
        for name, encoder_id in encoders.items()
        for label, config in STRATEGIES.items()
    }
    results: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in encoders}
    with console.status("") as status:
        for (name, label), job in jobs.items():
            status.update(f"measuring on the test images: {label}, {name}")
            results[name][label] = finished(client, job)["result"]
    return results


def embed(client: Client, dataset_id: str, encoder_id: str, console: Console) -> None:
    """Encode every image, so that the search page has something to search."""
    config = EmbedConfig().model_dump(mode="json")
    job = submit(client, {"kind": "embed", "dataset_id": dataset_id, "encoder_id": encoder_id, "config": config})
    with console.status("encoding every image for search"):
        finished(client, job)


def submit(client: Client, body: dict[str, Any]) -> Job:
    """Queue a job under a key made of what is asked, so that asking again finds it; one that failed is tried anew."""
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:32]
    attempt = 1
    while True:
        job = Job.of(client.post("/jobs", body, key=f"demo-{digest}-{attempt}"))
        if not job.has_failed:
            return job
        attempt += 1


def finished(client: Client, job: Job) -> dict[str, Any]:
    """The job once it has ended well.

    Raises:
        LabError: it failed or was cancelled; the message is the job's own.
    """
    for _ in client.events(job.id):
        pass
    answer = client.get(f"/jobs/{job.id}")
    if not Job.of(answer).is_done:
        reason = answer["error"]["message"] if answer["error"] else "no reason was recorded"
        raise LabError(f"the job '{answer['name']}' is {answer['state']}: {reason}")
    return answer


def as_table(results: dict[str, dict[str, dict[str, Any]]]) -> Table:
    """Accuracy on the test split, with its 95 % interval."""
    table = Table(title="What the features know: accuracy on test images, in % (95 % interval)", title_justify="left")
    table.add_column("features")
    for label in STRATEGIES:
        table.add_column(label, justify="right")
    for name, by_strategy in results.items():
        table.add_row(name, *(as_percent(by_strategy[label]) for label in STRATEGIES))
    chance = next(iter(results.values()))["k-NN"]["chance"]
    table.add_row("guessing", *([f"{100 * chance:.1f}"] * len(STRATEGIES)), style="dim")
    return table


def as_percent(result: dict[str, Any]) -> str:
    (score,) = (score for score in result["scores"] if score["split"] == "test")
    low, high = 100 * score["accuracy_low"], 100 * score["accuracy_high"]
    return f"{100 * score['accuracy']:.1f} ({low:.1f}–{high:.1f})"
