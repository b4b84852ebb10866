"""Due rows become events: by the clock on the wall (`wheel`), or when the house becomes as somebody wants (`triggers`)."""

from dobby.schedule.triggers import Triggers
from dobby.schedule.wheel import Wheel

__all__ = ["Triggers", "Wheel"]
