"""What a Sonos speaker's UPnP services answer: one class per service, one method per action, named as on the wire.

A method's parameters are the action's arguments, and a `ValueError` stands for wrong ones. It does not know HTTP.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from xml.sax.saxutils import quoteattr

from . import dollhouse_didl as didl
from .dollhouse_zones import TV, Fault, House, Zone

Answer = dict[str, object]


class Service:
    """One service of one zone; `variables` are what its subscribers are told, `always` what every action is given.

    `device` is the embedded UPnP device it belongs to, "" for the ZonePlayer itself.
    """

    always: tuple[str, ...] = ()
    device = ""

    def __init__(self, house: House, zone: Zone) -> None:
        self.house, self.zone = house, zone

    def variables(self) -> Answer:
        return {}


class AVTransport(Service):
    """What the zone's group plays; only the group's leader takes orders."""

    always = ("InstanceID",)
    device = "MediaRenderer"

    def SetAVTransportURI(self, CurrentURI: str, CurrentURIMetaData: str = "", **_: str) -> Answer:
        kind, _colon, rest = CurrentURI.partition(":")
        if kind == "x-rincon":
            self.house.join(self.zone, rest)
            return {}
        if self.zone.leader is not self.zone:
            self.house.part(self.zone)
        if kind == "x-sonos-htastream" and rest.partition(":")[0] != self.zone.uid:
            raise Fault(714)
        single = None
        if kind != "x-rincon-queue" and CurrentURI:
            single = self.house.resolve(CurrentURI, didl.title(CurrentURIMetaData))[0]
        self.zone.deck.load(CurrentURI, CurrentURIMetaData, single)
        return {}

    def BecomeCoordinatorOfStandaloneGroup(self, **_: str) -> Answer:
        others = [each for each in self.house.members(self.zone) if each is not self.zone]
        self.house.part(self.zone)
        heir = others[0].leader.uid if others else ""
        return {"DelegatedGroupCoordinatorID": heir, "NewGroupID": f"{self.zone.uid}:1"}

    def Play(self, Speed: str = "1", **_: str) -> Answer:
        self.zone.deck.play()
        return {}

    def Pause(self, **_: str) -> Answer:
        self.zone.deck.pause()
        return {}

    def Stop(self, **_: str) -> Answer:
        if self.zone.deck.uri.startswith(TV):
            raise Fault(701)
        self.zone.deck.stop()
        return {}

    def ConfigureSleepTimer(self, NewSleepTimerDuration: str, **_: str) -> Answer:
        self.zone.deck.sleep(didl.seconds(NewSleepTimerDuration) if NewSleepTimerDuration else None)
        return {}

    def GetRemainingSleepTimerDuration(self, **_: str) -> Answer:
        left = self.zone.leader.deck.sleepy
        return {"RemainingSleepTimerDuration": "" if left is None else didl.clock(left + 0.999), "CurrentSleepTimerGeneration": 1}

    def Next(self, **_: str) -> Answer:
        self.zone.deck.go(self.zone.deck.number + 1)
        return {}

    def Previous(self, **_: str) -> Answer:
        self.zone.deck.go(max(1, self.zone.deck.number - 1))
        return {}

    def Seek(self, Unit: str, Target: str, **_: str) -> Answer:
        if Unit == "TRACK_NR":
            self.zone.deck.go(int(Target))
        else:
            self.zone.deck.seek(didl.seconds(Target))
        return {}

    def GetTransportInfo(self, **_: str) -> Answer:
        return {"CurrentTransportState": self.zone.playing, "CurrentTransportStatus": "OK", "CurrentSpeed": "1"}

    def GetPositionInfo(self, **_: str) -> Answer:
        deck, track = self.zone.leader.deck, self.zone.track
        uri = track.uri if track else ""
        return {
            "Track": deck.number if track and deck.queued else int(track is not None),
            "TrackDuration": didl.clock(track.seconds if track else 0),
            "TrackMetaData": didl.track(track) if track else "",
            "TrackURI": uri if self.zone.leader is self.zone else f"x-rincon:{self.zone.leader.uid}",
            "RelTime": didl.clock(deck.position),
            "AbsTime": "NOT_IMPLEMENTED",
            "RelCount": 2147483647,
            "AbsCount": 2147483647,
        }

    def GetMediaInfo(self, **_: str) -> Answer:
        deck, leader = self.zone.deck, self.zone.leader
        uri = deck.uri if leader is self.zone else f"x-rincon:{leader.uid}"
        return {"NrTracks": len(deck.queue), "MediaDuration": "", "CurrentURI": uri, "CurrentURIMetaData": deck.meta}

    def GetTransportSettings(self, **_: str) -> Answer:
        return {"PlayMode": self.zone.leader.deck.play_mode, "RecQualityMode": "NOT_IMPLEMENTED"}

    def SetPlayMode(self, NewPlayMode: str, **_: str) -> Answer:
        self.zone.deck.play_mode = NewPlayMode
        return {}

    def GetCrossfadeMode(self, **_: str) -> Answer:
        return {"CrossfadeMode": int(self.zone.deck.crossfade)}

    def SetCrossfadeMode(self, CrossfadeMode: str, **_: str) -> Answer:
        self.zone.deck.crossfade = CrossfadeMode == "1"
        return {}

    def GetCurrentTransportActions(self, **_: str) -> Answer:
        live = self.zone.track is not None and not self.zone.track.seconds
        if self.zone.deck.uri.startswith(TV):
            return {"Actions": "Set, Play"}
        return {"Actions": "Set, Stop, Play" if live else "Set, Stop, Pause, Play, X_DLNA_SeekTime, Next, Previous"}

    def AddURIToQueue(self, EnqueuedURI: str, EnqueuedURIMetaData: str = "", **more: str) -> Answer:
        queue = self.zone.deck.queue
        service = re.search(r"SA_RINCON(\d+)_", EnqueuedURIMetaData)
        if service and int(service[1]) not in self.house.services:
            raise Fault(800)
        tracks = self.house.resolve(EnqueuedURI, didl.title(EnqueuedURIMetaData))
        at = int(more.get("DesiredFirstTrackNumberEnqueued", 0)) or len(queue) + 1
        queue[at - 1 : at - 1] = tracks
        return {"FirstTrackNumberEnqueued": at, "NumTracksAdded": len(tracks), "NewQueueLength": len(queue)}

    def AddMultipleURIsToQueue(self, EnqueuedURIs: str, EnqueuedURIsMetaData: str, NumberOfURIs: str, **_: str) -> Answer:
        uris, metas = EnqueuedURIs.split(" "), re.findall(r"<DIDL-Lite.*?</DIDL-Lite>", EnqueuedURIsMetaData, re.DOTALL)
        if not len(uris) == len(metas) == int(NumberOfURIs) <= 16:
            raise ValueError(NumberOfURIs)
        first = len(self.zone.deck.queue) + 1
        for uri, meta in zip(uris, metas, strict=True):
            self.zone.deck.queue += [
                replace(each, artist=didl.title(meta, "creator") or each.artist)
                for each in self.house.resolve(uri, didl.title(meta))
            ]
        more = {"NewUpdateID": first, "NumTracksAdded": len(uris), "NewQueueLength": len(self.zone.deck.queue)}
        return {"FirstTrackNumberEnqueued": first, **more}

    def RemoveAllTracksFromQueue(self, **_: str) -> Answer:
        self.zone.deck.queue.clear()
        if self.zone.deck.queued:
            self.zone.deck.stop()
        return {}

    def RemoveTrackRangeFromQueue(self, StartingIndex: str, NumberOfTracks: str, **_: str) -> Answer:
        queue, at, count = self.zone.deck.queue, int(StartingIndex) - 1, int(NumberOfTracks)
        if not 0 <= at < at + count <= len(queue):
            raise ValueError(StartingIndex)
        del queue[at : at + count]
        return {"NewUpdateID": len(queue)}

    def variables(self) -> Answer:
        deck, track = self.zone.leader.deck, self.zone.track
        values = {
            "TransportState": deck.state,
            "CurrentPlayMode": deck.play_mode,
            "NumberOfTracks": len(deck.queue),
            "CurrentTrack": deck.number,
            "CurrentTrackURI": track.uri if track else "",
            "CurrentTrackDuration": didl.clock(track.seconds if track else 0),
            "CurrentTrackMetaData": didl.track(track) if track else "",
            "AVTransportURI": deck.uri if self.zone.leader is self.zone else f"x-rincon:{self.zone.leader.uid}",
        }
        rows = "".join(f"<{name} val={quoteattr(str(value))}/>" for name, value in values.items())
        return {"LastChange": didl.last_change("AVT", rows)}


class RenderingControl(Service):
    """The zone's own knobs."""

    always = ("InstanceID", "Channel")
    device = "MediaRenderer"

    def _turned(self, knob: str, text: str, low: int, high: int) -> Answer:
        value = int(text)
        if not low <= value <= high:
            raise ValueError(text)
        setattr(self.zone, knob, type(getattr(self.zone, knob))(value))
        self.house.changed(self.zone, "RenderingControl")
        return {}

    def GetVolume(self, **_: str) -> Answer:
        return {"CurrentVolume": self.zone.volume}

    def SetVolume(self, DesiredVolume: str, **_: str) -> Answer:
        return self._turned("volume", DesiredVolume, 0, 100)

    def SetRelativeVolume(self, Adjustment: str, **_: str) -> Answer:
        self._turned("volume", str(max(0, min(100, self.zone.volume + int(Adjustment)))), 0, 100)
        return {"NewVolume": self.zone.volume}

    def GetMute(self, **_: str) -> Answer:
        return {"CurrentMute": int(self.zone.muted)}

    def SetMute(self, DesiredMute: str, **_: str) -> Answer:
        return self._turned("muted", DesiredMute, 0, 1)

    def GetBass(self, **_: str) -> Answer:
        return {"CurrentBass": self.zone.bass}

    def SetBass(self, DesiredBass: str, **_: str) -> Answer:
        return self._turned("bass", DesiredBass, -10, 10)

    def GetTreble(self, **_: str) -> Answer:
        return {"CurrentTreble": self.zone.treble}

    def SetTreble(self, DesiredTreble: str, **_: str) -> Answer:
        return self._turned("treble", DesiredTreble, -10, 10)

    def GetLoudness(self, **_: str) -> Answer:
        return {"CurrentLoudness": int(self.zone.loudness)}

    def SetLoudness(self, DesiredLoudness: str, **_: str) -> Answer:
        return self._turned("loudness", DesiredLoudness, 0, 1)

    def GetOutputFixed(self, **_: str) -> Answer:
        return {"CurrentFixed": 0}

    def variables(self) -> Answer:
        rows = f'<Volume channel="Master" val="{self.zone.volume}"/><Mute channel="Master" val="{int(self.zone.muted)}"/>'
        return {"LastChange": didl.last_change("RCS", rows)}


