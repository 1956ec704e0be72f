"""Every specimen there is: what the suites that hold for all collectors run over."""

from collector_specimens import AGORA, BEACON, LIVEKIT, Specimen
from generic_specimen import GENERIC
from hundredms_specimen import HUNDREDMS
from janus_specimen import JANUS
from trtc_specimen import TRTC
from twilio_specimen import TWILIO
from zoom_specimen import ZOOM

SPECIMENS: tuple[Specimen, ...] = (AGORA, LIVEKIT, BEACON, TRTC, HUNDREDMS, GENERIC, ZOOM, TWILIO, JANUS)
