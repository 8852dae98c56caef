"""The proofs of the protocols hold."""

import pytest

from coordination.protocols.proofs import proofs


@pytest.mark.parametrize("proof", proofs(), ids=lambda proof: proof.claim)
def test_a_number_that_follows_from_the_definition(proof):
    assert proof.ok, f"{proof.obtained} is not {proof.expected}"
