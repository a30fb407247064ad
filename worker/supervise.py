"""Watches over one attempt at a job: keeps its lease, records what it tells, brings it the person's wish, and settles it."""

import contextlib
import logging
import signal
import threading
import time
from pathlib import Path

from sqlalchemy.exc import OperationalError

from backend.catalogue.engine import Catalogue
from backend.jobs import store
from backend.jobs.features import features_folder
from backend.jobs.imports import MADE, remove, upload_path
from backend.jobs.outcomes import Artefact, Cancelled, Crashed, Failed, Outcome, Paused, Released, Succeeded
from backend.jobs.saved import in_use, run_key
from backend.jobs.states import Desired, Kind
from backend.jobs.store import Claim
from backend.jobs.timing import Timing
from simclr.datasets.store import read_info
from simclr.encoder_file import read_encoder_file
from simclr.events import Checkpoint, Evaluation, Log, Progress, SavedEpoch
from simclr.results import EmbedResult, ImportResult, JobResult, MapResult, PretrainResult, TransferResult
from simclr.runs import Run, sha256_of
from worker.protocol import Exited, Finished, Message, Order, Refused
from worker.report import Reporter
from worker.warm import Runs

log = logging.getLogger(__name__)

TICK_S = 0.1
# From here on the lease may be lost before the next word with the catalogue: better to stop than to be overtaken.
LEASE_IN_DANGER = 0.8
LAST_WORDS_LIMIT = 2000  # characters
RUNNER_ANSWERS_S = 3.0  # a runner that has not killed its job by then is killed itself, and the job with it


