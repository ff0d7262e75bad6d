"""cortex-xdr-client: scripts, files, scans, queries in XQL, hashes, indicators, audits, packages, roles and API keys."""

import unittest

from cortex_xdr_client.api.models.exceptions import UnsuccessfulQueryStatusException
from cortex_xdr_client.api.models.ioc import IoC

from sim import eventually
from test_cortex import Tenant


def by_id(*ids):
    return [{"field": "endpoint_id_list", "operator": "in", "value": list(ids)}]


class Queries:
    def rows(self, query, **more):
        def ask():
            try:
                return self.client.xql_api.get_query_results(query, **more)
            except UnsuccessfulQueryStatusException:
                self.sim.advance("10s")
        return eventually("the rows", ask)["data"]


class Services(Queries):
    def connected(self, count, platform="windows"):
        found = self.client.endpoints_api.get_endpoint(search_from=0, search_to=100).reply.endpoints
        ids = [e.endpoint_id for e in found
               if "CONNECTED" == e.endpoint_status.value.upper() and platform in str(e.os_type).lower()][:count]
        self.assertEqual(len(ids), count)
        return ids

    def settled(self, action):
        """What an action comes to, once the agents have had their time."""
        status = lambda: self.client.actions_api.get_action_status(int(action)).reply.data.root
        status()
        self.sim.advance("5m")
        return status()

    def operations(self):
        return [e["operation"] for e in self.sim.log("cortex-1")]

    def test_a_script_runs_and_tells(self):
        scripts = self.client.scripts_api
        script = next(s for s in scripts.get_scripts().scripts if s.name == "list_directories")
        self.assertIn("path", [i.name for i in scripts.get_script_metadata(script.script_uid).script_input])
        ids = self.connected(2)
        action = int(scripts.run_script(script.script_uid, {"path": "C:\\"}, ids, timeout=600)["action_id"])
        self.sim.advance("5m")
        status = scripts.get_script_execution_status(action)
        self.assertEqual(status.general_status, "COMPLETED_SUCCESSFULLY")
        results = scripts.get_script_execution_results(action).results
        self.assertEqual({r.endpoint_id for r in results}, set(ids))
        self.assertEqual(self.refused(500, scripts.run_script, script.script_uid, {}, ids)["reply"]["err_code"], 500, "its parameter is missing")

    def test_a_snippet_runs(self):
        ids = self.connected(1)
        action = self.client.scripts_api.run_snippet_code_script("print('interop')", ids)["action_id"]
        self.sim.advance("5m")
        self.assertEqual(self.client.scripts_api.get_script_execution_status(int(action)).general_status, "COMPLETED_SUCCESSFULLY")

    def test_a_scan_is_done_or_given_up(self):
        one, two = self.connected(2)
        done = self.client.endpoints_api.scan(filters=by_id(one))["reply"]["action_id"]
        self.assertEqual(self.settled(done), {one: "COMPLETED_SUCCESSFULLY"})
        again = self.client.endpoints_api.scan(filters=by_id(two))["reply"]["action_id"]
        self.client.endpoints_api.abort_scan(filters=by_id(two))
        self.assertNotEqual(self.settled(again), {two: "COMPLETED_SUCCESSFULLY"})

    def test_a_file_is_fetched(self):
        [id] = self.connected(1)
        action = self.client.endpoints_api.file_retrieval(filters=by_id(id), files={"windows": ["C:\\Temp\\a.exe"]})["reply"]["action_id"]
        self.assertEqual(self.settled(action), {id: "COMPLETED_SUCCESSFULLY"})
        details = self.client.actions_api.file_retrieval_details(group_action_id=int(action))["reply"]["data"]
        self.assertEqual(set(details), {id})
        self.assertIn(f"api-{self.tenant.fqdn}".removeprefix("api-api-"), details[id])

    def test_a_file_is_put_into_quarantine(self):
        [id] = self.connected(1)
        file = {"file_path": "C:\\Temp\\a.exe", "file_hash": "ab" * 32}
        action = self.client.endpoints_api.quarantine(filters=by_id(id), **file)["reply"]["action_id"]
        self.assertEqual(self.settled(action), {id: "COMPLETED_SUCCESSFULLY"})
        [row] = self.client.quarantine_api.status(files=[{"endpoint_id": id, **file}])["reply"]
        self.assertIs(row["status"], True)

    def test_a_query_gives_rows_when_it_is_done(self):
        self.assertEqual(len(self.rows(self.client.xql_api.start_xql_query("dataset = xdr_data | limit 5"))), 5)

    def test_hashes_are_blocked_and_allowed(self):
        hashes = self.client.hash_exceptions_api
        self.assertTrue(hashes.blocklist(hash_list=["cd" * 32], comment="interop")["reply"])
        self.refused(500, hashes.blocklist, hash_list=["cd" * 32])
        self.assertTrue(hashes.allowlist(hash_list=["ef" * 32], comment="interop")["reply"])
        self.refused(500, hashes.blocklist, hash_list=["no digest"])
        self.assertEqual(len(self.operations()), 2)

    def test_indicators_with_a_row_that_is_wrong(self):
        good = IoC(indicator="evil.example", type="DOMAIN_NAME", severity="HIGH", expiration_date=None, comment="interop")
        reply = self.client.ioc_api.insert_json([good]).reply
        self.assertTrue(reply is True or reply.success)
        bad = {"indicator": "not an address", "type": "IP", "severity": "HIGH"}
        reply = self.client.ioc_api.insert_jsons(request_data=[bad], validate=True)["reply"]
        self.assertEqual([e["indicator"] for e in reply["validation_errors"]], ["not an address"])

    def test_audits_are_listed(self):
        [id] = self.connected(1)
        self.settled(self.client.endpoints_api.isolate(filters=by_id(id))["reply"]["action_id"])
        for call in (self.client.audits_api.management_logs, self.client.audits_api.agents_reports):
            reply = call(search_from=0, search_to=20)["reply"]
            self.assertEqual(reply["result_count"], len(reply["data"]))
            self.assertGreater(len(reply["data"]), 0)

    def test_a_package_is_made_and_has_an_address(self):
        packages = self.client.distributions_api
        version = packages.get_versions()["reply"]["windows"][0]
        made = packages.create(name="interop", platform="windows", package_type="standalone", agent_version=version)["reply"]["distribution_id"]
        self.sim.advance("10m")
        self.assertEqual(packages.get_status(distribution_id=made)["reply"]["status"].lower(), "completed")
        self.assertIn("://", packages.get_dist_url(distribution_id=made, package_type="x64")["reply"]["distribution_url"])

    def test_violations_of_device_control_are_listed(self):
        reply = self.client.device_control_api.get_violations(search_from=0, search_to=10)["reply"]
        self.assertEqual(reply["result_count"], len(reply["violations"]))

    def test_users_and_roles(self):
        users = self.client.rbac_api.get_users()["reply"]
        self.assertTrue(all("@" in u["user_email"] for u in users))
        name = next(u["role_name"] for u in users if u["role_name"])
        self.assertEqual(len(self.client.rbac_api.get_roles(role_names=[name])["reply"]), 1)


