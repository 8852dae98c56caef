"""Decentralized POMDPs: the ``.dpomdp`` text format, exact values and a batched simulator."""
