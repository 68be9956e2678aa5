"""Under any schedule of faults the work ends, says what to do, and leaves the rows of a clean run.

A dozen seeds here; thousands by `make soak N=2000`.
"""

from collections.abc import Iterator

import pytest

from mushroom_assets_tests.faults.ground import Ground, Outcome, ground
from mushroom_assets_tests.faults.schedule import KINDS, Planned, drawn
from mushroom_assets_tests.faults.trial import Trial

pytestmark = pytest.mark.long
EVER = 10_000  # messages
ONE = ("daily_env_stats",)
LOADING = 35  # the message with the samples of the first file


@pytest.fixture(scope="module")
def made(server_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """The ground of all trials here."""
    with ground(server_uri, tmp_path_factory.mktemp("ground")) as made:
        yield made


def clean(outcome: Outcome) -> bool:
    """Whether nothing broke; shows what did."""
    assert outcome.broken == []
    return True


@pytest.mark.parametrize("seed", range(12))
def test_nothing_breaks_under_the_faults_of_a_seed(made: Ground, seed: int) -> None:
    assert clean(made.run(drawn(seed, made.messages)))


def test_a_seed_draws_the_same_faults_again_and_all_seeds_together_every_kind() -> None:
    plans = [drawn(seed, 500) for seed in range(60)]
    assert plans == [drawn(seed, 500) for seed in range(60)]
    assert {planned.kind for plan in plans for planned in plan} == set(KINDS)
    assert {len(plan) for plan in plans} == {1, 2, 3, 4}


@pytest.mark.parametrize("kind", ["delay", "slice"])
def test_a_slow_connection_makes_nothing_fail(made: Ground, kind: str) -> None:
    outcome = made.run([Planned(kind, at) for at in range(1, 100, 20)], ONE)
    assert clean(outcome)
    assert outcome.happened == [kind] * 5
    assert outcome.failures == []


@pytest.mark.parametrize(
    ("planned", "told"),
    [
        (Planned("reset", LOADING), "Remedy: see that PostgreSQL is up, then do the same again"),
        (Planned("swallow", LOADING), "the server is silent: no answer in 1 s"),
        (Planned("terminate", LOADING), "Remedy: see that PostgreSQL is up, then do the same"),
        (Planned("lose_commit", 1), "Remedy: see that PostgreSQL is up, then do the same again"),
        (Planned("crowd", LOADING, EVER), 'too many connections for role "farmer"'),
        (Planned("read_only", LOADING, EVER), "in a read-only transaction. Remedy: connect to"),
        (Planned("refuse", LOADING, EVER), "after 6 attempts in 0 s: connection failed"),
        (Planned("full_disk", 1, EVER), "No space left on device. Check free disk space. Remedy: "),
    ],
    ids=lambda value: value.kind if isinstance(value, Planned) else "",
)
def test_each_fault_happens_is_told_and_is_mended_by_the_same_again(
    made: Ground, planned: Planned, told: str
) -> None:
    if planned.kind == "full_disk" and made.site.disk is None:
        pytest.skip(made.site.why_no_disk)
    outcome = made.run([planned], ONE)
    assert clean(outcome)
    assert outcome.happened == [planned.kind]
    assert any(told in failure for failure in outcome.failures), outcome.failures


def test_an_acknowledgement_that_was_lost_is_of_a_commit_that_was_made(
    made: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports: list[int] = []
    load = Trial.load

    def watched(trial: Trial) -> None:
        load(trial)
        reports.append(len(made.found()["sample"]))

    monkeypatch.setattr(Trial, "load", watched)
    outcome = made.run([Planned("lose_commit", 1)], ())
    assert clean(outcome)
    assert len(outcome.failures) == 1  # of the first file
    assert reports == [2 * 3 * 96] * 2  # rooms, points, half hours: it was stored all the same


def test_a_trial_sees_what_is_wrong(made: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results of other rows, a run that is not asked for again, a message without a remedy."""
    monkeypatch.setitem(made.expected, "daily_env_stats", ["a row"])
    monkeypatch.setattr(Trial, "again", lambda trial: trial.note("something failed"))
    outcome = made.run([Planned("refuse", LOADING, EVER)], ONE)
    assert outcome.broken[0] == "no endpoint or no remedy: something failed"
    assert any("daily_env_stats lacks ['2026-01-05', " in text for text in outcome.broken)
    assert "the rows of daily_env_stats are not those of a clean trial" in outcome.broken
