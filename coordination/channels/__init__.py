"""Channels: what becomes of a message on its way to each seat.

Every message is *sent* to the seats that it addresses and that topology and visibility let it
reach, and each of these copies ends in exactly one `Delivery` status, so that always::

    sent = delivered + in flight + over budget + dropped + expired

The way of a copy, each step keyed by (room, turn, sender, recipient) alone::

    topology, visibility --> budget --> loss --> delay --> expiry --> truncation --> corruption
    (is there a copy?)     over budget  dropped  late      expired    altered        altered

`topologies` and `networks` say who reaches whom, `settings` holds the typed configuration,
`budgets` what a message costs, `faults` the draws, `copies` what an altered copy looks like, and
`channel` puts them together.
"""

from coordination.channels.channel import NOT_SENT, Channel, Posted, Routed, settled
from coordination.channels.settings import ChannelSettings
from coordination.channels.topologies import Topology, TopologyConfig, reach_of

__all__ = [
    "NOT_SENT",
    "Channel",
    "ChannelSettings",
    "Posted",
    "Routed",
    "Topology",
    "TopologyConfig",
    "reach_of",
    "settled",
]
