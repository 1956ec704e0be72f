"""The two tables of legal moves, and the law between them."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qos_monitor.claims.lifecycle import (
    CASE_MOVES,
    CLAIM_MOVES,
    FINAL,
    CaseState,
    ClaimFact,
    ClaimKind,
    ClaimState,
    IllegalMove,
    check_case_move,
    check_claim_move,
    settled,
)

KINDS = (ClaimKind.REFUND, ClaimKind.SUPPLEMENT, ClaimKind.WITHDRAWAL)
FACTS = [ClaimFact(kind, state) for kind, state in product(KINDS, ClaimState)]
TAKEN_BACK = {CaseState.CANDIDATE, CaseState.WITHDRAWN, CaseState.REJECTED}


def reachable(start: ClaimState) -> set[ClaimState]:
    found, edge = set[ClaimState](), {start}
    while edge:
        edge = {after for state in edge for after in CLAIM_MOVES[state]} - found
        found |= edge
    return found


def test_every_state_has_its_row_in_the_tables() -> None:
    assert set(CASE_MOVES) == set(CaseState)
    assert set(CLAIM_MOVES) == set(ClaimState)


def test_nothing_leaves_paid() -> None:
    assert CLAIM_MOVES[ClaimState.PAID] == frozenset()
    assert CASE_MOVES[CaseState.PAID] == {CaseState.SUPPLEMENTED}


def test_every_claim_can_still_come_to_be_paid_unless_it_was_refused_for_good() -> None:
    for state in set(ClaimState) - {ClaimState.PAID}:
        assert ClaimState.PAID in reachable(state), state


def test_whatever_a_case_was_paid_it_is_never_again_a_candidate_withdrawn_or_rejected() -> None:
    paid = [ClaimFact(ClaimKind.REFUND, ClaimState.PAID), ClaimFact(ClaimKind.SUPPLEMENT, ClaimState.PAID)]
    for one in paid:
        for others in product(FACTS, FACTS):
            assert settled([one, *others]) not in TAKEN_BACK


@given(st.lists(st.sampled_from(FACTS), max_size=5), st.randoms())
def test_the_order_of_claims_does_not_matter(facts: list[ClaimFact], random: object) -> None:
    shuffled = list(facts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # a Random, which hypothesis does not type

    assert settled(shuffled) is settled(facts)


@given(st.data())
def test_no_walk_along_the_table_of_claims_un_pays_a_case(data: st.DataObject) -> None:
    facts = [ClaimFact(ClaimKind.REFUND, ClaimState.WAITING)]
    was_paid = False
    for _ in range(data.draw(st.integers(1, 12))):
        index = data.draw(st.integers(0, len(facts) - 1))
        choices = sorted(CLAIM_MOVES[facts[index].state])
        if choices:
            facts[index] = ClaimFact(facts[index].kind, data.draw(st.sampled_from(choices)))
        elif len(facts) < 3:
            facts.append(ClaimFact(ClaimKind.SUPPLEMENT, ClaimState.READY))
        was_paid |= any(fact.state is ClaimState.PAID for fact in facts)
        assert not (was_paid and settled(facts) in TAKEN_BACK)


@pytest.mark.parametrize("after", sorted(set(CaseState) - {CaseState.PAID, CaseState.SUPPLEMENTED}))
def test_a_paid_case_refuses_to_become_anything_that_takes_back(after: CaseState) -> None:
    with pytest.raises(IllegalMove, match=f"a case that is paid cannot become {after}"):
        check_case_move(CaseState.PAID, after)


def test_staying_is_always_legal() -> None:
    for state in CaseState:
        check_case_move(state, state)
    for claim_state in ClaimState:
        check_claim_move(claim_state, claim_state)


def test_final_states_lead_at_most_to_paid_or_to_being_filed_anew() -> None:
    allowed = {ClaimState.PAID, ClaimState.SUPERSEDED, ClaimState.WAITING, ClaimState.READY}
    for state in FINAL:
        assert CLAIM_MOVES[state] <= allowed
