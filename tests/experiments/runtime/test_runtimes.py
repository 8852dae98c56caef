"""Both runtimes keep the same promises: payload references, fencing, bounded waits."""

import os
import pickle
import subprocess
import sys
import textwrap

import pytest

from environments.core.errors import ConfigError, DataError, LostError, NoMemoryError
from experiments.config.load import load_scenario
from experiments.config.schema import ActorResources, RayConfig
from experiments.runtime.choose import open_runtime
from experiments.runtime.inprocess import InProcessRuntime
from experiments.runtime.interface import Fence, HostSpec, Parted, Stamp
from experiments.runtime.processes import _portable


class Host:
    """Makes payloads, takes payloads, fails and dies on demand."""

    def __init__(self, client, factor):
        if factor < 0:
            raise ConfigError(f"factor: given {factor}, allowed: 0 or more")
        self.client = client
        self.factor = factor

    def make(self, stamp, n):
        return Parted({"n": n}, list(range(n)))

    def total(self, stamp, *payloads):
        return self.factor * sum(sum(payload) for payload in payloads)

    def relay(self, stamp, other, n):
        return self.client.gather([self.client.call(other, "make", stamp, n)], 30.0)[0]["n"]

    def fail(self, stamp):
        raise DataError("a bad row", "data.jsonl", 3)

    def die(self, stamp):
        os._exit(1)


def specs():
    return [HostSpec(f"host-{i}", "conversation", Host, {"factor": i + 1}) for i in range(2)]


def check_refusal(runtime):
    """What a host refuses when it is built reaches the user in its own words, and only once."""
    bad = HostSpec("host-bad", "conversation", Host, {"factor": -1})
    with pytest.raises(ConfigError, match="^factor: given -1, allowed: 0 or more$"):
        runtime.start([bad])
    runtime.stop_hosts()


def check_promises(runtime):
    runtime.start(specs())
    stamp = Stamp(1, 0)
    calls = [runtime.call("host-0", "make", stamp, n) for n in (3, 4)]
    assert runtime.gather(calls, 30.0) == [{"n": 3}, {"n": 4}]
    total = runtime.call("host-1", "total", stamp, *[call.payload for call in calls])
    assert runtime.gather([total], 30.0) == [2 * (3 + 6)]
    assert runtime.gather([runtime.call("host-0", "relay", stamp, "host-1", 5)], 30.0) == [5]
    with pytest.raises(DataError, match=r"data.jsonl:3: a bad row"):
        runtime.gather([runtime.call("host-0", "fail", stamp)], 30.0)


def test_in_process_keeps_the_promises():
    check_promises(InProcessRuntime())
    check_refusal(InProcessRuntime())


def test_in_process_needs_no_ray():
    code = textwrap.dedent(
        """
        import sys
        sys.modules["ray"] = None
        from experiments.config.load import load_scenario
        from experiments.runtime.choose import open_runtime
        open_runtime(load_scenario("debate_teaches_weak", ["runtime=inprocess"]))
        import experiments.engine.run
        """
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_child_process_says_that_it_ran_out_of_memory():
    told = pickle.loads(pickle.dumps(_portable("learner-0", MemoryError("Unable to allocate"))))
    assert type(told) is NoMemoryError
    assert str(told) == "learner-0 ran out of memory: Unable to allocate"


def test_fence_refuses_an_older_epoch():
    fence = Fence("learner-0")
    fence.check(Stamp(3, 1))
    fence.check(Stamp(3, 2))
    with pytest.raises(LostError, match="learner-0 refused a command of epoch 2"):
        fence.check(Stamp(2, 9))


@pytest.mark.ray
@pytest.mark.slow
class TestRay:
    """One session for all, since starting Ray takes seconds."""

    @pytest.fixture()
    def config(self):
        return load_scenario("debate_teaches_weak", ["runtime.ray.init.num_cpus=2"])

    @pytest.fixture()
    def runtime(self, config):
        runtime = open_runtime(config)
        yield runtime
        runtime.close()

    def test_promises_loss_and_epochs(self, runtime):
        check_promises(runtime)
        moved = runtime.driver_bytes
        assert moved > 0
        with pytest.raises(LostError, match="host-0 died"):
            runtime.gather([runtime.call("host-0", "die", Stamp(1, 0))], 30.0)
        runtime.stop_hosts()
        runtime.start(specs())  # names of the new epoch do not clash with the dead
        call = runtime.call("host-0", "make", Stamp(2, 0), 2)
        assert runtime.gather([call], 30.0) == [{"n": 2}]
        with pytest.raises(LostError, match="epoch 1"):
            runtime.gather([runtime.call("host-0", "make", Stamp(1, 0), 2)], 30.0)
        runtime.stop_hosts()
        check_refusal(runtime)
        pairs = [
            HostSpec(f"learner-{i}.rank-{rank}", "learner", Host, {"factor": 1}, f"learner-{i}")
            for i in range(2)
            for rank in range(2)
        ]
        assert len(runtime.start(pairs)) == 4  # every pair in a placement group of its own

    def test_more_cpus_than_there_are_is_one_line(self, config):
        from experiments.runtime.ray_cluster import RayRuntime

        greedy = RayConfig(conversation=ActorResources(num_cpus=64), init={"num_cpus": 2})
        runtime = RayRuntime(greedy, "auto")
        try:
            with pytest.raises(ConfigError, match="ask for 128 CPUs, the Ray cluster has 2"):
                runtime.start(specs())
        finally:
            runtime.close()

    def test_no_cluster_at_the_address_is_one_line(self):
        from experiments.runtime.ray_cluster import RayRuntime

        with pytest.raises(ConfigError, match="no Ray cluster at '127.0.0.1:1'"):
            RayRuntime(RayConfig(address="127.0.0.1:1"), "auto")
