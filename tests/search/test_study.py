"""A study is one, however many workers, interruptions and commands it takes."""

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

pytest.importorskip("optuna", reason="needs the flow environment")

from optuna.distributions import CategoricalDistribution  # noqa: E402
from optuna.trial import TrialState, create_trial  # noqa: E402

from hwgen.errors import FitError, InputError, ToolError  # noqa: E402
from hwgen.search import progress, results, storage  # noqa: E402
from hwgen.search.hardware import Engine  # noqa: E402
from hwgen.search.hopeless import WHY, behind  # noqa: E402
from hwgen.search.space import Space  # noqa: E402
from hwgen.search.study import SAME, best, engine  # noqa: E402
from tests.search.support import Toy, run, search, urls  # noqa: E402


class Killed(BaseException):
    """Ends a worker as a signal would: Optuna does not see it, so the trial stays as it was."""


def raising(error, at):
    def during(trial):
        if trial == at:
            raise error

    return during


def states(worker):
    return [t.state for t in worker.study.get_trials(deepcopy=False)]


@pytest.mark.parametrize("kind", ["sqlite", "journal"])
def test_a_second_command_adds_nothing_and_a_larger_one_goes_on(tmp_path, kind):
    url = urls(tmp_path)[kind]
    first = run(search(Toy(), tmp_path, url, trials=3))
    assert [t.number for t in first] == [0, 1, 2]
    assert [t.params["bits.first"] for t in first[:2]] == [4, 8], "the same bits everywhere are tried first"
    toy = Toy()
    assert run(search(toy, tmp_path, url, trials=3)) == [] and toy.asked == []
    assert [t.number for t in run(search(toy, tmp_path, url, trials=5, seed=2))] == [3, 4]


def test_two_workers_share_a_journal(tmp_path):
    meet = Barrier(2, timeout=120)
    toys = [Toy(during=lambda trial: trial > 1 or meet.wait()) for _ in range(2)]
    workers = [search(toy, tmp_path, urls(tmp_path)["journal"], 8, seed=s) for s, toy in enumerate(toys)]
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(run, workers)
    numbers = sorted(t.number for t in one + other)
    assert one and other and numbers == list(range(len(numbers))) and 8 <= len(numbers) <= 9
    assert set(states(workers[0])) == {TrialState.COMPLETE}


@pytest.mark.parametrize("kind", ["sqlite", "journal"])
def test_a_killed_workers_trial_is_failed_and_repeated(tmp_path, kind, monkeypatch):
    url = urls(tmp_path)[kind]
    dead = search(Toy(during=raising(Killed, 2)), tmp_path, url)
    with pytest.raises(Killed):
        run(dead)
    assert states(dead)[-1] is TrialState.RUNNING
    lost = dead.study.get_trials()[-1].params
    if kind == "sqlite":
        with sqlite3.connect(tmp_path / "study.db") as base:
            base.execute("UPDATE trial_heartbeats SET heartbeat = '2000-01-01 00:00:00'")
    else:
        monkeypatch.setattr(storage, "GRACE", -1)
    toy = Toy()
    worker = search(toy, tmp_path, url)
    run(worker)
    assert states(worker).count(TrialState.FAIL) == 1 and toy.choice(lost) in toy.asked
    assert sum(s in (TrialState.COMPLETE, TrialState.PRUNED) for s in states(worker)) == 6


def test_ctrl_c_puts_the_trial_back(tmp_path):
    url, stopped = urls(tmp_path)["sqlite"], Toy(during=raising(KeyboardInterrupt, 3))
    with pytest.raises(KeyboardInterrupt):
        run(search(stopped, tmp_path, url))
    toy = Toy()
    run(search(toy, tmp_path, url, trials=3))
    assert toy.asked == stopped.asked[-1:]


@pytest.mark.parametrize("kind", ["sqlite", "journal"])
def test_a_storage_that_goes_away_is_told_and_the_same_command_goes_on(tmp_path, kind):
    url, file = urls(tmp_path)[kind], tmp_path / f"study.{'db' if kind == 'sqlite' else 'log'}"
    away = tmp_path / "away"

    def during(trial):
        if trial == 3:
            file.rename(away)

    with pytest.raises(ToolError, match="does not answer .*give the same command again") as told:
        run(search(Toy(during=during), tmp_path, url))
    assert "\n" not in str(told.value) and not file.exists(), "and no second one is begun"
    away.rename(file)
    worker = search(Toy(), tmp_path, url)
    assert worker.done() >= 2
    assert 3 <= len(run(worker)) <= 4 and worker.done() == 6


