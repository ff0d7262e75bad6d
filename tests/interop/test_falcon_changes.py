"""falconpy: what is written is read back: tags, visibility, host groups, alerts. Searches lag behind entities."""

import unittest
from collections import Counter

from falconpy import Alerts, HostGroup, Hosts

from sim import Sim

HOSTS = 120


def setUpModule():
    global sim, hosts, groups, alerts
    sim = Sim("--falcon-hosts", str(HOSTS), "--cortex-tenants", "0", "--alerts", "60")
    unittest.addModuleCleanup(sim.stop)
    falcon = sim["falcon-1"]
    hosts = Hosts(client_id=falcon.client_id, client_secret=falcon.client_secret, base_url=falcon.base_url)
    groups, alerts = HostGroup(auth_object=hosts), Alerts(auth_object=hosts)


def good(answer, status=200):
    if answer["status_code"] != status:
        raise AssertionError(f"{answer['status_code']}: {answer['body']}")
    return answer["body"]


class Changes(unittest.TestCase):
    def setUp(self):
        self.addCleanup(sim.call, "POST", "reset")
        self.ids = good(hosts.query_devices_by_filter(limit=500))["resources"]
        self.assertEqual(len(self.ids), HOSTS)

    def log(self, operation):
        return [(e["target"], e["before"], e["after"]) for e in sim.log("falcon-1") if e["operation"] == operation]


class Tags(Changes):
    def tags(self, ids):
        return {h["device_id"]: h["tags"] for h in good(hosts.post_device_details_v2(ids=ids))["resources"]}

    def test_added_tags_are_read_back_and_found(self):
        some, tag = self.ids[3:9], "FalconGroupingTags/interop"
        before = self.tags(self.ids)
        rows = good(hosts.update_device_tags(action_name="add", ids=some, tags=["interop"]), 202)["resources"]
        self.assertEqual({r["device_id"]: r["updated"] for r in rows}, {i: True for i in some})
        self.assertEqual(self.tags(self.ids), {i: before[i] + [tag] * (i in some) for i in self.ids})
        sim.advance("1m")
        self.assertEqual(Counter(good(hosts.query_devices_by_filter(filter=f"tags:'{tag}'"))["resources"]), Counter(some))
        good(hosts.update_device_tags(action_name="add", ids=some, tags=["interop"]), 202)
        self.assertEqual(len(self.log("UpdateDeviceTags")), len(some), "what is there already is no change")
        good(hosts.update_device_tags(action_name="remove", ids=some[:2], tags=["interop"]), 202)
        self.assertEqual(self.tags(some[:2]), {i: before[i] for i in some[:2]})
        sim.advance("1m")
        self.assertEqual(set(good(hosts.query_devices_by_filter(filter=f"tags:'{tag}'"))["resources"]), set(some[2:]))

    def test_an_unknown_device_is_told_in_its_row(self):
        rows = good(hosts.update_device_tags(action_name="add", ids=[self.ids[0], "0" * 32], tags=["x"]), 202)["resources"]
        self.assertEqual([(r["device_id"], r["updated"], r["code"]) for r in rows], [(self.ids[0], True, 202), ("0" * 32, False, 404)])


class Hidden(Changes):
    def visible(self):
        return set(good(hosts.query_devices_by_filter(limit=500))["resources"])

    def test_hidden_hosts_stand_in_lists_of_their_own(self):
        some = self.ids[10:14]
        self.assertEqual(good(hosts.query_hidden_devices())["resources"], [])
        good(hosts.perform_action(action_name="hide_host", ids=some), 202)
        sim.advance("1m")
        self.assertEqual(set(good(hosts.query_hidden_devices())["resources"]), set(some))
        rows = good(hosts.query_hidden_devices_combined())["resources"]
        self.assertEqual({r["device_id"]: r["host_hidden_status"] for r in rows}, {i: "hidden" for i in some})
        self.assertEqual(self.visible(), set(self.ids) - set(some))
        good(hosts.perform_action(action_name="unhide_host", ids=some[:1]), 202)
        sim.advance("1m")
        self.assertEqual(set(good(hosts.query_hidden_devices())["resources"]), set(some[1:]))
        self.assertEqual(self.visible(), set(self.ids) - set(some[1:]))