class GroupRenderingControl(Service):
    """The knobs of a whole group: its volume is the mean, a change moves everybody alike."""

    always = ("InstanceID",)
    device = "MediaRenderer"

    def GetGroupVolume(self, **_: str) -> Answer:
        members = self.house.members(self.zone)
        return {"CurrentVolume": round(sum(each.volume for each in members) / len(members))}

    def SetGroupVolume(self, DesiredVolume: str, **_: str) -> Answer:
        step = int(DesiredVolume) - int(str(self.GetGroupVolume()["CurrentVolume"]))
        for each in self.house.members(self.zone):
            each.volume = max(0, min(100, each.volume + step))
            self.house.changed(each, "RenderingControl")
        return {}

    def GetGroupMute(self, **_: str) -> Answer:
        return {"CurrentMute": int(all(each.muted for each in self.house.members(self.zone)))}

    def SetGroupMute(self, DesiredMute: str, **_: str) -> Answer:
        for each in self.house.members(self.zone):
            each.muted = DesiredMute == "1"
            self.house.changed(each, "RenderingControl")
        return {}


class ZoneGroupTopology(Service):
    """Who is there and plays with whom."""

    def GetZoneGroupState(self) -> Answer:
        return {"ZoneGroupState": self._state()}

    def GetZoneGroupAttributes(self) -> Answer:
        members = self.house.members(self.zone)
        uids = ",".join(each.uid for each in members)
        name = self.zone.leader.name + (f" + {len(members) - 1}" if members[1:] else "")
        return {
            "CurrentZoneGroupName": name,
            "CurrentZoneGroupID": f"{self.zone.leader.uid}:1",
            "CurrentZonePlayerUUIDsInGroup": uids,
        }

    def _state(self) -> str:
        leaders = [each for each in self.house.zones if each.plugged and each.leader is each]
        groups = "".join(
            f'<ZoneGroup Coordinator="{leader.uid}" ID="{leader.uid}:1">{self._rows(self.house.members(leader))}</ZoneGroup>'
            for leader in leaders
        )
        return f"<ZoneGroupState><ZoneGroups>{groups}</ZoneGroups><VanishedDevices/></ZoneGroupState>"

    def _rows(self, zones: Iterable[Zone]) -> str:
        return "".join(
            f'<ZoneGroupMember UUID="{each.uid}" Location="http://{each.address}:1400/xml/device_description.xml" '
            f'ZoneName={quoteattr(each.name)} Icon="" Configuration="1" BootSeq="{each.boots}" SoftwareVersion="83.1-61210"/>'
            for each in zones
        )

    def variables(self) -> Answer:
        return {"ZoneGroupState": self._state()}


