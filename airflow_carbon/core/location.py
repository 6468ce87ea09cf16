"""What the user names: a cloud region, a grid zone, or a point on the map."""

from __future__ import annotations

import re

from airflow_carbon.core.value import value
from airflow_carbon.exceptions import InvalidRequestError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]*")
_NUMBER = r"[+-]?\d+(?:\.\d+)?"
#: Compiled where it is used: a region or a zone has no comma, and no process of theirs pays for it.
_POINT = rf"(?:point:)?({_NUMBER})\s*,\s*({_NUMBER})"
_FORMS = "'azure:swedencentral' (a cloud region), 'zone:DE' (a grid zone) or '51.5,-0.12' (latitude,longitude)"


@value
class Location:
    """Hold one of three: provider and region, a zone, or coordinates. Build it with :meth:`parse`.

    :param provider: cloud provider in lower case, such as ``azure``; empty otherwise.
    :param name: the region's or the zone's name as the user wrote it; empty for coordinates.
    :param latitude: degrees north [deg]; None unless the location is a point.
    :param longitude: degrees east [deg]; None unless the location is a point.
    """

    provider: str = ""
    name: str = ""
    latitude: float | None = None
    longitude: float | None = None

    @classmethod
    def parse(cls, text: str | Location, field: str = "location") -> Location:
        """Read ``provider:region``, ``zone:NAME`` or ``latitude,longitude``.

        ``point:-33.9,18.4`` is the same point, for a command line that takes a leading minus for an option.

        :raises InvalidRequestError: if the text is none of these, or coordinates are not on the globe.
        """
        if isinstance(text, Location):
            return text
        if not isinstance(text, str) or not text.strip():
            raise InvalidRequestError(f"{field}: {text!r} names no location; write {_FORMS}")
        stripped = text.strip()
        point = re.fullmatch(_POINT, stripped) if "," in stripped else None
        if point is not None:
            latitude, longitude = float(point[1]), float(point[2])
            if abs(latitude) > 90 or abs(longitude) > 180:
                raise InvalidRequestError(
                    f"{field}: {text!r} is not on the globe; latitude (first) lies in -90..90, longitude in -180..180"
                )
            return cls(latitude=latitude, longitude=longitude)
        provider, colon, name = stripped.partition(":")
        if not colon or not _NAME.fullmatch(provider) or not _NAME.fullmatch(name):
            hint = f"; did you mean 'zone:{stripped}'?" if _NAME.fullmatch(stripped) else ""
            raise InvalidRequestError(f"{field}: {text!r} is no location; write {_FORMS}{hint}")
        provider = provider.lower()
        return cls(provider="" if provider == "zone" else provider, name=name if provider == "zone" else name.lower())

    @property
    def is_zone(self) -> bool:
        """Tell whether this names a grid zone."""
        return bool(self.name) and not self.provider

    @property
    def is_region(self) -> bool:
        """Tell whether this names a cloud region."""
        return bool(self.provider)

    @property
    def point(self) -> tuple[float, float] | None:
        """Latitude and longitude [deg] of a point, None for a region or a zone."""
        if self.latitude is None or self.longitude is None:
            return None
        return self.latitude, self.longitude

    def __str__(self) -> str:
        if self.point is not None:
            return f"{self.latitude},{self.longitude}"
        return f"{self.provider or 'zone'}:{self.name}"
