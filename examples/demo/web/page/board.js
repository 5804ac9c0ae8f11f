// The notice board: notices are keys of etcd, and NATS tells every open page that there is a new one.
"use strict";

const PREFIX = "notice/";
const PREFIX_END = "notice0"; // the first key after all that begin with the prefix
const SUBJECT = "notices";

const encode = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));
const decode = (data) => new TextDecoder().decode(Uint8Array.from(atob(data), (c) => c.charCodeAt(0)));
const element = (id) => document.getElementById(id);

async function call(path, body) {
  const answer = await fetch(path, { method: "POST", body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
  return answer.json();
}

async function show() {
  const { kvs = [] } = await call("api/notices/list", { key: encode(PREFIX), range_end: encode(PREFIX_END) });
  const items = kvs.reverse().map(({ key, value }) => {
    const item = document.createElement("li");
    item.textContent = decode(value);
    const pinned = new Date(Number(decode(key).slice(PREFIX.length)));
    if (pinned.getTime() > 0) {
      const when = document.createElement("time");
      when.dateTime = pinned.toISOString();
      when.textContent = pinned.toLocaleString();
      item.append(when);
    }
    return item;
  });
  element("notices").replaceChildren(...items);
}

function listen() {
  const socket = new WebSocket(new URL("api/live", location.href).href.replace(/^http/, "ws"));
  socket.binaryType = "arraybuffer";
  const send = (line) => socket.send(new TextEncoder().encode(line));
  socket.onopen = () => {
    send(`CONNECT {"verbose":false,"pedantic":false,"lang":"js","version":"1.0.0","protocol":1}\r\nSUB ${SUBJECT} 1\r\n`);
    element("state").textContent = "Live";
  };
  socket.onmessage = ({ data }) => {
    const text = new TextDecoder().decode(data);
    if (text.includes("PING\r\n")) send("PONG\r\n");
    if (text.includes(`MSG ${SUBJECT} `)) show();
  };
  socket.onclose = () => {
    element("state").textContent = "Not connected; trying again";
    setTimeout(() => location.reload(), 3000);
  };
  return () => send(`PUB ${SUBJECT} 0\r\n\r\n`);
}

async function begin() {
  const { title } = await (await fetch("settings.json")).json();
  element("title").textContent = document.title = title;
  await show();
  const announce = listen();
  element("new").onsubmit = async (event) => {
    event.preventDefault();
    const key = PREFIX + String(Date.now()).padStart(15, "0");
    await call("api/notices/put", { key: encode(key), value: encode(element("text").value) });
    element("new").reset();
    announce();
  };
}

begin().catch((error) => { element("state").textContent = error.message; });
