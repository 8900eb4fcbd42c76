"""A server with its customer and two attackers, and what was seen of them."""

import os
import re
import subprocess
import time

import observer
from flowstate_server import Server
from processes import working_in
from registry import ATTACKS
from worker import Worker

LONG_SECONDS = float(os.environ.get("FLOWSTATE_LONG_SECONDS") or 0)
IS_LONG = LONG_SECONDS > 0
#: How long an attack takes unless it says otherwise, and the customer's own baseline before it.
SHORT_SECONDS, BASELINE_SECONDS = (1, 0.4) if not IS_LONG else (LONG_SECONDS, min(5, LONG_SECONDS))
#: Megabytes: at the peak, and so many seconds after the attack.
PEAK, AFTER, AFTER_SECONDS = 300, 120 if IS_LONG else 150, 60
#: Milliseconds of the customer's calls: any machine must keep the first; a quiet one the second above its baseline.
P99, P99_ABOVE_BASELINE = 1_000, 50
GRACE_SECONDS = 10
#: An attack goes on for so long before SIGTERM comes.
EFFECT_SECONDS = 2
CLOSE_SECONDS = 60
#: Milliseconds of processor time of the event loop's longest turn, in the long form. The aim is 5; emptied caches, and interrupts that hit the
#: thread, count as well, and a busy machine doubles it.
TURN = 10
#: And for each connection that is reset in one moment, which NIO and the kernel take to close its socket.
TURN_RESET = 0.02
LONGEST_TURN = re.compile(r"microseconds=(\d+) .*the longest turn of an event loop")
#: Processors that a server may use beside its customer when all attackers are gone, after so many seconds.
IDLE, IDLE_SECONDS = 0.5, 4
#: What a full server may answer anyone.
OVERLOADED = "RESOURCE_EXHAUSTED"


class Arena:
    def __init__(self, binary, make_directory):
        self.binary, self.make_directory = binary, make_directory
        self.server = self.customer = None
        self.attackers = []
        self.prepared = set()

    def ready(self):
        """Starts what is not there."""
        if self.server is None:
            # At this level the server counts the processor time of turns.
            self.server = Server(self.binary, self.make_directory(), arguments=["--log-level", "debug"] if IS_LONG else [])
            self.server.start()
            self.observer = observer.Observer(self.server.process.pid)
            self.customer = Worker("hostile/customer.py", self.server.endpoint)
            self.customer.ask()
        while len(self.attackers) < 2:
            self.attackers.append(Worker("hostile/attacker.py"))
        return self

    def reset(self):
        """Nothing of an attack that was not withstood reaches the next one."""
        for worker in (*self.attackers, *filter(None, [self.customer])):
            worker.kill()
        self.attackers, self.customer = [], None
        self.prepared.clear()
        if self.server is not None:
            self.server.destroy()
            self.server = None

    def prepare(self, names):
        for name in set(names) - self.prepared:
            if ATTACKS[name].prepare:
                answer = self.attackers[0].ask({"do": "prepare", "name": name, "endpoint": self.server.endpoint}, timeout=120)
                assert answer and "answer" in answer, f"{name} could not be prepared: {answer}"
            self.prepared.add(name)

    def begin(self, names, seconds):
        """The first attacker does the first attack, the second one the second, or the same."""
        for share, attacker in enumerate(self.attackers):
            attacker.order({
                "do": "attack", "name": names[share % len(names)], "endpoint": self.server.endpoint, "seconds": seconds, "share": share})

    def run(self, names):
        """An attack, and its figures."""
        seconds = LONG_SECONDS or max(ATTACKS[name].short or SHORT_SECONDS for name in names)
        self.ready().prepare(names)
        self.customer.ask()
        time.sleep(BASELINE_SECONDS)
        baseline = self.customer.ask()
        self.observer.forget_peak()
        loop, cpu, began = self.observer.loop_seconds(), self.observer.seconds(), time.monotonic()
        self.begin(names, seconds)
        attackers = [attacker.answer(timeout=seconds + 30) for attacker in self.attackers]
        took, is_alive = time.monotonic() - began, self.server.process.poll() is None
        seen = self.customer.ask()
        figures = {
            "attack": "+".join(names), "seconds": round(took, 1), "alive": is_alive, "baseline": worst(baseline, "p99"),
            "p99": worst(seen, "p99"), "max": worst(seen, "max"), "check_max": seen.get("check", {}).get("max", 0),
            "errors": seen["errors"], "load_average": round(os.getloadavg()[0], 1), "attackers": attackers}
        if is_alive:
            figures["loop_share"] = round((self.observer.loop_seconds() - loop) / took, 2)
            figures["processors"] = round((self.observer.seconds() - cpu) / took, 2)
            _, figures["peak"] = self.observer.memory()
            self._rest(figures)
            if IS_LONG:
                figures["turn"] = self._longest_turn()
        return figures

    def _longest_turn(self):
        """Which a server tells with its last words."""
        log = self.server.log
        self.customer.kill()
        self.customer = None
        self.server.terminate()
        self.server.wait()
        self.reset()
        found = LONGEST_TURN.findall(log.read_text(errors="replace"))
        return round(int(found[-1]) / 1e3, 1) if found else None

    def _rest(self, figures):
        """Waits until memory was given back, and sees that the server serves."""
        began = time.monotonic()
        while (now := self.observer.memory()[0]) >= AFTER and time.monotonic() < began + AFTER_SECONDS:
            time.sleep(0.05)
        figures["after"], figures["after_seconds"] = now, round(time.monotonic() - began, 1)
        figures["works_on"] = self._processors_once_idle()
        self.server.close_channels()
        flows = self.server.flows()
        flows.save("after")
        figures["serves"] = flows.state("after") == b"{}"
        self.server.close_channels()

    def _processors_once_idle(self):
        """Processors that the server still keeps busy; less than `IDLE` within `IDLE_SECONDS`, or what it was at last."""
        ends = time.monotonic() + IDLE_SECONDS
        while True:
            before = self.observer.seconds()
            time.sleep(0.25)
            busy = (self.observer.seconds() - before) / 0.25
            if busy < IDLE or time.monotonic() > ends:
                return round(busy, 2)

    def terminate(self, names):
        """SIGTERM amid an attack: seconds until the server was gone, its exit code, and processes that were left."""
        self.reset()
        self.ready().prepare(names)
        self.begin(names, GRACE_SECONDS + 20)
        time.sleep(EFFECT_SECONDS)
        self.server.terminate()
        began = time.monotonic()
        try:
            code = self.server.wait(timeout=GRACE_SECONDS + 10)
        except subprocess.TimeoutExpired:
            code = None
        figures = {"attack": "SIGTERM: " + "+".join(names), "seconds": round(time.monotonic() - began, 1), "exit_code": code}
        figures["left"] = len(working_in(self.server.data)) if code is not None else None
        return figures


def worst(window, figure):
    """Of saves and loads."""
    return max((window[kind][figure] for kind in ("save", "load") if kind in window), default=0)