def test_what_is_late_is_stopped_before_anything_slow(tmp_path):
    fast = engine(run(search(Toy(Space(width=(1.0,))), tmp_path, urls(tmp_path)["journal"], 1))[0])
    slow_trials: list[int] = []
    toy = Toy(during=slow_trials.append)
    worker = search(toy, tmp_path, urls(tmp_path)["sqlite"], 10, deadline_us=1.2 * fast.us)
    stopped = [t for t in run(worker) if t.state is TrialState.PRUNED]
    assert stopped and all(t.params["width"] == 2.0 and t.constraints["deadline"] > 0 for t in stopped)
    assert all("the deadline is" in t.user_attrs[WHY] for t in stopped)
    assert len(slow_trials) == sum(choice.width == 1.0 for choice in toy.asked)
    assert engine(best(worker.study, toy.quality)).us <= 1.2 * fast.us
    assert any("stopped: " in progress.line(worker, t) for t in stopped)
    with pytest.raises(FitError, match=r"0\.01 us is below the bound: the smallest toy takes .* give --deadline-us"):
        run(search(Toy(), tmp_path, urls(tmp_path)["sqlite"], 10, deadline_us=0.01, name="late"))


def test_a_choice_that_was_tried_is_not_tried_again(tmp_path):
    toy = Toy(Space(bits=(8,), width=(1.0,)))
    ended = run(search(toy, tmp_path, urls(tmp_path)["journal"], 4))
    assert len(toy.asked) == 1 and [t.values for t in ended] == [ended[0].values] * 4
    assert [t.user_attrs.get(SAME) for t in ended] == [None, 0, 0, 0]


def test_a_training_is_behind_only_what_beats_it_in_everything():
    def trial(**changes):
        made = {"early": 0.1, "clocks": 100, "cost": 0.1, "chunk": 8} | changes
        found = Engine("8x8", made["clocks"], 1.0, made["cost"], {}).as_dict()
        known = {"engine": found, "early_error": made["early"]}
        of = {"params": {"chunk": made["chunk"]}, "distributions": {"chunk": CategoricalDistribution([4, 8])}}
        return create_trial(value=0.0, user_attrs=known, **of)

    mine = Engine("8x8", 100, 1.0, 0.1, {})
    assert "trial" in behind([trial()], 0.13, mine, {"chunk": 8})
    for other in (trial(early=0.11), trial(clocks=101), trial(cost=0.11), trial(chunk=4)):
        assert behind([other], 0.13, mine, {"chunk": 8}) == ""


@pytest.mark.parametrize("change", [{"board": "kv260"}, {"deadline_us": 1e6}])
def test_a_study_about_something_else_is_refused(tmp_path, change):
    url = urls(tmp_path)["journal"]
    search(Toy(), tmp_path, url)
    with pytest.raises(InputError, match=rf"study 'study' in journal.* has {next(iter(change))} .*--study"):
        search(Toy(), tmp_path, url, **change)


def test_a_defect_is_no_failure_of_the_storage(tmp_path):
    with pytest.raises(ZeroDivisionError):
        run(search(Toy(during=lambda trial: 1 / 0), tmp_path, urls(tmp_path)["sqlite"]))


def test_results_are_a_table_files_pictures_and_the_next_command(tmp_path, capsys):
    worker = search(Toy(), tmp_path, urls(tmp_path)["journal"], 8)
    run(worker)
    file = results.finish(worker, tmp_path, lambda *call: None)
    told = capsys.readouterr().out
    assert f"Next: hwgen generate {file} --board ulx3s -o {tmp_path / 'design'}" in told
    assert f"{file}: trial " in told and "8 trials: 8 complete" in told
    report = json.loads((tmp_path / "search.json").read_text())
    assert report["best"] in report["pareto"] and len(report["trials"]) == 8 and report["board"] == "ulx3s"
    for name in ("pareto.png", "timeline.png", "importances.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    chosen = report["trials"][report["best"]]
    assert chosen["value"] == max(t["value"] for t in report["trials"]) and chosen["engine"]["clocks"] > 0


def test_no_completed_trial_is_told_with_the_reason(tmp_path):
    toy = Toy(Space(width=(1.0, 8.0)))
    worker = search(toy, tmp_path, urls(tmp_path)["sqlite"], 1)
    with pytest.raises(FitError, match="no trial has ended yet"):
        results.finish(worker, tmp_path, lambda *call: None)
    worker.study.add_trial(create_trial(state=TrialState.PRUNED, user_attrs={WHY: "too late"}))
    with pytest.raises(FitError, match="no trial was completed: all 1 were stopped, 1 of them because: too late; give"):
        results.finish(worker, tmp_path, lambda *call: None)
    assert (tmp_path / "search.json").exists()
