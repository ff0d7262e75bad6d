"""A simulator at work, and its control plane."""

import json
import os
import subprocess
import time
from contextlib import contextmanager
from datetime import datetime

import requests

BINARY = os.environ["EDR_SIM"]


class Tenant(dict):
    """A tenant of the ready line; its keys are attributes."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError as missing:
            raise AttributeError(name) from missing


class Sim:
    def __init__(self, *flags):
        self.process = subprocess.Popen([BINARY, *flags], stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"edr-sim {' '.join(flags)} did not start: code {self.process.wait()}")
        ready = json.loads(line)
        self.control, self.ca = ready["control"], ready["ca"]
        self.tenants = {t["name"]: Tenant(t) for t in ready["tenants"]}

    def stop(self):
        self.process.terminate()
        code = self.process.wait(timeout=20)
        self.process.stdout.close()
        if code != 0:
            raise RuntimeError(f"edr-sim ended with {code}")

    def __getitem__(self, name):
        return self.tenants[name]

    def call(self, method, path, body=None):
        reply = requests.request(method, f"{self.control}/sim/{path}", json=body, timeout=20)
        reply.raise_for_status()
        return reply.json()

    def log(self, tenant=None):
        return [e for e in self.call("GET", "log") if tenant in (None, e["tenant"])]

    def requests(self):
        return self.call("GET", "requests")

    def count(self, tenant, operation):
        return self.requests()["counters"].get(tenant, {}).get(operation, 0)

    def last(self, operation):
        return [r for r in self.requests()["last"] if r["operation"] == operation][-1]

    def advance(self, by):
        return self.call("POST", "clock", {"advance": by})

    def now(self):
        return datetime.fromisoformat(self.call("GET", "clock")["now"].replace("Z", "+00:00"))

    def online(self, tenant, host, online):
        return self.call("PATCH", f"hosts/{tenant}/{host}", {"online": online})

    def add_alerts(self, tenant, count, late_by=None):
        return self.call("POST", "alerts", {"tenant": tenant, "count": count, **({"late_by": late_by} if late_by else {})})

    @contextmanager
    def fault(self, operation, fault, tenant=None, **when):
        """A fault in force for as long as the block lasts."""
        rule = {"operation": operation, "fault": fault, **({"tenant": tenant} if tenant else {}), **(when or {"always": True})}
        self.call("POST", "faults", [rule])
        try:
            yield
        finally:
            self.call("DELETE", "faults")

    @contextmanager
    def counting(self, tenant, **expected):
        """Within the block each operation is called exactly so often; `_` in a name stands for what Python cannot spell."""
        before = self.requests()["counters"].get(tenant, {})
        yield
        after = self.requests()["counters"].get(tenant, {})
        grown = {op: n - before.get(op, 0) for op, n in after.items() if n != before.get(op, 0)}
        if grown != expected:
            raise AssertionError(f"{tenant} was asked {grown}, not {expected}")


def eventually(what, check, seconds=10):
    """Waits until `check` gives something true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = check()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what}")