class DeviceProperties(Service):
    """What the zone is called and to whom it belongs."""

    def GetHouseholdID(self) -> Answer:
        return {"CurrentHouseholdID": self.house.id}

    def GetZoneAttributes(self) -> Answer:
        return {"CurrentZoneName": self.zone.name, "CurrentIcon": "", "CurrentConfiguration": "1"}

    def GetZoneInfo(self) -> Answer:
        serial = self.zone.uid[7:19]
        return {"SerialNumber": serial, "SoftwareVersion": "83.1-61210", "IPAddress": self.zone.address, "MACAddress": serial}


class ContentDirectory(Service):
    """The music library's shelves: favourites, playlists, the queue."""

    device = "MediaServer"

    def Browse(self, ObjectID: str, BrowseFlag: str, StartingIndex: str = "0", RequestedCount: str = "0", **_: str) -> Answer:
        shelf = self.house.shelf(ObjectID, self.zone)
        if BrowseFlag == "BrowseMetadata":
            row = f'<container id="{ObjectID}" childCount="{len(shelf)}"><dc:title>Queue</dc:title></container>'
            return {"Result": f"{didl.DIDL}{row}</DIDL-Lite>", "NumberReturned": 1, "TotalMatches": 1, "UpdateID": 1}
        start = int(StartingIndex)
        part = shelf[start : start + (int(RequestedCount) or len(shelf))]
        rows = "".join(didl.row(ObjectID, n, each) for n, each in enumerate(part, start + 1))
        result = f"{didl.DIDL}{rows}</DIDL-Lite>"
        return {"Result": result, "NumberReturned": len(part), "TotalMatches": len(shelf), "UpdateID": 1}


class MusicServices(Service):
    """The music services the household could use: none that need asking (`House.services` are those of share links)."""

    def ListAvailableServices(self) -> Answer:
        return {
            "AvailableServiceDescriptorList": "<Services/>",
            "AvailableServiceTypeList": "",
            "AvailableServiceListVersion": "1",
        }


class AudioIn(Service):
    """A line-in with nothing plugged in."""

    def GetAudioInputAttributes(self) -> Answer:
        return {"CurrentName": "Line-In", "CurrentIcon": "AudioComponent"}


SERVICES: dict[str, type[Service]] = {
    kind.__name__: kind
    for kind in (
        AVTransport,
        RenderingControl,
        GroupRenderingControl,
        ZoneGroupTopology,
        DeviceProperties,
        ContentDirectory,
        MusicServices,
        AudioIn,
    )
}
