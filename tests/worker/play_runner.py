"""A runner like the real one, but its jobs do what their config's ``play`` says; it starts without torch."""

import os
import signal
import subprocess
import sys
import time

from simclr.costs import Costs
from simclr.events import Log, Progress, ShouldStop, Stopped
from simclr.results import PretrainResult
from simclr.runs import Run
from worker.attempt import Say
from worker.protocol import Exit, Finished, Order, Ready, Refused, Trial, Tried
from worker.runner import Channel, Runner


def play(order: Order, say: Say, should_stop: ShouldStop) -> int:
    scene = order.config["play"]
    say(Log(message=f"process {os.getpid()} plays {scene}"))
    match scene:
        case "succeed":
            return succeed(order, say)
        case "chatter":
            print('{"kind": "finished"')  # noqa: T201
            os.write(1, b"raw bytes on stdout\n")
            subprocess.run(["echo", "a program prints"], check=True)
            return succeed(order, say)
        case "refuse":
            say(Refused(code="bad_input", message="batch_size 999 exceeds the 64 images: choose 64 or less"))
            return Exit.BAD_INPUT
        case "raise":
            raise RuntimeError("the loss went for a walk")
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "die with the runner":
            os.kill(os.getppid(), signal.SIGKILL)
        case "hang":
            time.sleep(3600)
        case "ignore stop":
            while True:
                should_stop()
                time.sleep(0.05)
        case "leave a child":
            other = subprocess.Popen(["sleep", "3600"])
            say(Log(message=f"started {other.pid}"))
        case "many steps":
            for step in range(1, 50_001):
                say(Progress(step=step, steps=50_000))
                if should_stop():
                    return Exit.STOPPED
            return succeed(order, say)
    work_until_stopped(say, should_stop)
    return Exit.STOPPED


def try_out(trial: Trial, say: Say) -> int:
    match trial.config["play"]:
        case "hang":
            time.sleep(3600)
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
    say(Tried(costs=Costs(step_s=0.5, peak_bytes=7)))
    return 0


def work_until_stopped(say: Say, should_stop: ShouldStop) -> None:
    try:
        for step in range(1, 36_000):
            say(Progress(step=step, steps=36_000))
            if should_stop():
                raise Stopped
            time.sleep(0.05)
    except Stopped:
        return


def succeed(order: Order, say: Say) -> int:
    from simclr.config import EncoderConfig
    from simclr.encoder_file import ImageFacts, pixels_encoder
    from simclr.events import SavedEpoch
    from simclr.runs import sha256_of

    facts = ImageFacts(channels=1, image_size=8, mean=(0.5,), std=(0.2,))
    run = Run(order.run)
    run.begin(EncoderConfig())
    described = pixels_encoder(facts, run.encoder).model_dump(mode="json")
    for epoch, kept in ((0, [0]), (1, [0, 1]), (2, [0, 2])):
        path = run.saved_epoch(epoch)
        pixels_encoder(facts, path)
        say(
            SavedEpoch(
                epoch=epoch, step=epoch, name=path.name, sha256=sha256_of(path), description=described, kept=kept
            )
        )
    say(
        Finished(
            result=PretrainResult(
                epochs=3, steps=3, loss=1.0, chance=2.0, knn_accuracy=None, feature_dim=64, images_per_s=1.0, seconds=0.1,
                device="none",
            )
        )
    )  # fmt: skip
    return Exit.DONE


if __name__ == "__main__":
    channel = Channel()
    channel.say(Ready(device="a stage"))
    sys.stdout.flush()
    Runner(channel, play, try_out).serve()