class Streams(Queries, Tenant):
    """More rows than a reply holds come as a stream, packed."""

    hosts = 1500

    def test_a_large_result(self):
        query = self.client.xql_api.start_xql_query("dataset = xdr_data | limit 2000")
        self.assertEqual(len(self.rows(query, limit=2000)), 1500)


class Services3(Services, Tenant):
    generation = 3


class Services5(Services, Tenant):
    generation = 5

    def test_api_keys_are_listed(self):
        keys = self.client.api_keys_api.get_api_keys()["reply"]["DATA"]
        self.assertIn(int(self.tenant.api_key_id), [int(k["id"]) for k in keys])
        self.assertNotIn(self.tenant.api_key, str(keys), "a listing never has the key itself")

    def test_assets_and_findings_are_listed(self):
        named = {"AND": [{"SEARCH_FIELD": "xdm.asset.type.class", "SEARCH_TYPE": "EQ", "SEARCH_VALUE": "Compute"}]}
        reply = self.client.system_api.assets(filters=named, search_from=0, search_to=5)["reply"]
        self.assertEqual(len(reply["data"]), 5)
        one = self.client.assets_api.get_public_api_v1_assets_by_id(id=reply["data"][0]["xdm.asset.id"])["reply"]
        self.assertEqual(one["data"][0], reply["data"][0])
        findings = self.client.vulnerability_management_api
        page = findings.get_vulnerability_findings(page_size=2)["reply"]
        more = findings.get_vulnerability_findings(page_size=2, next_page_token=page["next_page_token"])["reply"]
        seen = [row["platform_id"] for row in page["data"] + more["data"]]
        self.assertEqual(len(set(seen)), 4)
        found = findings.get_vulnerability_finding_by_id(platform_id=seen[0])["reply"]["data"]
        self.assertEqual([row["platform_id"] for row in found], seen[:1])
