"""A location shared in chat says who is home: for an hour, by its distance from the house, and never more than that."""

from dobby.events import EventKind, Location
from tests.stories.family import at_home


async def test_a_shared_location_is_home_or_away_for_an_hour() -> None:
    async with at_home() as home:
        assert "where it stands" in " ".join(await home.say("anna", "", kind=EventKind.LOCATION, location=Location(52.52, 13.4)))
        home.desk.place = (52.52, 13.405)
        near, far = Location(52.5201, 13.4051, 20.0), Location(52.60, 13.405)
        assert await home.say("anna", "", kind=EventKind.LOCATION, location=near) == ["You're at home, then."]
        assert (await home.say("tom", "", kind=EventKind.LOCATION, location=far)) == ["You're away, then: 8.9 km from home."]
        assert (await home.asks("dora", "is Anna home?")).startswith("Yes, Anna is at home")
        assert (await home.asks("dora", "is Tom home?")).startswith("No, Tom is away")
        await home.pass_by(3700)
        assert "can't tell" in await home.asks("dora", "is Anna home?")
