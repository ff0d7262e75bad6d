"""Exported files, read by those who did not write them: pyarrow and DuckDB."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import duckdb
import pyarrow.parquet as parquet

EDR = os.environ["EDR"]
HOSTS, ALERTS = 300, 700


class Export(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.home = pathlib.Path(cls.folder.name)
        config = cls.home / "sim.toml"
        serve = [EDR, "sim", "serve", "--enforce-limits", "off", "--write-config", str(config), "--alerts", str(ALERTS),
                 "--falcon-hosts", str(HOSTS), "--cortex-hosts", str(HOSTS)]
        cls.sim = subprocess.Popen(serve, stdout=subprocess.PIPE, text=True)
        cls.sim.stdout.readline()
        cls.config = config

    @classmethod
    def tearDownClass(cls):
        cls.sim.terminate()
        cls.sim.wait(timeout=20)
        cls.sim.stdout.close()
        cls.folder.cleanup()

    def edr(self, *words):
        environment = {"HOME": str(self.home), "XDG_STATE_HOME": str(self.home / "state")}
        ran = subprocess.run([EDR, "--config", str(self.config), *words], env=environment, capture_output=True, text=True)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        return [json.loads(line) for line in ran.stdout.splitlines()]

    def export(self, noun, form, *more):
        to = pathlib.Path(tempfile.mkdtemp(dir=self.home))
        self.edr("export", noun, "--format", form, "--file-format", "parquet", "--to", str(to), "-o", "jsonl", *more)
        (manifest,) = [json.loads(path.read_text()) for path in (to / "manifest").iterdir()]
        self.assertEqual(manifest["outcome"], "complete")
        return to, manifest

    def test_counts_and_layout(self):
        for noun, count in [("hosts", 2 * HOSTS), ("alerts", 2 * ALERTS)]:
            for form in ["ocsf", "ecs", "native"]:
                with self.subTest(noun=noun, form=form):
                    to, manifest = self.export(noun, form)
                    self.assertEqual(manifest["records"], count)
                    for file in manifest["files"]:
                        opened = parquet.ParquetFile(to / file["path"])
                        self.assertEqual(opened.metadata.num_rows, file["records"])
                        self.assertEqual(opened.read().num_rows, file["records"])
                        groups = [opened.metadata.row_group(g) for g in range(opened.metadata.num_row_groups)]
                        self.assertLessEqual(max(g.total_byte_size for g in groups), 16 << 20)
                    pattern = f"{to}/ext/*/*/*/*/*.parquet"
                    query = f"select count(*), count(distinct \"accountId\") from read_parquet('{pattern}', hive_partitioning=true)"
                    self.assertEqual(duckdb.sql(query).fetchall(), [(count, 2)])

    def test_every_file_of_a_class_has_the_same_columns(self):
        for noun in ["hosts", "alerts"]:
            to, manifest = self.export(noun, "ocsf")
            schemas = {str(parquet.ParquetFile(to / f["path"]).schema_arrow) for f in manifest["files"]}
            self.assertEqual(len(schemas), 1)

    def test_values_are_those_of_the_listing(self):
        listed = {e["metadata"]["uid"]: e for e in self.edr("alerts", "list", "-o", "ocsf")}
        to, _ = self.export("alerts", "ocsf")
        rows = duckdb.sql(f"""
            select metadata.uid, time, severity_id, finding_info.title, device.os.name, unmapped, "eventDay"::varchar,
                   strftime(make_timestamp(time * 1000), '%Y%m%d')
            from read_parquet('{to}/ext/*/*/*/*/*.parquet', hive_partitioning=true)""").fetchall()
        self.assertEqual(len(rows), len(listed))
        for uid, time, severity, title, system, unmapped, partition, day in rows:
            event = listed[uid]
            self.assertEqual((time, severity, title), (event["time"], event["severity_id"], event["finding_info"]["title"]))
            self.assertEqual(system, event.get("device", {}).get("os", {}).get("name"))
            # Nothing but what the event has there: every other attribute has a column.
            self.assertEqual(json.loads(unmapped), event["unmapped"])
            self.assertEqual(partition, day)

    def test_rows_are_sorted_by_time_and_nothing_needs_the_column_of_the_rest(self):
        to, manifest = self.export("alerts", "ecs", "--raw")
        for file in manifest["files"]:
            table = parquet.read_table(to / file["path"], columns=["@timestamp", "event", "edr"])
            times = table["@timestamp"].to_pylist()
            self.assertEqual(times, sorted(times))
            self.assertEqual(set(table["edr"].combine_chunks().field("rest").to_pylist()), {None})
            for original in table["event"].combine_chunks().field("original").to_pylist():
                json.loads(original)
