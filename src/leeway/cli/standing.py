"""How all that is watched stands, as facts: the answer of `leeway status`."""

from datetime import datetime

from leeway.cli import schemas
from leeway.cli.screens import check_facts, decision_facts
from leeway.domain.records import DecisionState
from leeway.epoch import Epoch
from leeway.monitor.fleet import Fleet
from leeway.monitor.overview import ModelStanding, labels_in, standings

NOT_OVER = (DecisionState.OPEN, DecisionState.RUNNING)


def status_facts(fleet: Fleet, as_of: datetime, *, champion: Epoch | None) -> schemas.StatusFacts:
    """Return how each model stands, and the champion in some detail."""
    waiting = fleet.ledger.pending_alerts()
    errors = [alert.error for alert in waiting if alert.error]
    return schemas.StatusFacts(
        models=[_standing(each) for each in standings(fleet, as_of, champion=champion)],
        champion=_champion(champion) if champion else None,
        alerts_not_delivered=schemas.WaitingAlertsFacts(
            count=len(waiting), since=waiting[0].made_at if waiting else None, error=errors[-1] if errors else ""
        ),
        false_alarm_probability_per_year=fleet.shared_policy.false_alarm_probability_per_year,
    )


def _standing(standing: ModelStanding) -> schemas.StandingFacts:
    return schemas.StandingFacts(
        model=standing.model,
        version=standing.version,
        rank=standing.rank.name.lower(),
        beside=standing.is_beside,
        concerns=[schemas.ConcernFacts(rank=each.rank.name.lower(), text=each.text) for each in standing.concerns],
    )


def _champion(epoch: Epoch) -> schemas.ChampionFacts:
    reference, ledger, last = epoch.version.reference, epoch.ledger, epoch.history.decided[-1:]
    return schemas.ChampionFacts(
        model=epoch.model,
        version=epoch.version.version,
        serving_since=epoch.began_at,
        test_accuracy=reference.accuracy,
        test_images=reference.total,
        last_night=last[0] if last else None,
        checks=[check_facts(result) for _, result in epoch.history.results(last)] if last else [],
        decisions=[decision_facts(each) for each in ledger.decisions(epoch.model) if each.state in NOT_OVER],
        waiting_for_a_label=len(ledger.label_queue(epoch.model)),
        labelled=labels_in(epoch.log, ledger)[epoch.model],
    )
