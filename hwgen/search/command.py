"""`hwgen search`: from what the user gave to a study, its trials, and what they found."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hwgen import boards
from hwgen.errors import InputError
from hwgen.frontends import checkpoints
from hwgen.policies import shipped
from hwgen.quantize import calibration
from hwgen.quantize.command import float_network
from hwgen.search import progress, results
from hwgen.search.calibrated import Calibrated, fingerprint
from hwgen.search.space import Space
from hwgen.search.storage import Storage
from hwgen.search.study import Search, Task
from hwgen.search.subject import ERROR, SQNR, SUCCESS, Subject
from hwgen.search.trained import Effort, Trained

QUALITIES = {quality.name: quality for quality in (SUCCESS, ERROR)}
"""What a policy that can be trained may be judged by; any other network is by SQNR."""


@dataclass(frozen=True)
class Request:
    """Of the command line. policy: a name in SHAPES, a checkpoint of hwgen, or a float network with calibration data.
    quality: a name in QUALITIES. storage, study: None for those of the folder and of the task."""

    policy: str
    board: str
    deadline_us: float | None
    out: Path
    space: Space
    effort: Effort
    trials: int
    calibration: Path | None = None
    limit: int | None = None
    quality: str | None = None
    storage: str | None = None
    study: str | None = None
    seed: int | None = None


def main(request: Request) -> Path:
    """Do this worker's trials and write what the study has found so far; returns the best choice's file. Raises
    HwgenError."""
    _check(request)
    board, subject = boards.load(request.board), subject_of(request)
    request.out.mkdir(parents=True, exist_ok=True)
    storage = Storage(request.storage or f"sqlite:///{request.out / 'search.db'}")
    deadline = "" if request.deadline_us is None else f"-{request.deadline_us:g}us"
    task = Task(subject, board, request.board, request.deadline_us, request.trials, request.out, request.seed)
    search = Search(task, storage, request.study or f"{subject.name}-{board.name}{deadline}")
    with progress.shown(search) as (say, finished):
        search.run(say, finished)
    return results.finish(search, request.out, lambda *_: None)


def subject_of(request: Request) -> Subject:
    """What is searched. Raises InputError."""
    policy = request.policy
    if policy in shipped.SHAPES or checkpoints.is_own(Path(policy)):
        return _trained(request)
    path, _ = checkpoints.split(policy)
    if not path.exists():
        if ":" not in policy:
            shipped.path_of(policy)  # raises InputError for a word
        raise InputError(f"{policy} does not exist: search takes a whole policy, such as demo or vit-flow, or the file "
                         "of a float network with --calibration")  # fmt: skip
    return _calibrated(request, path)


def _trained(request: Request) -> Trained:
    from hwgen.policies.loading import load_policy

    if request.calibration is not None:
        raise InputError(f"{request.policy} is judged by its robot: leave --calibration away")
    quality = request.quality or SUCCESS.name
    if quality not in QUALITIES:
        raise InputError(f"--quality {quality!r} is not possible for {request.policy}: choose {' or '.join(QUALITIES)}")
    source = fingerprint(shipped.path_of(request.policy))
    return Trained(load_policy(request.policy), request.space, QUALITIES[quality], request.effort, source)


def _calibrated(request: Request, path: Path) -> Calibrated:
    file, data = Path(request.policy), request.calibration
    if request.quality not in (None, SQNR.name):
        raise InputError(
            f"--quality {request.quality!r} needs a policy that can be trained: {file} is judged by {SQNR.name}"
        )
    if data is None:
        raise InputError(f"{file} needs recorded inputs: give --calibration data.npz (docs/quantize.md)")
    network = float_network(file, data)
    if network is None:
        raise InputError(f"{file} has quantizers of its own, so its bits are chosen: give the float network")
    values = calibration.load(data, network, request.limit)
    return Calibrated(file.stem, network, values, request.space, fingerprint(*_files(path), data))


def _files(model: Path) -> list[Path]:
    return sorted(p for p in model.rglob("*") if p.is_file()) if model.is_dir() else [model]


def _check(request: Request) -> None:
    """Raises InputError for a number or a folder that is not possible."""
    request.space.check()
    if request.deadline_us is not None and not 0 < request.deadline_us < float("inf"):
        raise InputError(f"--deadline-us must be positive, not {request.deadline_us}")
    if not 0 < request.effort.budget <= 1:
        raise InputError(
            f"--budget is a share of the whole training: above 0 and at most 1, not {request.effort.budget}"
        )
    if request.out.exists() and not request.out.is_dir():
        raise InputError(f"{request.out} is a file: give a folder with -o")