class Attempt:
    """One claimed job in one runner, from its start to its settlement; ``run`` does it all."""

    def __init__(self, claim: Claim, runner: Runs, catalogue: Catalogue, data_folder: Path, timing: Timing) -> None:
        self._claim = claim
        self._runner = runner
        self._catalogue = catalogue
        self._data_folder = data_folder
        self._timing = timing
        self._reporter = Reporter(catalogue, claim.job_id, claim.epoch, timing)
        self._key = run_key(claim.job_id, claim.epoch)
        self._run = Run(data_folder / self._key)
        started = time.monotonic()
        self._heard_at = self._leased_at = self._watched_at = started
        self._kill_at = float("inf")
        self._is_fenced = False
        self._asked: Desired = Desired.RUN
        self._saved: set[Path] = set()
        self._has_saved = False  # since files were tidied up
        self._peak_bytes: int | None = None
        self._is_drained = False
        self._is_stalled = False
        self._was_frozen = False
        self._result: JobResult | None = None
        self._refusal: Refused | None = None

    def run(self, draining: threading.Event) -> bool:
        """Do the job; False when it was taken from us meanwhile, and is another worker's now."""
        resume = self._first_good_checkpoint()
        self._clear()
        self._runner.run(self._order(resume))
        try:
            status = self._watch(draining)
        except BaseException:
            self._runner.close()  # nobody watches the job any more; the slot starts another runner
            raise
        is_settled = not self._is_fenced and self._settle(self._outcome(status))
        if not is_settled:
            log.warning(
                "Job %s was taken from this worker; its attempt %d is void.", self._claim.job_id, self._claim.epoch
            )
        self._clear()
        return is_settled

    def _watch(self, draining: threading.Event) -> int | None:
        """Until the job's process is gone; its exit status."""
        while True:
            message = self._runner.next_message(TICK_S)
            while message is not None:
                if isinstance(message, Exited):
                    self._was_frozen = message.was_fenced
                    return message.status
                self._hear(message)
                message = self._runner.next_message(0)
            if self._is_fenced:
                self._mind_the_clock()
                continue
            if draining.is_set() and not self._is_drained:
                self._is_drained = True
                self._stop(self._timing.drain_grace_s)
            try:
                self._keep_catalogue()
            except OperationalError as error:
                log.warning("The catalogue cannot be reached for job %s: %s", self._claim.job_id, error)
            self._mind_the_clock()

    def _hear(self, message: Message) -> None:
        self._heard_at = time.monotonic()
        match message:
            case Log() | Progress() | Evaluation() | Checkpoint() | SavedEpoch():
                self._reporter.tell(message)
                if isinstance(message, Checkpoint | SavedEpoch):
                    self._saved.add(self._run.path / message.name)
                    self._has_saved = True
            case Finished(result=result, peak_bytes=peak_bytes):
                self._result, self._peak_bytes = result, peak_bytes
            case Refused():
                self._refusal = message

    def _keep_catalogue(self) -> None:
        """Write what is due, keep the lease, and see what is wanted of the job."""
        moment = time.monotonic()
        if self._reporter.is_due:
            self._is_fenced |= not self._reporter.write()
            self._has_leased()
            if self._has_saved and not self._is_fenced:
                self._has_saved = False
                self._clear()
        if moment - self._leased_at >= self._timing.renew_s:
            with self._catalogue.writing() as session:
                wanted = store.renew(session, self._claim.job_id, self._claim.epoch, self._timing)
            self._has_leased()
        elif moment - self._watched_at >= self._timing.watch_s:
            with self._catalogue.reading() as session:
                wanted = store.desired(session, self._claim.job_id, self._claim.epoch)
        else:
            return
        self._watched_at = time.monotonic()
        self._is_fenced |= wanted is None
        if wanted not in (None, Desired.RUN) and self._asked is Desired.RUN:
            self._asked = wanted
            self._stop(self._timing.stop_grace_s)

    def _has_leased(self) -> None:
        self._leased_at = time.monotonic()
        self._runner.say_alive()

    def _mind_the_clock(self) -> None:
        moment = time.monotonic()
        self._is_fenced |= moment - self._leased_at > LEASE_IN_DANGER * self._timing.lease_s
        self._is_stalled |= moment - self._heard_at > self._timing.stall_s
        if self._is_fenced or self._is_stalled:
            self._kill_at = min(self._kill_at, moment)
        if moment >= self._kill_at + RUNNER_ANSWERS_S:
            self._runner.close()
        elif moment >= self._kill_at:
            self._runner.kill()

    def _stop(self, grace_s: float) -> None:
        self._runner.stop()
        self._kill_at = min(self._kill_at, time.monotonic() + grace_s)

    def _outcome(self, status: int | None) -> Outcome:
        if self._result is not None and status == 0:
            try:
                return Succeeded(self._result, self._artefact(self._result), self._peak_bytes)
            except (OSError, ValueError) as error:
                return Crashed(f"The job finished but what it made cannot be read: {error}")
        if self._asked is Desired.CANCEL:
            return Cancelled()
        if self._is_drained:
            return Released()
        if self._refusal is not None:
            return Failed(self._refusal.code, self._refusal.message)
        if self._asked is Desired.PAUSE:
            return Paused()
        if self._was_frozen:
            return Crashed("The worker stood still for the time of a lease, and the job was stopped")
        if self._is_stalled:
            return Crashed(f"The job said nothing for {self._timing.stall_s:g} s and was stopped")
        return Crashed(self._describe_crash(status))

    def _artefact(self, result: JobResult) -> Artefact | None:
        match result:
            case PretrainResult():
                description = read_encoder_file(self._run.encoder).model_dump(mode="json")
                return self._known(self._run.encoder, description)
            case EmbedResult():
                return self._known(self._run.features, {})
            case MapResult():
                return self._known(self._run.map, {})
            case TransferResult():
                return self._known(self._run.predictions, {})
            case ImportResult():
                info = read_info(self._run.path / MADE)
                return Artefact(f"{self._key}/{MADE}", info.content_hash, info.model_dump(mode="json"))
        return None

    def _known(self, path: Path, description: dict[str, object]) -> Artefact:
        return Artefact(f"{self._key}/{path.name}", sha256_of(path), description)

    def _describe_crash(self, status: int | None) -> str:
        if status is None:
            how = "The process that runs jobs ended unexpectedly"
        elif status == -signal.SIGKILL:
            how = "The job was killed by signal 9, as happens when the machine runs out of memory"
        elif status < 0:
            how = f"The job was killed by signal {-status} ({signal.strsignal(-status)})"
        else:
            how = f"The job ended with exit code {status}"
        words = self._runner.last_words()[-LAST_WORDS_LIMIT:]
        return f"{how}. Its last words:\n{words}\n" if words else how

    def _settle(self, outcome: Outcome) -> bool:
        """Settle as often as it takes: a catalogue that is locked for a while must not cost finished work."""
        give_up_at = time.monotonic() + 2 * self._timing.lease_s
        while True:
            try:
                if not self._reporter.is_empty:
                    self._reporter.write()
                with self._catalogue.writing() as session:
                    return store.settle(session, self._claim.job_id, self._claim.epoch, outcome, self._timing)
            except OperationalError as error:
                log.warning("Job %s cannot be settled yet: %s", self._claim.job_id, error)
                if time.monotonic() > give_up_at:
                    return False
                time.sleep(TICK_S)

    def _first_good_checkpoint(self) -> Path | None:
        """The newest one whose file is what was written; damaged ones are forgotten."""
        for saved in self._claim.saved:
            path = self._data_folder / saved.key
            try:
                if sha256_of(path) == saved.sha256:
                    return path
            except OSError as error:
                log.warning("A checkpoint of job %s cannot be read: %s", self._claim.job_id, error)
            with self._catalogue.writing() as session:
                store.forget_damaged(session, self._claim.job_id, self._claim.epoch, saved, self._timing)
        return None

    def _order(self, resume: Path | None) -> Order:
        dataset, encoder = self._claim.dataset_key, self._claim.encoder_key
        is_import = self._claim.kind is Kind.IMPORT
        return Order(
            kind=self._claim.kind,
            config=self._claim.config,
            dataset=self._data_folder / dataset if dataset is not None else None,
            encoder=self._data_folder / encoder if encoder is not None else None,
            run=self._run.path,
            resume=resume,
            upload=upload_path(self._data_folder, self._claim.job_id) if is_import else None,
            features=features_folder(self._data_folder),
            banks=tuple(self._data_folder / key for key in self._claim.bank_keys),
            checkpoint_epoch_s=self._timing.checkpoint_epoch_s,
            checkpoint_most_s=self._timing.checkpoint_most_s,
            lease_s=self._timing.lease_s,
        )

    def _clear(self) -> None:
        """Remove what this attempt and those before it left and nobody needs. Later ones belong to other workers."""
        try:
            with self._catalogue.reading() as session:
                needed = in_use(session, self._claim.job_id)
        except OperationalError as error:
            log.warning("Files of job %s are tidied up later: %s", self._claim.job_id, error)
            return
        files = {self._data_folder / key for key in needed.files}
        for folder in self._run.path.parent.glob("*"):
            if not folder.name.isdecimal() or int(folder.name) > self._claim.epoch:
                continue  # a file system may keep folders of its own there
            is_needed = folder == (self._data_folder / needed.folder if needed.folder is not None else None)
            with contextlib.suppress(FileNotFoundError):  # another worker tidies up as well
                for path in set(folder.iterdir()) - files:
                    # Of a folder in use only checkpoints and epochs go, those that are forgotten by now.
                    if not is_needed or path in self._saved:
                        remove(path)
            with contextlib.suppress(OSError):  # it is not empty
                folder.rmdir()
