"""A camera that is dead is seen at once, wherever somebody looks first."""

from __future__ import annotations

from hub.runtime.health import Health, State
from tests.support.pages import Browser
from tests.support.panel import Panel, at

SINCE = at("08:00")


async def test_todays_page_names_the_cameras_that_do_not_work(panel: Panel, browser: Browser) -> None:
    panel.health |= {
        "door-101": Health(State.RUNNING, SINCE, last_event_at=at("09:29:30")),
        "back-101": Health(State.RUNNING, SINCE, last_event_at=at("09:29:30")),
        "door-102": Health(State.STARTING, SINCE),
    }
    assert "not work" not in (await browser.open("/")).main
    panel.health["door-102"] = Health(State.NEEDS_HUMAN, SINCE, "the folder incoming is not there", "make it")
    assert "1 camera does not work: door-102" in (await browser.open("/")).main
    panel.health["back-101"] = Health(State.RUNNING, SINCE, last_event_at=at("09:20"))
    page = await browser.open("/")
    assert "2 cameras do not work: back-101, door-102" in page.main, "silence counts, too"
    assert "/cameras" in page.links


async def test_cameras_that_do_not_work_stand_first(panel: Panel, browser: Browser) -> None:
    panel.health |= {
        "door-101": Health(State.RUNNING, SINCE, last_event_at=at("09:29:30")),
        "back-101": Health(State.RETRYING, SINCE, "the folder incoming cannot be read"),
        "door-102": Health(State.RUNNING, SINCE, last_event_at=at("09:29:30")),
    }
    page = await browser.open("/cameras")
    order = [page.main.index(f"{camera} room") for camera in ("back-101", "door-101", "door-102")]
    assert order == sorted(order)


async def test_a_recogniser_or_storage_that_does_not_work_is_said_with_what_to_do(
    panel: Panel, browser: Browser
) -> None:
    panel.health |= {
        "recognizer cloud": Health(State.NEEDS_HUMAN, SINCE, "Azure does not accept the key", "copy KEY 1"),
        "recognizer local": Health(State.RUNNING, SINCE, "it was slow once"),
        "storage s3": Health(State.RUNNING, SINCE, progress="3 to be brought to bucket crops"),
    }
    assert "recognizer cloud does not work" in (await browser.open("/")).main
    page = (await browser.open("/cameras")).main
    assert "recognizer cloud Azure does not accept the key. What to do: copy KEY 1" in page
    assert "storage s3 3 to be brought to bucket crops" in page
    assert "recognizer local" not in page
