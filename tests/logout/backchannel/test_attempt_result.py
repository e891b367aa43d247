import pytest

from oic_session_ext.logout.backchannel.attempt_result import AttemptResult, result_of_failure, result_of_response

NOW = 784_111_777  # Sun, 06 Nov 1994 08:49:37 GMT


@pytest.mark.spec("BC-32")
@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_2xx_says_that_the_rp_knows(status: int) -> None:
    assert result_of_response(status, "", NOW).is_delivered


@pytest.mark.spec("BC-33", "BC-34")
@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 413, 422, 451])
def test_a_refusal_is_the_rps_last_word(status: int) -> None:
    assert result_of_response(status, "1", NOW) == AttemptResult(f"http_{status}", is_recoverable=False)


@pytest.mark.spec("BC-38")
@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_a_redirect_is_a_failure_that_no_later_attempt_mends(status: int) -> None:
    assert result_of_response(status, "", NOW) == AttemptResult(f"http_{status}", is_recoverable=False)


@pytest.mark.spec("BC-34")
@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_an_outage_may_pass(status: int) -> None:
    assert result_of_response(status, "", NOW) == AttemptResult(f"http_{status}", is_recoverable=True)


@pytest.mark.spec("BC-34")
@pytest.mark.parametrize("problem", ["timeout", "connect_refused", "dns", "tls", "connection_lost", "bad_answer"])
def test_that_no_answer_came_may_pass(problem: str) -> None:
    assert result_of_failure(problem) == AttemptResult(problem, is_recoverable=True)


@pytest.mark.spec("SEC-08")
def test_a_refused_address_is_not_tried_again() -> None:
    assert not result_of_failure("address_refused").is_recoverable


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        ("0", 0),
        ("99999999999999999999", 999_999_999),
        ("Sun, 06 Nov 1994 08:50:37 GMT", 60),
        ("Sun, 06 Nov 1994 08:49:00 GMT", 0),
        ("", 0),
        ("-5", 0),
        ("1.5", 0),
        ("soon", 0),
        ("٣", 0),
        ("Sun, 99 Nov 1994 08:50:37 GMT", 0),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(text: str, seconds: int) -> None:
    assert result_of_response(429, text, NOW).retry_after_s == seconds
    assert result_of_response(503, text, NOW).retry_after_s == seconds


def test_retry_after_means_something_with_429_and_503_alone() -> None:
    assert result_of_response(500, "120", NOW).retry_after_s == 0
