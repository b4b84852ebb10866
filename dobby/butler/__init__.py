"""The loop: event → mind → errand → reply. One lane per conversation, lanes side by side."""

from dobby.butler.desk import Desk as Desk
from dobby.butler.loop import Butler as Butler
