"""Where a study lies: SQLite, a journal in a file, or any database that Optuna takes; and what its failures are called.

Trials of workers that died are found by Optuna's heartbeat: a running trial that was silent for GRACE seconds is failed
and asked again, by whichever worker begins a trial next. Optuna's journal has no heartbeat of its own, so `Journal`
gives it one.
"""

from __future__ import annotations

import os
import sqlite3
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import optuna
import sqlalchemy
from optuna.exceptions import ExperimentalWarning
from optuna.storages import JournalStorage, RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.storages._heartbeat import BaseHeartbeat  # Optuna asks for this very class
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from hwgen.errors import HwgenError, InputError, ToolError

BEAT, GRACE, RETRIES = 30, 120, 3
"""Seconds between two signs of life, seconds without one, and how often a trial is asked again."""
JOURNAL = "journal:"
SEEN = "alive"
"""A journal's trial keeps its worker's last sign of life under this name: seconds since 1970."""
Stale = Callable[[optuna.Study, FrozenTrial], None]


class Storage:
    """url: `sqlite:///FILE`, `journal:FILE`, or another that SQLAlchemy takes. Raises InputError, ToolError."""

    def __init__(self, url: str) -> None:
        self.name, self.file = _shown(url), _file(url)
        if self.file is not None and not self.file.absolute().parent.is_dir():
            raise InputError(f"storage {self.name}: there is no folder {self.file.parent}; make it, or give another")
        with self.failures(), warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            self.optuna = _open(url, RetryHeartbeatStaleTrialCallback(RETRIES))
        self.inode = self._inode()

    @contextmanager
    def failures(self) -> Iterator[None]:
        """Whatever the storage raises meanwhile becomes a ToolError that says how to go on."""
        try:
            yield
        except (HwgenError, optuna.TrialPruned):
            raise
        except Exception as error:  # SQLAlchemy's, the driver's, the file system's, and Optuna's on what it then reads
            raise ToolError(self._gone(error)) from error

    def check(self) -> None:
        """Raise ToolError when the storage's file is not the one that was opened: SQLite would write on, unseen."""
        if self.file is not None and self._inode() != self.inode:
            raise ToolError(self._gone("the file is gone, or another one is in its place"))

    def _inode(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self.file) if self.file is not None else None
        except OSError:
            return None
        return found and (found.st_dev, found.st_ino)

    def _gone(self, why: object) -> str:
        if isinstance(why, Exception):
            cause = why.__cause__ or why
            why = f"{type(cause).__name__}: {str(cause).splitlines()[0] if str(cause) else ''}".rstrip(": ")
        return (f"storage {self.name} does not answer ({why}): bring it back and give the same command again, the "
                "search goes on where it was")  # fmt: skip


class Database(RDBStorage):
    """Optuna's, but a sign of life that cannot be written is not the end: the trial's next word to it tells."""

    def record_heartbeat(self, trial_id: int) -> None:
        """Called in a thread of its own, where an error would reach nobody."""
        with suppress(Exception):
            super().record_heartbeat(trial_id)


class Journal(JournalStorage, BaseHeartbeat):
    """Optuna's, with a heartbeat: an attribute of the trial, by the workers' clocks, which must agree to a minute."""

    def __init__(self, file: Path, stale: Stale) -> None:
        self._stale = stale
        super().__init__(_JournalFile(str(file)))

    def record_heartbeat(self, trial_id: int) -> None:
        """As above."""
        with suppress(Exception):
            self.set_trial_system_attr(trial_id, SEEN, time.time())

    def _get_stale_trial_ids(self, study_id: int) -> list[int]:
        running = self.get_all_trials(study_id, deepcopy=False, states=(TrialState.RUNNING,))
        return [t._trial_id for t in running if time.time() - max(t.system_attrs.get(SEEN, 0.0), _begun(t)) > GRACE]

    def get_heartbeat_interval(self) -> int | None:
        """Seconds."""
        return BEAT

    def get_heartbeat_stale_trial_callback(self) -> Stale | None:
        """What is done with a stale trial."""
        return self._stale


class _JournalFile(JournalFileBackend):
    """Does not begin a second file where the first has gone away."""

    def append_logs(self, logs: list[dict]) -> None:
        os.stat(self._file_path)
        super().append_logs(logs)


def _open(url: str, stale: Stale) -> optuna.storages.BaseStorage:
    if url.startswith(JOURNAL):
        return Journal(_file(url), stale)
    try:
        options = _sqlite(_file(url)) if _file(url) else {"pool_pre_ping": True}
        return Database(url, options, heartbeat_interval=BEAT, grace_period=GRACE, heartbeat_stale_trial_callback=stale)
    except sqlalchemy.exc.ArgumentError:
        raise InputError(
            f"storage {_shown(url)} is no address: give sqlite:///FILE, {JOURNAL}FILE, or a database's, such as "
            "postgresql+psycopg://user@host/name"
        ) from None
    except ImportError as error:
        missing = getattr(error.__cause__, "name", None) or "of the database"
        raise ToolError(f"storage {_shown(url)} needs the Python package {missing}: pip install it") from None


def _sqlite(file: Path) -> dict[str, object]:
    """How SQLAlchemy opens the file: it waits for other workers, and makes no second one where the first is gone."""
    file.touch()
    address = f"file:{quote(str(file.absolute()))}?mode=rw"
    return {"creator": lambda: sqlite3.connect(address, uri=True, timeout=60, check_same_thread=False)}


def _file(url: str) -> Path | None:
    """The file of a storage that is one."""
    if url.startswith(JOURNAL):
        return Path(url.removeprefix(JOURNAL))
    database = sqlalchemy.engine.make_url(url).database if url.startswith("sqlite:") else None
    return Path(database) if database else None


def _shown(url: str) -> str:
    """Without a password."""
    try:
        return url if url.startswith(JOURNAL) else sqlalchemy.engine.make_url(url).render_as_string(hide_password=True)
    except sqlalchemy.exc.ArgumentError:
        return repr(url)


def _begun(trial: FrozenTrial) -> float:
    return trial.datetime_start.timestamp() if trial.datetime_start else 0.0
