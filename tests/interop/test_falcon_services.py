"""falconpy: indicators, policies, users and roles, posture, installers, usage and Flight Control's groups."""

import unittest

from falconpy import (IOC, FlightControl, HostGroup, Hosts, OAuth2, PreventionPolicy, ResponsePolicies, SensorDownload,
                      SensorUpdatePolicy, SensorUsage, UserManagement, ZeroTrustAssessment)

from sim import Sim

HOSTS = 60


def setUpModule():
    global sim, auth
    sim = Sim("--falcon-hosts", str(HOSTS), "--cortex-tenants", "0", "--alerts", "5", "--children", "2", "--enforce-limits", "off")
    unittest.addModuleCleanup(sim.stop)
    falcon = sim["falcon-1"]
    auth = OAuth2(client_id=falcon.client_id, client_secret=falcon.client_secret, base_url=falcon.base_url)


def good(answer, *statuses):
    if answer["status_code"] not in (statuses or (200, 201)):
        raise AssertionError(f"{answer['status_code']}: {answer['body']}")
    return answer["body"]


def rows(answer, *statuses):
    return good(answer, *statuses)["resources"]


class Services(unittest.TestCase):
    def setUp(self):
        self.addCleanup(sim.call, "POST", "reset")

    def log(self):
        return [e["operation"] for e in sim.log("falcon-1")]


class Indicators(Services):
    def setUp(self):
        super().setUp()
        self.ioc = IOC(auth_object=auth)

    def make(self, value, **more):
        [made] = rows(self.ioc.indicator_create(**{"action": "detect", "platforms": ["windows"], "severity": "high", "source": "interop",
                                                   "type": "domain", "value": value, "applied_globally": True, **more}))
        return made

    def test_made_read_changed_and_deleted(self):
        made = self.make("evil.example", expiration="2030-01-01T00:00:00Z", tags=["interop"])
        [read] = rows(self.ioc.indicator_get(ids=[made["id"]]))
        self.assertEqual({k: read[k] for k in ("value", "action", "severity", "platforms", "tags")},
                         {"value": "evil.example", "action": "detect", "severity": "high", "platforms": ["windows"], "tags": ["interop"]})
        self.assertEqual(rows(self.ioc.indicator_search(filter="type:'domain'+value:'evil.example'")), [made["id"]])
        good(self.ioc.indicator_update(id=made["id"], severity="critical"))
        [changed] = rows(self.ioc.indicator_get(ids=[made["id"]]))
        self.assertEqual((changed["action"], changed["severity"]), ("detect", "critical"))
        self.assertEqual(self.ioc.indicator_update(id=made["id"], action="prevent")["status_code"], 400, "a domain is not prevented")
        good(self.ioc.indicator_delete(ids=[made["id"]]))
        self.assertEqual(rows(self.ioc.indicator_combined(filter="value:'evil.example'")), [])
        self.assertEqual(len(self.log()), 3)

    def test_a_batch_with_a_bad_row_makes_nothing(self):
        body = {"indicators": [{"type": "ipv4", "value": "198.51.100.9", "action": "detect", "severity": "low", "platforms": ["linux"], "applied_globally": True},
                               {"type": "md5", "value": "no digest", "action": "detect", "severity": "low", "platforms": ["linux"], "applied_globally": True}]}
        answer = self.ioc.indicator_create(body=body)
        self.assertEqual(answer["status_code"], 400)
        [bad] = [r for r in answer["body"]["resources"] if r.get("message")]
        self.assertEqual((bad["row"], bad["field_name"]), (2, "value"))
        self.assertEqual(rows(self.ioc.indicator_search()), [])

    def test_pages_by_after_have_each_once(self):
        made = {self.make(f"{n}.evil.example")["id"] for n in range(23)}
        found, after = [], None
        for _ in range(20):
            body = good(self.ioc.indicator_search(limit=5, **({"after": after} if after else {})))
            found += body["resources"]
            after = body["meta"]["pagination"].get("after")
            if not body["resources"] or not after:
                break
        self.assertEqual((len(found), set(found)), (23, made))

    def test_the_words(self):
        self.assertEqual(set(rows(self.ioc.severity_query())), {"informational", "low", "medium", "high", "critical"})
        self.assertIn("prevent", rows(self.ioc.action_query()))
        self.assertIn("sha256", rows(self.ioc.ioc_type_query()))
        self.assertIn("mac", rows(self.ioc.platform_query()))

    def test_deleted_by_filter(self):
        self.make("a.example"), self.make("b.example"), self.make("c.other", source="else")
        good(self.ioc.indicator_delete(filter="source:'interop'"))
        self.assertEqual([r["value"] for r in rows(self.ioc.indicator_combined())], ["c.other"])


