"""falconpy: every way to list hosts, filters and orders against an evaluation in Python, and containment."""

import fnmatch
import unittest
from collections import Counter
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network

from falconpy import APIHarnessV2, Hosts

from sim import Sim

HOSTS = 3210
# What moves with the clock, minute by minute, while the tests run.
MOVING = {"last_seen", "modified_timestamp", "last_login_timestamp"}


def setUpModule():
    global sim, falcon, hosts, everyone
    sim = Sim("--falcon-hosts", str(HOSTS), "--cortex-tenants", "0", "--alerts", "0", "--sensor-delay", "30s")
    unittest.addModuleCleanup(sim.stop)
    falcon = sim["falcon-1"]
    hosts = Hosts(client_id=falcon.client_id, client_secret=falcon.client_secret, base_url=falcon.base_url)
    everyone = {h["device_id"]: h for h in combined()}


def good(answer, status=200):
    if answer["status_code"] != status:
        raise AssertionError(f"{answer['status_code']}: {answer['body']}")
    return answer["body"]


def combined(limit=700, **more):
    """All hosts by the combined endpoint: `next` is the offset of the page that follows."""
    found, offset = [], {}
    while True:
        body = good(hosts.query_devices_by_filter_combined(limit=limit, **offset, **more))
        found += body["resources"]
        if not body["meta"]["pagination"]["next"]:
            return found
        offset = {"offset": body["meta"]["pagination"]["next"]}


def scroll(limit=1000, **more):
    """All ids by the scroll: the last page has a cursor too, so the total ends the walk."""
    found, offset = [], {}
    while True:
        body = good(hosts.query_devices_by_filter_scroll(limit=limit, **offset, **more))
        found += body["resources"]
        if not body["resources"] or len(found) >= body["meta"]["pagination"]["total"]:
            return found
        offset = {"offset": body["meta"]["pagination"]["offset"]}


def query(limit=1000, **more):
    """All ids by number."""
    found = []
    while True:
        body = good(hosts.query_devices_by_filter(limit=limit, offset=len(found), **more))
        found += body["resources"]
        if len(found) >= body["meta"]["pagination"]["total"]:
            return found


def steady(row):
    return {k: v for k, v in row.items() if k not in MOVING}


