"""What sees: from a frame to a sighting, one camera at a time. It runs in the eyes' own process and nowhere else.

It does not know where frames come from, nor where sightings go (`dobby/vision`).
"""

from .eye import Eye as Eye
from .eye import Frame as Frame
from .gate import Gate as Gate
from .models import SIZE as SIZE
from .models import cache_folder as cache_folder
from .models import fetch as fetch
from .models import make_detector as make_detector
from .reader import Reader as Reader
from .visit import Round as Round
