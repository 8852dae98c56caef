"""Where the work is done: one interface, two runtimes. Results do not depend on the choice.

`inprocess` needs no Ray; `ray_cluster` is the only module of the framework that imports it.
"""
