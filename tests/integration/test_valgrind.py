"""A whole life of a mapper under valgrind: no invalid access, no leak."""

import shutil
import subprocess

import pytest

from support.project import VALGRIND, Exit


@pytest.fixture
def watched(make_project, couch, database, binary):
    """A project whose program runs under valgrind."""
    if not shutil.which("valgrind"):
        pytest.skip("valgrind is not installed")
    symbols = subprocess.run(["nm", "-D", str(binary)], capture_output=True, text=True).stdout
    if "__asan_init" in symbols:
        pytest.skip("built with sanitizers, which valgrind does not run")
    return make_project(couch, database, wrapper=VALGRIND)


@pytest.mark.slow
def test_full_runs_are_clean(watched, database):
    project = watched
    database.sql("""
        CREATE TABLE item AS SELECT n AS id, 'K' || n AS code, n * 1.5 AS price, now() AS at,
               '{"a": [1, 2.5]}'::jsonb AS j, ARRAY[n, NULL] AS list FROM generate_series(1, 400) n;
        CREATE TABLE line AS SELECT n AS id, n % 400 AS item, 'text' AS t FROM
               generate_series(1, 1500) n""")
    project.mapper("item", """
        mapper: item
        source: erp
        extract:
          table: item
          key: id
          children: {lines: {table: line, key: id, parent: item}}
        target: {database: "@db@catalog", id: "item:${code}"}
        fields:
          price: {from: price, type: decimal, scale: 2}
          at: {from: at, significant: false}
          j: j
          list: list
          label: {template: "${code} ${row.id}"}
          lines: {each: lines, fields: {t: t}}
        """)
    project.erp2couch("check", timeout=120).expect(Exit.OK)
    project.run(timeout=300).counts(created=400)
    project.quiet_run(unchanged=400, timeout=300)
    database.sql("UPDATE item SET price = 0 WHERE id < 20; "
                 " UPDATE item SET code = 'X' WHERE id = 30; DELETE FROM item WHERE id > 395;"
                 " UPDATE item SET code = NULL WHERE id = 50;"
                 " UPDATE item SET code = 'K60' WHERE id = 61")
    project.run(timeout=300, code=Exit.REJECTS)
    shutil.rmtree(project.state)
    project.run(timeout=300, code=Exit.REJECTS)
    project.erp2couch("preview", "item", timeout=300).expect(Exit.REJECTS)
    project.erp2couch("check", "--connect", "--json", timeout=300).expect(Exit.OK)


@pytest.mark.slow
def test_failures_are_clean(watched, database):
    project = watched
    database.sql("CREATE TABLE item AS SELECT 1 AS id")
    path = project.table_mapper(columns=["nope"])
    project.run(code=Exit.CONFIG, timeout=120)
    path.write_text("mapper: [\n")
    project.erp2couch("check", timeout=120).expect(Exit.CONFIG)
    project.table_mapper()
    project.configure(couchdb={"url": "http://127.0.0.1:9", "retry_for": "1s"})
    project.run(code=Exit.UNAVAILABLE, timeout=120)
    project.erp2couch("nonsense", timeout=60).expect(Exit.USAGE)
    project.erp2couch("init", project.folder / "new", timeout=60).expect(Exit.OK)
