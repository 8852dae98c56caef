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
        "vote": "coordination.protocols.vote:Vote",
        "weighted_vote": "coordination.protocols.weighted_vote:WeightedVote",
    },
)
