// The beacon of a web client: what a person's own browser saw of a class, kept until it was taken.
// No dependencies; README.md here has the format it writes, tests/e2e runs it in Chromium against a real SFU.

const LOOK_EVERY_MS = 2_000;
const SEND_EVERY_MS = 30_000;
const SNAPSHOTS_MAX = 60; // of one peer connection in one batch; the service reads 120
const BATCHES_MAX = 120; // an hour without a network; then the oldest goes
const ITEMS_MAX = 200;

// What the service reads of each report, and no more: a batch must fit the 64 KiB a closing page may send.
const FIELDS = {
  "inbound-rtp": [
    "id", "type", "kind", "ssrc", "timestamp", "remoteId", "packetsReceived", "packetsLost", "bytesReceived", "jitter",
    "jitterBufferDelay", "jitterBufferEmittedCount", "totalSamplesReceived", "concealedSamples",
    "silentConcealedSamples", "framesDecoded", "framesRendered", "totalFreezesDuration", "totalPausesDuration",
    "estimatedPlayoutTimestamp",
  ],
  "remote-outbound-rtp": ["id", "type", "ssrc", "timestamp", "remoteTimestamp", "reportsSent"],
  "candidate-pair": ["id", "type", "nominated", "currentRoundTripTime", "lastPacketReceivedTimestamp"],
};

// The clock of getStats: it does not jump when somebody sets the computer's.
const now = () => performance.timeOrigin + performance.now();

export class Beacon {
  #given; #items = []; #batches = []; #watched = new Map(); #session = null; #timers = []; #sending = null; #end;

  // url: https://<your host>/webhooks/beacon. token: the text, or a function that gets a new one (may be async).
  // domains: {network, region, node}, as far as the app knows them.
  constructor({url, token, app = "web", domains = {}, lookEveryMs = LOOK_EVERY_MS, sendEveryMs = SEND_EVERY_MS}) {
    this.#given = {url, token: typeof token === "function" ? token : () => token, app, domains};
    this.#timers = [setInterval(() => this.#look(), lookEveryMs), setInterval(() => this.send(), sendEveryMs)];
    this.#end = () => { this.left("LEAVE"); this.send({isLast: true}); };
    addEventListener("pagehide", this.#end);
  }

  // The person pressed "join".
  attempted() { this.#note({kind: "attempted"}); }

  // The attempt ended outside. The codes are in README.md; those of Agora's and LiveKit's SDKs are known too.
  joinFailed(code) { this.#note({kind: "join_failed", code}); }

  // In the room, and media runs.
  joined() {
    this.#session = crypto.randomUUID();
    this.#note({kind: "joined", session: this.#session});
  }

  // Out of the room: LEAVE by the person's own act, otherwise what happened.
  left(code) {
    if (this.#session === null) return;
    this.#note({kind: "left", session: this.#session, code});
    this.#session = null;
    this.#watched.clear();
  }

  // Measure what this connection receives. Pass those that carry the teacher's tracks alone.
  // sender: one text for all tracks of one person. stateOf(track): "live", "muted", "paused" or "ended" where the app
  // knows better than the track itself, above all "paused" for a camera that the teacher switched off.
  watch(peer, {sender = "teacher", stateOf = stateOfTrack, isScreen = () => false} = {}) {
    this.#watched.set(peer, {snapshots: [], sender, stateOf, isScreen});
  }

  unwatch(peer) { this.#watched.delete(peer); }

  // Send what there is; it happens by itself. A batch is forgotten once it was taken, or can never be.
  async send({isLast = false} = {}) {
    this.#pack();
    if (isLast) return Promise.all(this.#batches.map((batch) => this.#post(batch, true)));
    this.#sending ??= this.#sendAll().finally(() => { this.#sending = null; });
    return this.#sending;
  }

  // Stop measuring, and send the rest.
  async close() {
    this.#timers.forEach(clearInterval);
    removeEventListener("pagehide", this.#end);
    await this.#sending;
    await this.send();
  }

  #note(item) {
    this.#items.push({...item, at: now()});
    if (this.#items.length >= ITEMS_MAX) this.#pack();
  }

  async #look() {
    for (const [peer, watched] of this.#watched) {
      if (peer.connectionState === "closed") { this.unwatch(peer); continue; }
      const found = await peer.getStats();
      watched.snapshots.push({timestamp: now(), hidden: document.hidden, reports: reportsOf(found, peer, watched)});
      if (watched.snapshots.length >= SNAPSHOTS_MAX) this.#pack();
    }
  }

  #pack() {
    const items = this.#items.splice(0);
    for (const watched of this.#watched.values()) {
      if (watched.snapshots.length < 2) continue;
      items.push({kind: "stats", snapshots: watched.snapshots});
      watched.snapshots = watched.snapshots.slice(-1); // the next span begins where this one ends
    }
    if (items.length === 0) return;
    const {app, domains} = this.#given;
    this.#batches.push({batch: crypto.randomUUID(), made_at: now(), app, domains, items});
    if (this.#batches.length > BATCHES_MAX) this.#batches.shift();
  }

  async #sendAll() {
    while (this.#batches.length > 0) {
      const batch = this.#batches[0];
      if (!await this.#post(batch, false)) return;
      this.#batches = this.#batches.filter((other) => other !== batch);
    }
  }

  // True where the batch is done with: taken (204), or one that nobody will ever take (413 and other 4xx).
  async #post(batch, keepalive) {
    try {
      const answer = await fetch(this.#given.url, {
        method: "POST",
        keepalive,
        headers: {Authorization: `Bearer ${await this.#given.token()}`, "Content-Type": "application/json"},
        body: JSON.stringify({...batch, sent_at: now()}),
      });
      return answer.ok || (answer.status < 500 && ![401, 403, 404, 408, 429].includes(answer.status));
    } catch {
      return false; // no network: that is what it is for, so it is kept
    }
  }
}

const stateOfTrack = (track) => (track.readyState === "ended" ? "ended" : track.muted ? "muted" : "live");

function reportsOf(found, peer, {sender, stateOf, isScreen}) {
  const tracks = new Map(peer.getReceivers().map(({track}) => [track.id, track]));
  const reports = [];
  for (const report of found.values()) {
    const fields = FIELDS[report.type];
    if (fields === undefined || (report.type === "candidate-pair" && !report.nominated)) continue;
    const kept = Object.fromEntries(fields.filter((name) => name in report).map((name) => [name, report[name]]));
    const track = tracks.get(report.trackIdentifier);
    if (report.type === "inbound-rtp" && track !== undefined) {
      Object.assign(kept, {track: stateOf(track), stream: sender, screen: isScreen(track)});
    }
    reports.push(kept);
  }
  return reports;
}
