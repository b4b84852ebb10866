"""What only looks is done before anything is decided: skills' functions that read, and how things are before they are changed.

Reads leave no rows. It does not know what the plan comes to (`errand`).
"""

from contextvars import ContextVar
from dataclasses import replace

from dobby.butler.desk import Desk
from dobby.journal.inbox import EventRow
from dobby.mind.plan import Plan

CURRENT: ContextVar[EventRow | None] = ContextVar("event", default=None)
"""The event on whose behalf this task runs: what a skill changes belongs to it, and its person is whom it speaks to."""


async def look_first(desk: Desk, row: EventRow, plan: Plan) -> Plan:
    """Skills' functions that only look are called at once: reads leave no rows. What can be asked later whether it
    happened is looked at now, so that its row says how it was before."""
    await desk.hands.look_before(plan.calls)
    reads = [call for call in plan.calls if desk.levels.get(call.tool) == "read" and row.event.source.authority.rank]
    if not reads:
        return plan
    CURRENT.set(row)
    endings = [await desk.hands.run_tool(call) for call in reads]
    said = [str(ending.after.get("says") or ending.why) for ending in endings]
    rest = tuple(call for call in plan.calls if call not in reads)
    picture = next((str(ending.after["picture"]) for ending in endings if ending.after.get("picture")), plan.picture)
    return replace(plan, calls=rest, say=" ".join(part for part in (*said, plan.say) if part), picture=picture)
