"""falconpy: installers of the sensor, whole and in parts."""

import hashlib
import unittest

from falconpy import SensorDownload

from sim import Sim


def setUpModule():
    global sim, sensors
    sim = Sim("--falcon-hosts", "5", "--cortex-tenants", "0", "--alerts", "0")
    unittest.addModuleCleanup(sim.stop)
    falcon = sim["falcon-1"]
    sensors = SensorDownload(
        client_id=falcon.client_id, client_secret=falcon.client_secret, base_url=falcon.base_url
    )


class Installers(unittest.TestCase):
    def newest(self):
        answer = sensors.get_combined_sensor_installers_by_query_v3(filter="platform:'linux'", limit=1)
        self.assertEqual(answer["status_code"], 200, answer["body"])
        return answer["body"]["resources"][0]

    def test_an_installer_has_the_hash_that_is_its_id(self):
        installer = self.newest()
        for download in (
            sensors.download_sensor_installer,
            sensors.download_sensor_installer_v2,
            sensors.download_sensor_installer_v3,
        ):
            content = download(id=installer["sha256"])
            self.assertEqual(len(content), installer["file_size"])
            self.assertEqual(hashlib.sha256(content).hexdigest(), installer["sha256"])

    def test_an_installer_that_is_not_there_is_an_error(self):
        answer = sensors.download_sensor_installer_v2(id="0" * 64)
        self.assertEqual(answer["status_code"], 404)


if __name__ == "__main__":
    unittest.main()
