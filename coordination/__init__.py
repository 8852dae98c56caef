"""Who says what to whom: messages, channels, rooms, protocols, ledger."""

from environments.core.registry import Registry

PROTOCOLS = Registry(
    "protocol",
    {
        "naive": "coordination.protocols.naive:Naive",
        "direct": "coordination.protocols.direct:Direct",
        "consultancy": "coordination.protocols.consultancy:Consultancy",
        "debate": "coordination.protocols.debate:Debate",
        "explanation": "coordination.protocols.explanation:ExplanationProtocol",
        "facilitated_vote": "coordination.protocols.facilitated_vote:FacilitatedVote",
    },
)
