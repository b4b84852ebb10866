"""What Dobby keeps for years: notes as they were said, facts with their time and source; found again, corrected, forgotten.

A front door. It does not understand sentences (`mind.remembering`) and asks no model.
"""

from dobby.memory.facts import Fact
from dobby.memory.forgetting import Forgotten, made_backup
from dobby.memory.memory import MIGRATIONS, Memory, open_memory
from dobby.memory.notes import Recollection

__all__ = ["MIGRATIONS", "Fact", "Forgotten", "Memory", "Recollection", "made_backup", "open_memory"]
