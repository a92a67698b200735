"""The tests' own tools: a proxy that breaks nothing on cue would prove nothing."""

import uuid

import psycopg2
import pytest
import requests

from support import faultproxy
from support.process import wait_until
from support.project import merged, without_none, yaml_of

pytestmark = pytest.mark.once


@pytest.fixture
def db(couch):
    """Of a name of its own: CouchDB refuses one that was deleted within the same second."""
    made = couch.db("t_support_" + uuid.uuid4().hex[:8]).create()
    yield made
    made.delete()


def through(proxy, couch, method, path, **options):
    with requests.Session() as http:
        http.trust_env = False
        return http.request(method, proxy.url + path, auth=(couch.user, couch.password),
                            headers={"Accept-Encoding": "identity"}, timeout=10, **options)


def test_reader_may_read_and_nothing_else(database):
    database.sql("CREATE TABLE t AS SELECT 1 AS a")
    with psycopg2.connect(database.dsn()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT a FROM t")
        assert cursor.fetchall() == [(1,)]
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("INSERT INTO t VALUES (2)")


def test_databases_are_copied_from_a_template(cluster, database):
    database.sql("CREATE TABLE t AS SELECT 1 AS a")
    copy = cluster.create(template=database.name)
    assert copy.value("SELECT a FROM t") == 1
    copy.drop()


def test_documents_are_read_back(db):
    rev = db.put({"_id": "a", "n": 1})
    db.put({"_id": "a", "n": 2})
    assert rev.startswith("1-")
    assert db.docs() == {"a": {"_id": "a", "n": 2}}
    assert db.revs()["a"].startswith("2-")
    assert db.update_number() == 2
    assert db.get("b") is None


def test_database_made_again_is_another_one(apache_couch, db):
    before = db.info()["instance_start_time"]
    db.put({"_id": "a"})
    db.recreate()
    assert db.count() == 0
    assert db.info()["instance_start_time"] != before


def test_own_couch_restarts_with_its_data(own_couch):
    couch = own_couch()
    couch.db("kept").create().put({"_id": "a"})
    port = couch.port
    couch.restart_on_same_port()
    assert couch.port == port
    assert couch.db("kept").ids() == ["a"]


def test_proxy_passes_everything_on(proxy, couch, db):
    front = proxy("http", couch.host, couch.port)
    assert through(front, couch, "PUT", db.path + "/a", json={"n": 1}).status_code == 201
    assert through(front, couch, "GET", db.path + "/_all_docs").json()["rows"][0]["id"] == "a"
    assert through(front, couch, "HEAD", db.path).status_code == 200
    assert front.count("PUT", "/a$") == 1
    assert front.count(status=201) == 1


def test_proxy_drops_a_reply_after_the_work_was_done(proxy, couch, db):
    front = proxy("http", couch.host, couch.port)
    rule = front.on("PUT", "/a$", faultproxy.drop_reply())
    with pytest.raises(requests.ConnectionError):
        through(front, couch, "PUT", db.path + "/a", json={"n": 1})
    assert rule.hits == 1
    assert db.get("a")["n"] == 1
    assert through(front, couch, "GET", db.path + "/a").status_code == 200


def test_proxy_cuts_a_reply(proxy, couch, db):
    db.put({"_id": "a", "text": "x" * 1000})
    front = proxy("http", couch.host, couch.port)
    front.on("GET", "/a$", faultproxy.cut_reply(400))
    try:
        reply = through(front, couch, "GET", db.path + "/a")
    except requests.RequestException:
        return
    assert b"}" not in reply.content


def test_proxy_cuts_a_request(proxy, couch, db):
    front = proxy("http", couch.host, couch.port)
    front.on("PUT", "/a$", faultproxy.cut_request(5))
    with pytest.raises(requests.ConnectionError):
        through(front, couch, "PUT", db.path + "/a", json={"n": 1})
    assert db.get("a") is None


def test_proxy_answers_itself_so_many_times(proxy, couch, db):
    front = proxy("http", couch.host, couch.port)
    front.on("GET", "", faultproxy.answer(429, retry_after=7), skip=1, times=2)
    replies = [through(front, couch, "GET", db.path) for _ in range(4)]
    assert [reply.status_code for reply in replies] == [200, 429, 429, 200]
    assert replies[1].headers["Retry-After"] == "7"


def test_proxy_refuses_and_comes_back(proxy, couch, db):
    front = proxy("http", couch.host, couch.port)
    front.refuse()
    with pytest.raises(requests.ConnectionError):
        through(front, couch, "GET", db.path)
    front.refuse(False)
    assert through(front, couch, "GET", db.path).status_code == 200


def test_tcp_proxy_cuts_a_connection(proxy, cluster, database):
    front = proxy("tcp", "127.0.0.1", cluster.port)
    rule = front.on(faultproxy.Wire(down=100_000))
    connection = psycopg2.connect(database.dsn(port=front.port))
    with pytest.raises(psycopg2.OperationalError):
        connection.cursor().execute("SELECT repeat('x', 1000) FROM generate_series(1, 1000)")
    assert rule.hits == 1
    wait_until("the backend is gone", 10, lambda: database.backends() == 0)
    again = psycopg2.connect(database.dsn(port=front.port))
    with again, again.cursor() as cursor:
        cursor.execute("SELECT 1")
    again.close()


def test_yaml_is_written_as_meant():
    assert yaml_of({"a": {"b": ["x", {"c": True}]}, "d": {}}) == (
        '"a": \n  "b": \n    - "x"\n    - "c": true\n"d": {}')
    put_over = merged({"a": {"b": 1, "c": 2}}, {"a": {"b": None, "d": 3}})
    assert without_none(put_over) == {"a": {"c": 2, "d": 3}}