def when(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


class Lists(unittest.TestCase):
    def test_combined_is_everyone_once(self):
        with sim.counting("falcon-1", CombinedDevicesByFilter=5):
            found = [h["device_id"] for h in combined(limit=700)]
        self.assertEqual((len(found), len(set(found))), (HOSTS, HOSTS))
        self.assertEqual(found, sorted(found), "the default order is device_id.asc")
        self.assertTrue(all(len(i) == 32 and int(i, 16) >= 0 for i in found))
        self.assertEqual({h["cid"] for h in everyone.values()}, {next(iter(everyone.values()))["cid"]})

    def test_scroll_is_the_same_set(self):
        with sim.counting("falcon-1", QueryDevicesByFilterScroll=4):
            found = scroll(limit=1000)
        self.assertEqual(len(found), HOSTS)
        self.assertEqual(set(found), set(everyone))

    def test_query_is_the_same_set(self):
        with sim.counting("falcon-1", QueryDevicesByFilter=4):
            found = query(limit=1000)
        self.assertEqual(len(found), HOSTS)
        self.assertEqual(set(found), set(everyone))

    def test_query_ends_below_ten_thousand(self):
        answer = hosts.query_devices_by_filter(limit=5000, offset=5000)
        self.assertEqual(answer["status_code"], 400)
        self.assertEqual(answer["body"]["errors"][0]["code"], 400)

    def test_limits(self):
        for call, most in ((hosts.query_devices_by_filter, 5000), (hosts.query_devices_by_filter_scroll, 10000),
                           (hosts.query_devices_by_filter_combined, 10000)):
            self.assertEqual(len(good(call(limit=most))["resources"]), HOSTS)
            self.assertEqual(len(good(call())["resources"]), 100, "the default")
            for wrong in (most + 1, -1):
                self.assertEqual(call(limit=wrong)["status_code"], 400, wrong)

    def test_fields_project(self):
        body = good(hosts.query_devices_by_filter_combined(fields="hostname,device_id", limit=20))
        for row in body["resources"]:
            self.assertEqual(row, {k: everyone[row["device_id"]][k] for k in ("device_id", "hostname")})

    def test_a_cursor_lives_two_minutes(self):
        self.addCleanup(sim.call, "POST", "reset")
        for call, key in ((hosts.query_devices_by_filter_combined, "next"), (hosts.query_devices_by_filter_scroll, "offset")):
            cursor = good(call(limit=10))["meta"]["pagination"][key]
            sim.advance("110s")
            cursor = good(call(limit=10, offset=cursor))["meta"]["pagination"][key]
            sim.advance("121s")
            self.assertEqual(call(limit=10, offset=cursor)["status_code"], 400)


class Entities(unittest.TestCase):
    def test_get_and_post_give_what_combined_gave(self):
        ids = list(everyone)
        for call, batch in ((hosts.get_device_details_v2, ids[:100]), (hosts.post_device_details_v2, ids)):
            rows = good(call(ids=batch))["resources"]
            self.assertEqual(len(rows), len(batch))
            for row in rows:
                self.assertEqual(steady(row), steady(everyone[row["device_id"]]))
            self.assertNotEqual([r["device_id"] for r in rows], batch, "the service has an order of its own")

    def test_unknown_ids_are_errors_beside_the_others(self):
        known, unknown = list(everyone)[:3], ["0" * 32, "f" * 32]
        for call in (hosts.get_device_details_v2, hosts.post_device_details_v2):
            body = good(call(ids=known + unknown))
            self.assertEqual({r["device_id"] for r in body["resources"]}, set(known))
            self.assertEqual([(e["code"], e["id"]) for e in body["errors"]], [(404, u) for u in unknown])

    def test_too_many_ids(self):
        self.assertEqual(hosts.get_device_details_v2(ids=list(everyone)[:101])["status_code"], 400)
        self.assertEqual(hosts.post_device_details_v2(ids=["0" * 32] * 5001)["status_code"], 400)

    def test_online_state(self):
        ids = list(everyone)[:100]
        rows = {r["id"]: r for r in good(hosts.get_online_state(ids=ids))["resources"]}
        self.assertEqual(set(rows), set(ids))
        self.assertEqual({r["state"] for r in rows.values()}, {"online", "offline", "unknown"})
        newest = {s: max(when(r["last_seen"]) for r in rows.values() if r["state"] == s) for s in ("online", "offline")}
        self.assertGreater(newest["online"], newest["offline"])
        host = next(i for i in ids if rows[i]["state"] == "online")
        sim.online("falcon-1", host, False)
        self.assertNotEqual(good(hosts.get_online_state(ids=host))["resources"][0]["state"], "online")
        sim.online("falcon-1", host, True)
        self.assertEqual(good(hosts.get_online_state(ids=host))["resources"][0]["state"], "online")
        body = good(hosts.get_online_state(ids=[host, "0" * 32]))
        self.assertEqual([(e["code"], e["id"]) for e in body["errors"]], [(404, "0" * 32)])


def values(host, field):
    value = host.get(field)
    return value if isinstance(value, list) else [] if value in (None, "") else [value]


def has(field, test):
    """A predicate on a field; a list passes when one of its values does."""
    return lambda host: any(test(v) for v in values(host, field))


def says(glob):
    return lambda value: fnmatch.fnmatchcase(value.lower(), glob.lower())


def filters():
    """Filters, each with what it means."""
    now = sim.now()
    sample = list(everyone.values())
    hostname, group = sample[7]["hostname"], next(h["groups"][0] for h in sample if h["groups"])
    middle = sorted(h["first_seen"] for h in sample)[HOSTS // 2]
    lan = str(ip_network(f"{sample[9]['local_ip']}/24", strict=False))
    windows, is_linux = has("platform_name", lambda v: v == "Windows"), has("platform_name", lambda v: v == "Linux")
    seen = has("last_seen", lambda v: when(v) > now - timedelta(days=1))
    return {
        "platform_name:'Windows'": windows,
        "platform_name:'windows'": windows,
        "platform_name:!'Windows'": lambda h: not windows(h),
        "platform_name:['Windows','Linux']": lambda h: windows(h) or is_linux(h),
        f"hostname:'{hostname}'": has("hostname", lambda v: v == hostname),
        f"hostname:'{hostname.swapcase()}'": has("hostname", lambda v: v.lower() == hostname.lower()),
        "hostname:'ber-*'": has("hostname", says("ber-*")),
        "hostname:*'*web*'": has("hostname", says("*web*")),
        "hostname:!*'*web*'": lambda h: not has("hostname", says("*web*"))(h),
        f"device_id:'{sample[3]['device_id']}'": has("device_id", lambda v: v == sample[3]["device_id"]),
        f"groups:'{group}'": has("groups", lambda v: v == group),
        "tags:'FalconGroupingTags/pci'": has("tags", lambda v: v == "FalconGroupingTags/pci"),
        "tags:'falcongroupingtags/pci'": lambda h: False,
        f"first_seen:>'{middle}'": has("first_seen", lambda v: v > middle),
        f"first_seen:<='{middle}'": has("first_seen", lambda v: v <= middle),
        "last_seen:>'now-1d'": seen,
        f"local_ip:'{lan}'": has("local_ip", lambda v: ip_address(v) in ip_network(lan)),
        "product_type_desc:'Server'+platform_name:'Linux'": lambda h: is_linux(h) and h["product_type_desc"] == "Server",
        "product_type_desc:'Domain Controller',platform_name:'Mac'":
            lambda h: h["product_type_desc"] == "Domain Controller" or h["platform_name"] == "Mac",
        "platform_name:'Windows'+product_type_desc:'Server',platform_name:'Mac'":
            lambda h: windows(h) and h["product_type_desc"] == "Server" or h["platform_name"] == "Mac",
        "platform_name:'Windows'+(product_type_desc:'Server',tags:'FalconGroupingTags/pci')":
            lambda h: windows(h) and (h["product_type_desc"] == "Server" or "FalconGroupingTags/pci" in h["tags"]),
        "status:'contained'": has("status", lambda v: v == "contained"),
        "service_provider:null": lambda h: "service_provider" not in h,
        "service_provider:!null": lambda h: "service_provider" in h,
    }


class Filters(unittest.TestCase):
    def test_filters_mean_what_python_says_in_every_listing(self):
        trivial = 0
        for text, holds in filters().items():
            expected = {i for i, h in everyone.items() if holds(h)}
            trivial += len(expected) in (0, HOSTS)
            with self.subTest(text):
                for name, found in (("combined", [h["device_id"] for h in combined(limit=5000, filter=text)]),
                                    ("scroll", scroll(limit=5000, filter=text)), ("query", query(limit=4000, filter=text))):
                    self.assertEqual(Counter(found), Counter(expected), name)
        self.assertLessEqual(trivial, 3, "filters that pass nobody or everybody prove little")

    def test_every_property_finds_what_the_entity_says(self):
        asked = set()
        told = {k for h in everyone.values() for k, v in h.items() if isinstance(v, (str, list))}
        for field in sorted(told - MOVING - {"policies"}):
            held = Counter(v for h in everyone.values() for v in values(h, field))
            for value, _ in held.most_common(1) + held.most_common()[-1:]:
                with self.subTest(f"{field}:'{value}'"):
                    answer = hosts.query_devices_by_filter(filter=f"{field}:'{value}'", limit=5000)
                    if answer["status_code"] == 400:
                        continue
                    asked.add(field)
                    exact = field in ("device_id", "cid", "groups", "tags")
                    same = (lambda v: v == value) if exact else (lambda v: v.lower() == value.lower())
                    expected = {i for i, h in everyone.items() if any(map(same, values(h, field)))}
                    self.assertEqual(set(good(answer)["resources"]), expected)
        self.assertGreater(len(asked), 45, "few properties of the entity can be filtered")

    def test_what_cannot_be_read_is_refused(self):
        for text in ("hostname:", "hostname='x'", "platform_name:'Windows'+", "no_such_property:'x'", "(hostname:'x'", "first_seen:>'soon'"):
            with self.subTest(text):
                for call in (hosts.query_devices_by_filter, hosts.query_devices_by_filter_scroll, hosts.query_devices_by_filter_combined):
                    answer = call(filter=text)
                    self.assertEqual(answer["status_code"], 400)
                    self.assertEqual(answer["body"]["errors"][0]["message"], "Invalid filter expression supplied")


class Orders(unittest.TestCase):
    def test_orders_are_what_python_sorts(self):
        for field in ("hostname", "first_seen", "device_id", "platform_name", "last_seen", "local_ip", "agent_version"):
            for suffix, reverse in ((".asc", False), (".desc", True), ("|asc", False), ("|desc", True)):
                with self.subTest(field + suffix):
                    # A page alone: what moves may move between two.
                    rows = [h[field] for h in combined(limit=5000, sort=field + suffix, fields=field)]
                    self.assertEqual(len(rows), HOSTS)
                    self.assertEqual(rows, sorted(rows, reverse=reverse))

    def test_an_order_with_a_filter_over_pages(self):
        expected = sorted((h["hostname"] for h in everyone.values() if h["platform_name"] == "Linux"), reverse=True)
        rows = [h["hostname"] for h in combined(limit=90, sort="hostname.desc", filter="platform_name:'Linux'")]
        self.assertEqual(rows, expected)

    def test_an_unknown_order_is_refused(self):
        for sort in ("no_such_field.asc", "hostname|up"):
            self.assertEqual(hosts.query_devices_by_filter_combined(sort=sort)["status_code"], 400, sort)


class Containment(unittest.TestCase):
    def setUp(self):
        self.addCleanup(sim.call, "POST", "reset")
        states = {}
        for at in range(0, 1000, 100):
            for row in good(hosts.get_online_state(ids=list(everyone)[at:at + 100]))["resources"]:
                states[row["id"]] = row["state"]
        free = [i for i in states if everyone[i]["status"] == "normal"]
        self.live = [i for i in free if states[i] == "online"][:5]
        self.away = next(i for i in free if states[i] == "offline")

    def status(self, host):
        return good(hosts.get_device_details_v2(ids=host))["resources"][0]["status"]

    def act(self, name, ids, status=202):
        return good(hosts.perform_action(action_name=name, ids=ids), status)

    def test_contain_and_lift_with_the_clock(self):
        host = self.live[0]
        body = self.act("contain", host)
        self.assertEqual([r["id"] for r in body["resources"]], [host])
        self.assertEqual(self.status(host), "containment_pending")
        sim.advance("31s")
        self.assertEqual(self.status(host), "contained")
        self.assertIn(host, query(filter="status:'contained'"))
        self.act("lift_containment", host)
        self.assertEqual(self.status(host), "lift_containment_pending")
        sim.advance("31s")
        self.assertEqual(self.status(host), "normal")
        log = [(e["operation"], e["target"], e["before"]["status"], e["after"]["status"]) for e in sim.log("falcon-1")]
        self.assertEqual(log, [("PerformActionV2", host, "normal", "containment_pending"),
                               ("PerformActionV2", host, "contained", "lift_containment_pending")])

    def test_a_host_that_is_off_line_stays_pending(self):
        self.act("contain", self.away)
        sim.advance("2h")
        hosts.auth_object.login()  # two hours are more than a token's life
        self.assertEqual(self.status(self.away), "containment_pending")
        sim.online("falcon-1", self.away, True)
        sim.advance("1m")
        self.assertEqual(self.status(self.away), "contained")

    def test_a_batch_in_which_some_cannot(self):
        self.act("contain", self.live[0])
        body = self.act("contain", self.live[:3] + ["0" * 32])
        self.assertEqual({r["id"] for r in body["resources"]}, set(self.live[1:3]))
        self.assertEqual({(e["code"], e["id"]) for e in body["errors"]}, {(409, self.live[0]), (404, "0" * 32)})
        self.assertEqual(len(sim.log("falcon-1")), 3, "what was refused is not in the log")

    def test_contained_twice_is_a_conflict(self):
        self.act("contain", self.live[0])
        body = self.act("contain", self.live[0], 409)
        self.assertEqual([(e["code"], e["id"]) for e in body["errors"]], [(409, self.live[0])])

    def test_a_wrong_action_and_no_ids(self):
        everything = APIHarnessV2(access_token=hosts.auth_object.token_value, base_url=falcon.base_url)
        for name, ids in (("isolate", self.live), ("", self.live), ("contain", []), ("contain", ["0" * 32] * 501)):
            answer = everything.command("PerformActionV2", action_name=name, body={"ids": ids})
            self.assertEqual(answer["status_code"], 400, name)
        self.assertEqual(sim.log("falcon-1"), [])
