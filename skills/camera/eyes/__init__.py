"""What sees: from a frame to a sighting, one camera at a time. It runs in the eyes' own process and nowhere else.

It does not know where frames come from, nor where sightings go (`dobby/vision`).
"""

from .eye import Eye as Eye, Frame as Frame
from .gate import Gate as Gate
from .models import (
    SIZE as SIZE,
    cache_folder as cache_folder,
    fetch as fetch,
    find_weights as find_weights,
    make_detector as make_detector,
)
from .reader import Reader as Reader
from .visit import Round as Round
