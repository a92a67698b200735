"""Every kind of credentials against a server that wants them, and where their secrets must not be.

Each case: the server's check, the source's auth, and how often the server was asked to log in.
"""

import json
import os
import stat

import pytest

from support.project import Exit
from support.rest_server import OAuth2, Session, basic, bearer, header, query
from support.rest_tables import ROWS, expected, paged

SECRET = "s3cret-Of-%26+x"


def oauth2(server, **options):
    server.auth = OAuth2(**options)
    server.call("/token", server.auth.token)
    return {"oauth2": {"token_url": server.url + "/token", "client_id": "me",
                       "client_secret": SECRET}}


def refreshed(server, **options):
    spec = oauth2(server, refresh=SECRET, **options)
    spec["oauth2"].update(grant="refresh_token", refresh_token=SECRET)
    return spec


def plain(check, spec):
    def make(server, **_):
        server.auth = check
        return spec
    return make


def session(server, **options):
    server.auth = Session("me", SECRET, **options)
    server.call("/Login", server.auth.login)
    return {"session": {"path": "/Login", "body": {"user": "me", "password": SECRET}}}


def session_token(server, **_):
    """The token of the reply goes out in a header of its own."""
    server.auth = lambda ask: ask.path == "/Login" or ask.headers.get("X-Session") == "t" + SECRET
    server.call("/Login", lambda ask: {"data": {"token": "t" + SECRET}})
    return {"session": {"path": "/Login", "body": {"key": SECRET}, "token": "data.token",
                        "send": {"X-Session": "$${token}"}}}


KINDS = {
    "basic": plain(basic("me", SECRET), {"user": "me", "password": SECRET}),
    "bearer": plain(bearer(SECRET), {"bearer": SECRET}),
    "header": plain(header("DOLAPIKEY", SECRET), {"header": {"DOLAPIKEY": SECRET}}),
    "query": plain(query("api_key", SECRET), {"query": {"api_key": SECRET}}),
    "client credentials": oauth2,
    "refresh token": refreshed,
    "session": session,
    "session with a token": session_token,
}
LOGS_IN = ["client credentials", "refresh token", "session"]


@pytest.fixture
def guarded(rest, server):
    """A project of one kind of credentials, and its table."""

    def make(kind, **options):
        table, extract = paged(server, "page")
        project = rest(extract, {"auth": KINDS[kind](server, **options)})
        return project, table

    return make


def said(result):
    return result.out + result.err


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_wants_to_know_who_we_are(guarded, server, kind):
    project, table = guarded(kind)
    table.rows[3]["price"] = "no number"  # a reject: it must not hold them either
    outputs = [project.run("--verbose", code=Exit.REJECTS).counts(created=ROWS - 1, rejected=1)]
    outputs += [project.erp2couch("check", "--json").expect(Exit.OK),
                project.erp2couch("check", "--connect", "--verbose").expect(Exit.OK),
                project.erp2couch("preview", "item", "--verbose").expect(Exit.REJECTS),
                project.erp2couch("state", "show", "item", "--json"),
                project.erp2couch("rejects", "show", "item", "--json"),
                project.erp2couch("status", "--json")]
    server.auth = lambda ask: False
    outputs.append(project.run("--verbose", code=Exit.CONFIG).says("401.*who are you|refused"))
    given = [SECRET, SECRET.replace("%", "%25").replace("+", "%2B"), "s3cret"]
    for result in outputs:
        assert not [text for text in given if text in said(result)], result
    assert "s3cret" not in json.dumps(project.control.docs())
    kept = [path for path in files(project.state) if b"s3cret" in path.read_bytes()]
    assert all(".sources" in path.parts and stat.S_IMODE(path.stat().st_mode) == 0o600
               for path in kept), kept
    sources = project.state / ".sources"
    assert {stat.S_IMODE(folder.stat().st_mode)
            for folder in [sources, *sources.iterdir()]} == {0o700}
    assert {path.stat().st_uid for path in [sources, *files(sources)]} == {os.getuid()}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files(sources)} == {0o600}


@pytest.mark.parametrize("kind", LOGS_IN)
def test_credentials_that_end_in_the_middle_are_renewed(guarded, server, kind):
    """After each second request: 401, and no page is read twice."""
    project, table = guarded(kind, lives=2)
    project.run().counts(created=ROWS)
    assert project.db("catalog").docs() == expected(table)
    assert server.auth.given >= 3
    project.quiet_run(unchanged=ROWS)


def test_refresh_tokens_that_rotate_are_kept_across_runs(guarded, server):
    """The first one is good once; a run that dies before the next would need it loses nothing."""
    project, table = guarded("refresh token", lives=3)
    for _ in range(3):
        project.run()
    first = server.auth.refresh
    assert server.auth.given >= 3 and first != SECRET
    [kept] = [path for path in files(project.state / ".sources")
              if first.encode() in path.read_bytes()]
    assert project.db("catalog").docs() == expected(table)
    kept.unlink()
    server.auth.tokens.clear()
    project.run(code=Exit.CONFIG).says("invalid_grant", "used before")


def test_a_wrong_password_is_said_once_and_is_no_loop(guarded, server):
    project, _ = guarded("session")
    server.auth.wanted = {"user": "me", "password": "another"}
    project.run(code=Exit.CONFIG).says("wrong password")
    assert len(server.asked()) <= 2
