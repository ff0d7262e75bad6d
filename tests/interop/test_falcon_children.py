"""falconpy: a Flight Control parent, its children, and a login to one of them."""

import unittest

from falconpy import FlightControl, Hosts, OAuth2

from sim import Sim

CHILDREN = 12


def setUpModule():
    global sim, parent
    sim = Sim("--falcon-hosts", "30", "--children", str(CHILDREN), "--cortex-tenants", "0", "--alerts", "5")
    unittest.addModuleCleanup(sim.stop)
    parent = sim["falcon-1"]


def login(**more):
    return {"client_id": parent.client_id, "client_secret": parent.client_secret, "base_url": parent.base_url, **more}


def good(answer, status=200):
    if answer["status_code"] != status:
        raise AssertionError(f"{answer['status_code']}: {answer['body']}")
    return answer["body"]


def inventory(hosts):
    rows = good(hosts.query_devices_by_filter_combined(limit=1000))["resources"]
    return {h["device_id"] for h in rows}, {h["cid"] for h in rows}


class Children(unittest.TestCase):
    def setUp(self):
        self.control = FlightControl(**login())

    def children(self):
        found = []
        while True:
            body = good(self.control.query_children(offset=len(found), sort="last_modified_timestamp|asc"))
            found += body["resources"]
            if len(found) >= body["meta"]["pagination"]["total"]:
                return found

    def test_ten_at_a_time_and_all_of_them(self):
        self.assertEqual(len(good(self.control.query_children())["resources"]), 10, "the default")
        found = self.children()
        self.assertEqual((len(found), len(set(found))), (CHILDREN, CHILDREN))
        self.assertTrue(all(len(c) == 32 for c in found))
        for call in (self.control.get_children, self.control.get_children_v2):
            rows = good(call(ids=found))["resources"]
            self.assertEqual({r["child_cid"] for r in rows}, set(found))
            self.assertEqual(len({r["name"] for r in rows}), CHILDREN)
        body = good(self.control.get_children(ids=found[:1] + ["0" * 32]), 207)
        self.assertEqual([r["child_cid"] for r in body["resources"]], found[:1])
        self.assertEqual([e["code"] for e in body["errors"]], [404])

    def test_each_login_sees_the_hosts_of_its_own_tenant(self):
        seen = {}
        for child in [None] + self.children()[:3]:
            hosts = Hosts(**login(**({"member_cid": child} if child else {})))
            ids, cids = inventory(hosts)
            self.assertEqual((len(ids), len(cids)), (30, 1))
            if child:
                self.assertEqual(cids, {child})
            for other in seen.values():
                self.assertFalse(ids & other, "two tenants share a host")
            seen[child] = ids

    def test_child_login_and_logout_change_one_object(self):
        child = self.children()[0]
        auth = OAuth2(**login())
        hosts = Hosts(auth_object=auth)
        mine = inventory(hosts)
        self.assertTrue(auth.child_login(child))
        self.assertEqual(inventory(hosts)[1], {child})
        self.assertTrue(auth.child_logout())
        self.assertEqual(inventory(hosts), mine)

    def test_who_is_no_child_is_refused(self):
        ids, [own] = inventory(Hosts(**login()))
        for cid in (own, "0" * 32):
            answer = OAuth2(**login(member_cid=cid)).token()
            self.assertEqual((answer["status_code"], answer["body"]["errors"][0]["message"]), (403, "Failed to issue access token - Not Authorized"))

    def test_a_child_contains_its_own_hosts_alone(self):
        child = self.children()[0]
        hosts = Hosts(**login(member_cid=child))
        rows = good(hosts.query_devices_by_filter_combined(limit=100))["resources"]
        free = next(h["device_id"] for h in rows if h["status"] == "normal")
        good(hosts.perform_action(action_name="contain", ids=free), 202)
        [entry] = [e for e in sim.log() if e["target"] == free]
        self.assertTrue(entry["tenant"].startswith("falcon-1/"), entry)
        body = Hosts(**login()).get_device_details_v2(ids=free)["body"]
        self.assertEqual([e["code"] for e in body["errors"]], [404], "the parent does not hold it")
