"use strict";

const element = (id) => document.getElementById(id);

async function ask(path) {
  const answer = await fetch(path);
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.error);
  return body;
}

async function show() {
  const { version } = await ask("/api/version");
  element("version").textContent = version;
  const { items, hits } = await ask("/api/items");
  element("items").replaceChildren(
    ...items.map(({ name, price }) => {
      const line = document.createElement("li");
      line.textContent = price === undefined ? name : `${name}: ${price}`;
      return line;
    }),
  );
  element("state").textContent = `Asked ${hits} times`;
}

show().catch((error) => { element("state").textContent = error.message; });
