"""`schedule`: the next runs; and what `check` says of schedules."""

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from support.project import Exit

pytestmark = pytest.mark.once


@pytest.fixture
def offline(make_project):
    """A function that makes a project of mappers that nothing is asked for: name to more keys."""
    def make(**mappers):
        project = make_project()
        for name, more in mappers.items():
            cursor = "" if "no cursor" in more else ", cursor: changed"
            project.mapper(name, f"mapper: {name}\nsource: erp\n"
                                 f"extract: {{table: {name}, key: id{cursor}}}\n"
                                 f"target: {{database: d, id: \"{name}:${{row.id}}\"}}\n"
                                 f"fields: {{name: name}}\n{more}\n")
        return project
    return make


def time_of(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def runs_of(answer, mapper):
    return [run for run in answer["runs"] if run["mapper"] == mapper]


def test_runs_are_listed_in_order_of_time(offline):
    project = offline(
        often='schedule: "*/10 * * * *"', nightly='schedule: "0 3 * * *"\ntimezone: Asia/Tokyo',
        interval="schedule: {every: 45s}", follows="after: [often, nightly]",
        told="schedule: {notify: item_changed}", alone="")
    answer = project.erp2couch("schedule", "--json", "--count", "4").expect(Exit.OK).json
    now = time_of(answer["now"])
    times = [time_of(run["at"]) for run in answer["runs"]]
    assert times == sorted(times) and len(times) == 12
    often = [time_of(run["at"]) for run in runs_of(answer, "often")]
    first = now.replace(minute=now.minute // 10 * 10, second=0, microsecond=0)
    assert often == [first + timedelta(minutes=10 * n) for n in range(1, 5)]
    assert all(run["local"].endswith("03:00:00") and run["timezone"] == "Asia/Tokyo"
               for run in runs_of(answer, "nightly"))
    # an interval that never ran begins at once
    interval = [time_of(run["at"]) for run in runs_of(answer, "interval")]
    assert interval == [now + timedelta(seconds=45 * n) for n in range(4)]
    by_name = {mapper["mapper"]: mapper for mapper in answer["mappers"]}
    assert by_name["follows"]["after"] == ["often", "nightly"]
    assert by_name["follows"]["next_run"] is None
    assert by_name["told"]["notify"] == "item_changed"
    assert by_name["interval"]["schedule"] == "every 45s"
    rows = project.erp2couch("schedule", "--count", "1").expect(Exit.OK).out.splitlines()
    assert rows[0].split() == ["WHEN", "ZONE", "MAPPER", "READS", "LAST", "RUN", "BY"]
    assert len(rows) == 1 + 6
    assert [re.sub(r"^.*?never +", "", row) for row in rows[-3:]] == [
        "never by itself", "after often, nightly", "notify item_changed"]


def test_local_times_follow_daylight_saving(offline):
    """Every quarter of an hour for weeks shows each local time that there is, once at most."""
    project = offline(m="schedule: {cron: '30 1 * * *', timezone: Europe/Dublin}")
    answer = project.erp2couch("schedule", "m", "--json", "--count", "400").expect(Exit.OK).json
    zone, seen = ZoneInfo("Europe/Dublin"), set()
    for run in answer["runs"]:
        local = time_of(run["at"]).astimezone(zone)
        assert run["local"] == local.strftime("%Y-%m-%d %H:%M:%S")
        seen.add(run["local"][11:])
    assert seen == {"01:30:00", "02:00:00"}, "the day on which clocks skip it has it at the end"
    assert len({run["local"][:10] for run in answer["runs"]}) == 400


def test_what_reads_everything_is_told(offline):
    project = offline(since='schedule: "0 * * * *"\nfull: {cron: "0 12 * * *"}',
                      plain='schedule: "0 * * * *" # no cursor', only="full: {every: 1h}")
    answer = project.erp2couch("schedule", "--json", "--count", "30").expect(Exit.OK).json
    since = runs_of(answer, "since")
    assert [run["full"] for run in since[1:]] == [run["at"][11:13] == "12" for run in since[1:]]
    assert since[0]["full"], "nothing was read so far"
    assert {run["by"] for run in since} == {"0 * * * *", "0 * * * *, full 0 12 * * *"}
    assert all(run["full"] for run in runs_of(answer, "plain") + runs_of(answer, "only"))
    assert {run["by"] for run in runs_of(answer, "only")} == {"full every 1h"}


def test_times_count_from_the_last_run(project, database):
    database.sql("CREATE TABLE item AS SELECT n AS id, n AS v FROM generate_series(1, 3) n")
    project.table_mapper(columns=["v"], more='schedule: {every: 1h}\nfull: {every: 1d}')
    before = project.erp2couch("schedule", "--json").expect(Exit.OK).json
    assert before["mappers"][0]["last_run"] is None
    project.run()
    answer = project.erp2couch("schedule", "--json", "--count", "1").expect(Exit.OK).json
    mapper, run = answer["mappers"][0], answer["runs"][0]
    last = time_of(mapper["last_run"])
    assert abs(time_of(mapper["last_full"]) - last) < timedelta(seconds=60)
    assert time_of(run["at"]) == last + timedelta(hours=1) and not run["missed"]


def test_a_refused_run_served_its_firing(project, database):
    """As in the service: the next one comes by schedule, not at once."""
    database.sql("CREATE TABLE item AS SELECT n AS id, NULL::int AS v FROM generate_series(1, 3) n")
    project.table_mapper(fields="v: {from: v, required: true}",
                         more="max_rejects: 1\nschedule: {every: 1h}")
    project.run(code=Exit.REFUSED)
    answer = project.erp2couch("schedule", "--json", "--count", "1").expect(Exit.OK).json
    last, run = answer["mappers"][0]["last_run"], answer["runs"][0]
    assert last and not run["missed"]
    assert time_of(run["at"]) - time_of(last) == timedelta(hours=1)


def test_a_missed_run_comes_at_once(project, database):
    database.sql("CREATE TABLE item AS SELECT n AS id, n AS v FROM generate_series(1, 3) n")
    project.table_mapper(columns=["v"], more='schedule: {every: 1s}')
    project.run()
    answer = None
    while not answer or not answer["runs"][0]["missed"]:
        answer = project.erp2couch("schedule", "--json").expect(Exit.OK).json
    assert answer["runs"][0]["at"] == answer["now"]
    assert not answer["runs"][1]["missed"]
    project.erp2couch("schedule").expect(Exit.OK).says("missed: at once")


@pytest.mark.parametrize("words, said", [
    (["nobody"], "there is no mapper 'nobody'"),
    (["--count", "0"], "--count is from 1 to 1000"),
    (["--count", "1001"], "--count is from 1 to 1000"),
    (["--count", "x"], "--count takes a whole number"),
], ids=str)
def test_usage(offline, words, said):
    offline(m="").erp2couch("schedule", *words).expect(Exit.USAGE).says(re.escape(said))


@pytest.mark.parametrize("more, said", [
    ('schedule: "@reboot"', "@reboot is no time"),
    ("schedule: {every: 1m, jitter: 2m}", "'jitter' must be shorter"),
    ('schedule: {cron: "@daily", timezone: Mars/Olympus}', "no such zone"),
    ("schedule: {every: 1m, cron: '@daily'}", "exclude each other"),
    ("after: m", "cannot come after itself"),
    ("after: othr", "there is no mapper 'othr'; did you mean 'other'?"),
    ("after: other", "'after' makes a ring: m after other after m"),
])
def test_check_names_mistakes(offline, more, said):
    project = offline(m=more, other="after: m" if "ring" in said else "")
    project.erp2couch("check").expect(Exit.CONFIG).says(r"m\.yaml:6:\d+: ", re.escape(said))


def test_check_warns_of_dates_that_never_come(offline):
    project = offline(m='schedule: "0 0 30 2 *"', other='full: "0 0 29 2 *"')
    result = project.erp2couch("check").expect(Exit.OK)
    result.says(r"m\.yaml:6:11: .*'schedule' never fires")
    assert "other.yaml" not in result.err
    assert project.erp2couch("schedule", "m", "--json").json["runs"] == []


def test_an_edited_schedule_needs_no_full_read(project, database):
    database.sql("CREATE TABLE item AS SELECT n AS id, n AS v, now() AS changed"
                 " FROM generate_series(1, 3) n")
    for more in ("", "schedule: {every: 1h, jitter: 1m}", 'full: "@weekly"', "max_rejects: 4"):
        project.table_mapper(columns=["v"], extract="cursor: changed", more=more)
        result = project.run()
        assert ("reading everything" in result.err) == (more == ""), result