class Groups(Changes):
    def make(self, **more):
        body = good(groups.create_host_groups(name="interop", group_type="staticByID", description="by a test", **more), 201)
        return body["resources"][0]

    def members(self, group):
        return Counter(good(groups.query_group_members(id=group, limit=500))["resources"])

    def test_a_group_is_made_read_changed_and_deleted(self):
        made = self.make()
        self.assertEqual((made["name"], made["group_type"], made["description"], len(made["id"])), ("interop", "staticByID", "by a test", 32))
        self.assertEqual(good(groups.get_host_groups(ids=made["id"]))["resources"], [made])
        self.assertEqual(good(groups.query_host_groups(filter="name:'interop'"))["resources"], [made["id"]])
        self.assertIn(made, good(groups.query_combined_host_groups(limit=500))["resources"])
        changed = good(groups.update_host_groups(id=made["id"], name="interop-2", description="changed"))["resources"][0]
        self.assertEqual((changed["name"], changed["description"]), ("interop-2", "changed"))
        self.assertEqual(good(groups.get_host_groups(ids=made["id"]))["resources"], [changed])
        self.assertEqual(good(groups.delete_host_groups(ids=made["id"]))["resources"], [made["id"]])
        self.assertEqual(groups.get_host_groups(ids=made["id"])["status_code"], 404)
        self.assertEqual(good(groups.query_host_groups(filter="name:'interop-2'"))["resources"], [])

    def test_members_come_and_go(self):
        group, some = self.make()["id"], self.ids[20:26]
        listed = ",".join(f"'{i}'" for i in some)
        good(groups.perform_group_action(action_name="add-hosts", ids=group, filter=f"(device_id:[{listed}])"))
        sim.advance("1m")
        self.assertEqual(self.members(group), Counter(some))
        full = good(groups.query_combined_group_members(id=group, limit=500))["resources"]
        self.assertEqual({h["device_id"] for h in full}, set(some))
        self.assertTrue(all(group in h["groups"] for h in full))
        self.assertEqual(set(good(hosts.query_devices_by_filter(filter=f"groups:'{group}'"))["resources"]), set(some))
        good(groups.perform_group_action(action_name="remove-hosts", ids=group, filter=f"(device_id:['{some[0]}'])"))
        sim.advance("1m")
        self.assertEqual(self.members(group), Counter(some[1:]))

    def test_a_dynamic_group_holds_what_its_rule_says(self):
        body = good(groups.create_host_groups(name="linux", group_type="dynamic", assignment_rule="platform_name:'Linux'"), 201)
        sim.advance("1m")
        linux = good(hosts.query_devices_by_filter(filter="platform_name:'Linux'", limit=500))["resources"]
        self.assertEqual(self.members(body["resources"][0]["id"]), Counter(linux))

    def test_refusals(self):
        body = good(groups.create_host_groups(name="x", group_type="static", assignment_rule="platform_name:'Linux'"), 400)
        self.assertEqual(body["errors"][0]["message"], "May not specify 'assignment_rule' if 'group_type' is 'static'")
        self.assertEqual(body["errors"][0]["id"], "x")
        self.make()
        self.assertEqual(groups.create_host_groups(name="interop", group_type="static")["status_code"], 400)


class AlertUpdates(Changes):
    def read(self, ids):
        return {a["composite_id"]: a for a in good(alerts.get_alerts_v2(composite_ids=ids))["resources"]}

    def test_status_assignee_comment_and_tags(self):
        ids = good(alerts.query_alerts_v2(filter="status:'new'", limit=3))["resources"]
        body = good(alerts.update_alerts_v3(composite_ids=ids, update_status="in_progress", append_comment="seen by a test",
                                            add_tag="interop", assign_to_user_id="test@example.com"))
        self.assertEqual(body["meta"]["writes"]["resources_affected"], 3)
        self.assertFalse(body.get("resources"))
        sim.advance("1m")
        for alert in self.read(ids).values():
            self.assertEqual((alert["status"], alert["assigned_to_uid"]), ("in_progress", "test@example.com"))
            self.assertEqual([c["value"] for c in alert["comments"]][-1], "seen by a test")
            self.assertIn("interop", alert["tags"])
        self.assertEqual(set(good(alerts.query_alerts_v2(filter="tags:'interop'"))["resources"]), set(ids))
        self.assertFalse(set(ids) & set(good(alerts.query_alerts_v2(filter="status:'new'", limit=100))["resources"]))
        self.assertEqual({t for t, _, _ in self.log("UpdateV3")}, set(ids))
        good(alerts.update_alerts_v3(composite_ids=ids[:1], remove_tag="interop", unassign="", update_status="closed"))
        sim.advance("1m")
        alert = self.read(ids[:1])[ids[0]]
        self.assertEqual((alert["status"], alert.get("assigned_to_uid")), ("closed", None))
        self.assertNotIn("interop", alert.get("tags", []))

    def test_refusals(self):
        [one] = good(alerts.query_alerts_v2(limit=1))["resources"]
        for steps in ([{"name": "explode", "value": "x"}], [{"name": "update_status", "value": "gone"}], [{"name": "show_in_ui", "value": True}]):
            answer = alerts.update_alerts_v3(composite_ids=[one], action_parameters=steps)
            self.assertEqual(answer["body"]["errors"][0]["message"], "invalid element in the request", steps)
        self.assertEqual(alerts.update_alerts_v3(composite_ids=["a"] * 1001, update_status="new")["status_code"], 413)
        body = good(alerts.update_alerts_v3(composite_ids=[one, "no:such:alert"], update_status="reopened"))
        self.assertEqual([(e["code"], e["id"]) for e in body["errors"]], [(404, "no:such:alert")])
        self.assertEqual([t for t, _, _ in self.log("UpdateV3")], [one])
