"""Which role an identity provider's claims give."""

from typing import Any

import pytest

from config.claim_roles import claim_roles

BOTH = claim_roles("groups: ops=operator platform=admin")
ANYBODY = claim_roles("https://acme.example/roles:  a=b=admin *=viewer")


@pytest.mark.parametrize(
    ("roles", "claims", "expected"),
    [
        pytest.param(BOTH, {"groups": ["ops", "x"]}, "operator", id="one_of_a_list"),
        pytest.param(BOTH, {"groups": "platform"}, "admin", id="a_word"),
        pytest.param(BOTH, {"groups": ["platform", "ops"]}, "admin", id="highest"),
        pytest.param(BOTH, {"groups": ["OPS"]}, None, id="other_case"),
        pytest.param(BOTH, {"groups": "ops platform"}, None, id="no_splitting"),
        pytest.param(BOTH, {"groups": {"ops": True}}, None, id="no_keys"),
        pytest.param(BOTH, {}, None, id="nothing"),
        pytest.param(ANYBODY, {}, "viewer", id="everybody_else"),
        pytest.param(ANYBODY, {"https://acme.example/roles": ["a=b"]}, "admin", id="named_before_everybody"),
    ],
)
def test_role(roles: Any, claims: dict[str, Any], expected: str | None) -> None:
    """The highest that is named; nothing is guessed."""
    assert roles.role(claims) == expected


@pytest.mark.parametrize(
    "text", ["", "groups", "groups:", "groups: ops", "groups: ops=root", "ops=admin", "groups: =admin"]
)
def test_mistakes(text: str) -> None:
    """Whoever writes it is shown how it is written."""
    with pytest.raises(ValueError, match="VALUE=ROLE"):
        claim_roles(text)
