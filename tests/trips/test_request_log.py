import logging

from tutorial_project.trips.request_log import RequestIdFilter, current_id


def test_a_record_carries_the_id_of_the_current_request():
    token = current_id.set("ada-1")
    try:
        record = logging.makeLogRecord({})
        assert RequestIdFilter().filter(record)
    finally:
        current_id.reset(token)
    assert record.request_id == "ada-1"


def test_outside_of_a_request_it_is_a_dash():
    record = logging.makeLogRecord({})
    RequestIdFilter().filter(record)
    assert record.request_id == "-"
