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

TOPOLOGIES = Registry(
    "topology",
    {
        "complete": "coordination.channels.topologies:Complete",
        "star": "coordination.channels.topologies:Star",
        "hierarchy": "coordination.channels.topologies:Hierarchy",
        "bipartite": "coordination.channels.topologies:Bipartite",
        "edges": "coordination.channels.topologies:Edges",
        "ring": "coordination.channels.networks:Ring",
        "small_world": "coordination.channels.networks:SmallWorld",
        "scale_free": "coordination.channels.networks:ScaleFree",
    },
)