class Policies(Services):
    KINDS = (PreventionPolicy, SensorUpdatePolicy, ResponsePolicies)

    def test_made_with_a_group_switched_on_and_deleted(self):
        groups = HostGroup(auth_object=auth)
        [group] = rows(groups.create_host_groups(name="interop", group_type="static"))
        for kind in self.KINDS:
            with self.subTest(kind=kind.__name__):
                policies = kind(auth_object=auth)
                before = rows(policies.query_policies())
                [made] = rows(policies.create_policies(name="interop", platform_name="Windows", description="by falconpy"))
                self.assertFalse(made["enabled"])
                good(policies.perform_policies_action(action_name="add-host-group", ids=made["id"],
                                                      action_parameters=[{"name": "group_id", "value": group["id"]}]))
                good(policies.perform_policies_action(action_name="enable", ids=made["id"]))
                [read] = rows(policies.get_policies(ids=made["id"]))
                self.assertEqual((read["enabled"], [g["id"] for g in read["groups"]]), (True, [group["id"]]))
                self.assertNotEqual(policies.delete_policies(ids=made["id"])["status_code"], 200, "one that is in force stays")
                good(policies.perform_policies_action(action_name="disable", ids=made["id"]))
                good(policies.delete_policies(ids=made["id"]))
                self.assertEqual(rows(policies.query_policies()), before)

    def test_builds_and_the_uninstall_token(self):
        policies = SensorUpdatePolicy(auth_object=auth)
        builds = rows(policies.query_combined_builds(platform="linux"))
        self.assertEqual({b["platform"] for b in builds}, {"linux"})
        device = rows(Hosts(auth_object=auth).query_devices_by_filter(limit=1))[0]
        [one] = rows(policies.reveal_uninstall_token(device_id=device, audit_message="interop"))
        [all_] = rows(policies.reveal_uninstall_token(device_id="MAINTENANCE", audit_message="interop"))
        self.assertNotEqual(one["uninstall_token"], all_["uninstall_token"])


class People(Services):
    def test_a_user_comes_gets_a_role_and_goes(self):
        users = UserManagement(auth_object=auth)
        [made] = rows(users.create_user_mssp(uid="ann@corp.example", first_name="Ann", last_name="Interop"))
        self.assertIn(made["uuid"], rows(users.query_users(filter="uid:'ann@corp.example'")))
        role = rows(users.query_roles())[0]
        good(users.user_roles_action(action="grant", uuid=made["uuid"], role_ids=[role], cid=made["cid"]))
        self.assertEqual(rows(users.get_user_grants(user_uuid=made["uuid"])), [], "the listing lags behind")
        sim.advance("5m")
        self.assertEqual([g["role_id"] for g in rows(users.get_user_grants(user_uuid=made["uuid"]))], [role])
        good(users.update_user_mssp(user_uuid=made["uuid"], first_name="Anna", last_name="Interop"))
        [read] = rows(users.retrieve_users(ids=[made["uuid"]]))
        self.assertEqual(read["first_name"], "Anna")
        good(users.delete_user_mssp(user_uuid=made["uuid"]))
        self.assertNotIn(made["uuid"], rows(users.query_users()))


class Posture(Services):
    def test_scores_are_sorted_and_fit_the_single_ones(self):
        posture = ZeroTrustAssessment(auth_object=auth)
        by_score = rows(posture.get_assessments_by_score(filter="score:>=0", limit=1000, sort="score|desc"))
        scores = [r["score"] for r in by_score]
        self.assertEqual(scores, sorted(scores, reverse=True))
        some = by_score[:4]
        read = {r["aid"]: r["assessment"]["overall"] for r in rows(posture.get_assessment(ids=[r["aid"] for r in some]))}
        self.assertEqual(read, {r["aid"]: r["score"] for r in some})
        self.assertEqual(rows(posture.get_audit())[0]["num_aids"], len(by_score))


class Installers(Services):
    def test_listed_read_and_the_customer_id(self):
        installers = SensorDownload(auth_object=auth)
        linux = rows(installers.get_combined_sensor_installers_by_query_v3(filter="platform:'linux'"))
        self.assertEqual({i["platform"] for i in linux}, {"linux"})
        [read] = rows(installers.get_sensor_installer_entities_v3(ids=linux[0]["sha256"]))
        self.assertEqual(read, linux[0])
        [ccid] = rows(installers.get_sensor_installer_ccid())
        self.assertRegex(ccid, r"^[0-9A-F]{32}-[0-9A-F]{2}$")

    def test_usage(self):
        usage = SensorUsage(auth_object=auth)
        self.assertTrue(rows(usage.get_weekly_usage()))
        self.assertTrue(rows(usage.get_hourly_usage()))


class Groups(Services):
    def test_children_users_and_the_link_between_them(self):
        control = FlightControl(auth_object=auth)
        children = rows(control.query_children())
        self.assertEqual(len(children), 2)
        names = {c["child_cid"]: c["name"] for c in rows(control.get_children(ids=children))}
        self.assertEqual(set(names), set(children))
        [cids] = rows(control.create_cid_groups(name="interop", description="x"))
        good(control.add_cid_group_members(cid_group_id=cids["cid_group_id"], cids=children[:1]))
        [members] = rows(control.get_cid_group_members_by(cid_group_ids=[cids["cid_group_id"]]))
        self.assertEqual(members["cids"], children[:1])
        [people] = rows(control.create_user_groups(name="interop", description="x"))
        role = rows(UserManagement(auth_object=auth).query_roles())[0]
        good(control.add_role(cid_group_id=cids["cid_group_id"], user_group_id=people["user_group_id"], role_ids=[role]))
        self.assertEqual(len(rows(control.query_roles(user_group_id=people["user_group_id"]))), 1)
        good(control.delete_cid_group_members(cid_group_id=cids["cid_group_id"], cids=children[:1]))
        good(control.delete_cid_groups(cid_group_ids=[cids["cid_group_id"]]))
        self.assertNotIn(cids["cid_group_id"], rows(control.query_cid_groups()))
