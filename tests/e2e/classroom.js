// One person of a class in a Janus video room, in a browser. The test calls what stands on `window.person`.

import {Beacon} from "./client.js";

const PLUGIN = "janus.plugin.videoroom";
const REPLY_MS_MAX = 20_000;

class Person {
  #api; #room; #session; #opaqueId; #handles = new Map(); #beacon; #gone = new AbortController();

  // opaqueId names the learner to Janus; `/send` is added to the handle that only sends where sendsApart is true.
  constructor({api, room, opaqueId, sendsApart, beacon}) {
    this.#api = api;
    this.#room = room;
    this.#opaqueId = (isSending) => (isSending && sendsApart ? `${opaqueId}/send` : opaqueId);
    this.#beacon = new Beacon(beacon);
  }

  async enter() {
    this.#beacon.attempted();
    const made = await this.#post(this.#api, {janus: "create"});
    this.#session = `${this.#api}/${made.data.id}`;
    this.#listen();
  }

  // Send the fake camera and microphone; answers the number of the feed.
  async publish() {
    const media = await navigator.mediaDevices.getUserMedia({
      audio: true, video: {width: 320, height: 180, frameRate: 15},
    });
    const handle = await this.#attach(true);
    const wanted = {request: "join", ptype: "publisher", room: this.#room};
    const joined = await this.#ask(handle, wanted, "joined");
    media.getTracks().forEach((track) => handle.peer.addTrack(track, media));
    await handle.peer.setLocalDescription(await handle.peer.createOffer());
    await gathered(handle.peer);
    const answer = await this.#ask(handle, {request: "configure"}, "event", handle.peer.localDescription);
    await handle.peer.setRemoteDescription(answer.jsep);
    await connected(handle.peer);
    return joined.plugindata.data.id;
  }

  // Receive one feed, and measure it where it is what this person came for.
  async subscribe(feed) {
    const handle = await this.#attach(false);
    handle.peer.ontrack = ({streams}) => { document.getElementById("teacher").srcObject = streams[0]; };
    const wanted = {request: "join", ptype: "subscriber", room: this.#room, streams: [{feed}]};
    const offer = await this.#ask(handle, wanted, "attached");
    await handle.peer.setRemoteDescription(offer.jsep);
    await handle.peer.setLocalDescription(await handle.peer.createAnswer());
    await gathered(handle.peer);
    await this.#ask(handle, {request: "start"}, "event", handle.peer.localDescription);
    await connected(handle.peer);
    this.#beacon.joined();
    this.#beacon.watch(handle.peer, {sender: String(feed)});
  }

  async leave() {
    this.#beacon.left("LEAVE");
    for (const handle of this.#handles.values()) handle.peer.close();
    this.#gone.abort();
    await this.#post(this.#session, {janus: "destroy"});
    await this.#beacon.close();
  }

  async #attach(isSending) {
    const wanted = {janus: "attach", plugin: PLUGIN, opaque_id: this.#opaqueId(isSending)};
    const {data: {id}} = await this.#post(this.#session, wanted);
    const handle = {url: `${this.#session}/${id}`, peer: new RTCPeerConnection({iceServers: []}), waiting: []};
    this.#handles.set(id, handle);
    return handle;
  }

  async #listen() {
    const {signal} = this.#gone;
    while (!signal.aborted) {
      const messages = await fetch(`${this.#session}?maxev=10`, {signal}).then((answer) => answer.json(), () => []);
      for (const message of messages) {
        const handle = this.#handles.get(message.sender);
        const data = message.plugindata?.data;
        if (handle === undefined || data === undefined) continue;
        const isNews = data.videoroom === "event" && "publishers" in data;
        if (!isNews) handle.waiting.shift()?.(message);
      }
    }
  }

  async #ask(handle, body, wanted, jsep) {
    const reply = new Promise((resolve, reject) => {
      handle.waiting.push(resolve);
      setTimeout(() => reject(new Error(`Janus did not answer ${body.request}`)), REPLY_MS_MAX);
    });
    await this.#post(handle.url, {janus: "message", body, ...(jsep && {jsep})});
    const message = await reply;
    if (message.plugindata.data.videoroom !== wanted) throw new Error(JSON.stringify(message.plugindata.data));
    return message;
  }

  async #post(url, message) {
    const named = {...message, transaction: crypto.randomUUID()};
    const answer = await (await fetch(url, {method: "POST", body: JSON.stringify(named)})).json();
    if (answer.janus === "error") throw new Error(JSON.stringify(answer));
    return answer;
  }
}

async function gathered(peer) {
  while (peer.iceGatheringState !== "complete") await change(peer, "icegatheringstatechange");
}

async function connected(peer) {
  while (peer.connectionState !== "connected") {
    if (peer.connectionState === "failed") throw new Error("the connection failed");
    await change(peer, "connectionstatechange");
  }
}

const change = (target, name) => new Promise((resolve) => target.addEventListener(name, resolve, {once: true}));

window.meet = (given) => { window.person = new Person(given); };
