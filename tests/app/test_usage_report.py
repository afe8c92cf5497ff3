import csv
import io
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import usage_report
from app.errors import BadRequest
from app.store.usage import COLUMNS, DAY_SECONDS, HOUR_SECONDS, Query, Sums
from app.usage_report import Asked

NOW = datetime(2026, 11, 25, 13, 30, 15, tzinfo=UTC).timestamp()


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def query(**asked: str) -> Query:
    names = {"from_": "start", "to": "end", "by": "by"}
    return Asked(**{names[name]: text for name, text in asked.items()}).query("front", NOW)


def test_without_parameters_the_last_thirty_days_are_told_by_day():
    assert query() == Query(at("2026-10-27"), at("2026-11-25T14:00"), ("day",), "front")


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [
        ("2026-11-01", "2026-11-02", 48),
        ("2026-11-01", "2026-11-01", 24),
        ("2026-11-01T10:00:00Z", "2026-11-01T12:00:00Z", 2),
        ("2026-11-01T10:30:00Z", "2026-11-01T12:00:01Z", 3),
        ("2026-11-01T10:00:00", "2026-11-01T14:00:00+02:00", 2),
        ("2026-11-01T10:00:00 00:00", "2026-11-01T12:00:00", 2),
        ("1793527200", "1793534400", 2),
    ],
)
def test_days_moments_and_seconds_are_understood(start, end, hours):
    found = query(from_=start, to=end)
    assert found.start % HOUR_SECONDS == found.end % HOUR_SECONDS == 0
    assert found.end - found.start == hours * HOUR_SECONDS


@pytest.mark.parametrize(
    ("asked", "param", "message"),
    [
        ({"from_": "yesterday"}, "from", "'from' must be a day like 2026-01-31"),
        ({"to": "2026-02-30"}, "to", "'to' must be a day"),
        ({"to": "1"}, "to", "'to' must be a day"),
        ({"from_": "9999-12-31"}, "from", "'from' must be a day"),
        ({"to": "9999-12-31"}, "to", "'to' must be a day"),
        ({"from_": ""}, "from", "'from' must be a day"),
        ({"from_": "2026-11-02", "to": "2026-11-01"}, "from", "'from' must be before 'to'"),
        ({"from_": "2024-01-01"}, "from", "At most 400 days"),
        ({"by": "week"}, "by", "'by' must be some of key, model"),
        ({"by": ""}, "by", "'by' must be some of"),
        ({"by": "day,day"}, "by", "each once"),
    ],
)
def test_what_is_wrong_is_told_with_what_would_be_right(asked, param, message):
    with pytest.raises(BadRequest, match=re.escape(message)) as caught:
        query(**asked)
    assert caught.value.param == param


@given(st.none() | st.text(), st.none() | st.text(), st.none() | st.text())
def test_whatever_is_asked_there_is_a_query_or_a_bad_request(start, end, by):
    try:
        found = Asked(start, end, by).query(None, NOW)
    except BadRequest:
        return
    assert 0 < found.end - found.start <= usage_report.MOST_DAYS * DAY_SECONDS
    assert set(found.by) <= set(COLUMNS)


@given(st.integers(at("2020-01-02"), at("2099-12-30")))
def test_a_moment_lies_in_the_hours_that_begin_and_end_with_it(moment):
    text = datetime.fromtimestamp(moment, UTC).isoformat()
    start = query(from_=text, to=str(moment + DAY_SECONDS)).start
    assert start <= moment < start + HOUR_SECONDS
    end = query(from_=str(start - DAY_SECONDS), to=text).end
    assert end - HOUR_SECONDS < moment <= end


NAMES = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from("=+-@,;:|\t\r\n \"'a"), max_size=20
)
COUNTS = st.integers(0, 2**60)


@given(st.lists(st.tuples(NAMES, NAMES, st.builds(Sums, *[COUNTS] * 9)), max_size=5))
def test_csv_holds_every_row_and_no_cell_that_a_spreadsheet_would_compute(rows):
    asked = Query(0, HOUR_SECONDS, ("key", "upstream_model"))
    text = usage_report.table(asked, [((key, model), sums) for key, model, sums in rows])
    head, *read = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert head == ["key", "upstream_model", *usage_report.COUNTS, "cost_usd"]
    assert len(read) == len(rows)
    for cells, (key, model, sums) in zip(read, rows, strict=True):
        assert [cell.replace("'", "") for cell in cells[:2]] == [key.replace("'", ""), model.replace("'", "")]
        assert cells[2] == str(sums.requests)
    for separator in ",;:|\t":
        for cells in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
            assert not any(is_formula(cell) for cell in cells)


def is_formula(cell: str) -> bool:
    return cell.strip('" \t\r\n').startswith(("=", "+", "-", "@"))


def test_csv_has_names_in_quotes_and_numbers_without():
    rows = [(("a;=1+1", 'say "x"'), Sums(1, 2, 3, nano_usd=1_500_000))]
    text = usage_report.table(Query(0, HOUR_SECONDS, ("key", "model")), rows)
    [line, rest] = text.split("\r\n")[1:]
    assert line == '"a;\'=1+1","say ""x""",1,2,3,0,0,0,0,0,0.0015'
    assert not rest


def test_days_and_hours_are_written_as_people_do():
    asked = Query(0, HOUR_SECONDS, ("day", "hour"))
    assert usage_report.columns(asked, (at("2026-11-25"), at("2026-11-25T13:00"))) == {
        "day": "2026-11-25",
        "hour": "2026-11-25T13:00:00Z",
    }


@given(st.lists(st.builds(Sums, *[COUNTS] * 9)))
def test_the_total_is_the_sum_of_the_rows(sums):
    total = usage_report.total(((), each) for each in sums)
    assert total.nano_usd == sum(each.nano_usd for each in sums)
    assert total.requests == sum(each.requests for each in sums)
