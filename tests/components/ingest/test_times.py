"""Times as files tell them, 24:00 among them, and their places in the calendar."""

import numpy as np
import pyarrow as pa
import pytest

from components.ingest.times import fraction_of, joined, period_of, read_times


def read(texts, time_format=None):
    times, places = read_times(pa.array(texts, pa.string()), time_format)
    return times.astype("datetime64[ms]").astype(str).tolist(), places.astype("datetime64[ms]").astype(str).tolist()


@pytest.mark.parametrize(
    ("text", "time_format", "time"),
    [
        ("2012-01-31", None, "2012-01-31T00:00:00.000"),
        ("2012-01-31T22:10", None, "2012-01-31T22:10:00.000"),
        ("2012-01-31 22:10:05.5", None, "2012-01-31T22:10:05.500"),
        ("2012-01-31T22:10:00+02:00", None, "2012-01-31T20:10:00.000"),
        ("01/31/1988 23:00", "%m/%d/%Y %H:%M", "1988-01-31T23:00:00.000"),
        ("31.01.2009 00:10:00", "%d.%m.%Y %H:%M:%S", "2009-01-31T00:10:00.000"),
        ("20090131", "%Y%m%d", "2009-01-31T00:00:00.000"),
    ],
)
def test_a_time_is_read_as_its_format_says(text, time_format, time):
    assert read([text], time_format) == ([time], [time])


@pytest.mark.parametrize(
    ("text", "time_format"),
    [
        ("02/29/1988 24:00", "%m/%d/%Y %H:%M"),
        ("24h00 29.02.1988", "%Hh%M %d.%m.%Y"),
        ("1988-02-29T24:00", None),
        ("1988-02-29 24:00:00", None),
        ("1988-02-29T24:00:00.000Z", None),
    ],
)
def test_24_00_is_the_next_midnight_and_belongs_to_the_day_that_it_ends(text, time_format):
    assert read([None, text], time_format) == (["NaT", "1988-03-01T00:00:00.000"], ["NaT", "1988-02-29T23:59:59.999"])


@pytest.mark.parametrize(
    ("text", "time_format"),
    [
        ("01/31/1988 24:30", "%m/%d/%Y %H:%M"),
        ("01/31/1988 25:00", "%m/%d/%Y %H:%M"),
        ("02/30/1988 24:00", "%m/%d/%Y %H:%M"),
        ("1988-02-29T24:01", None),
        ("yesterday", None),
        ("1988-02-29", "%Y%m%d"),
        ("", None),
        (None, None),
    ],
)
def test_what_is_no_time(text, time_format):
    assert read([text], time_format) == (["NaT"], ["NaT"])


def test_columns_are_joined():
    texts = [pa.array(["01/31/1988", None, "x"]), pa.array(["24:00", "01:00", None])]
    assert joined(texts).to_pylist() == ["01/31/1988 24:00", None, None]


def test_places_in_the_calendar():
    moments = ["1970-01-01", "1988-02-01", "1988-02-29T23:59:59.999", "1988-03-01", "NaT"]
    places = np.array(moments, "datetime64[ms]")
    assert period_of(places[:4], "month").tolist() == [0, 217, 217, 218]
    assert period_of(places[:4], "year").tolist() == [0, 18, 18, 18]
    assert fraction_of(places, "month").tolist() == pytest.approx([0, 0, 1, 0, np.nan], nan_ok=True, abs=1e-8)
    assert fraction_of(places, "month")[2] < 1
    assert fraction_of(places, "year")[1] == 31 / 366
