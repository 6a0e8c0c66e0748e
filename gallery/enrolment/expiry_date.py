"""Until when an authorisation holds, as people write it: one meaning for commands and requests."""

from datetime import UTC, date, datetime, time, timedelta

from gait.errors import GalleryError

EXPIRY_MEANING = (
    "a date such as 2030-12-31, which is included: it ends with that day in UTC; or an ISO 8601 "
    "time with its zone, such as 2030-12-31T12:00:00Z"
)
"""What `expiry_date` takes, for help texts."""


def expiry_date(text: str) -> datetime:
    """The moment, in UTC, from which an authorisation no longer holds.

    A date includes the whole day named, in UTC.

    >>> expiry_date("2999-12-31").isoformat()
    '3000-01-01T00:00:00+00:00'
    >>> expiry_date("2999-12-31T12:00:00+02:00").isoformat()
    '2999-12-31T10:00:00+00:00'

    Args:
        text: as `EXPIRY_MEANING` says.

    Raises:
        GalleryError: it is neither, has no zone, is not in the future, or is beyond the year 9999.
    """
    try:
        moment = _moment(text)
    except OverflowError as error:
        raise GalleryError(
            f"got the expiry {text[:40]!a}, which ends beyond the year 9999: give an earlier one"
        ) from error
    except ValueError as error:
        raise GalleryError(f"got the expiry {text[:40]!a}, need {EXPIRY_MEANING}") from error
    if moment <= datetime.now(UTC):
        raise GalleryError(
            f"got the expiry {text[:40]!a}, which is past: it must lie in the future"
        )
    return moment


def _moment(text: str) -> datetime:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("no zone") from None
        return moment.astimezone(UTC)
    return datetime.combine(day, time(), UTC) + timedelta(days=1)
