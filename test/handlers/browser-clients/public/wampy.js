// Wampy.js, as npm has it for browsers.

import { client, hears, name, opened } from "./client.js";

const topic = "com.example.wampy";

const session = new globalThis.Wampy(new URL("/wamp", location.href.replace(/^http/, "ws")).href, {
  realm: "realm1",
  autoReconnect: true,
  reconnectInterval: 50,
  // Without end.
  maxRetries: 0,
  onReconnect: () => {
    // Others are attempts that have failed.
    if (client.opens > client.closes.length) client.closes.push("lost");
  },
  onReconnectSuccess: () => void ready(),
});

client.say = async (number) => {
  const [{ argsList }] = await Promise.all([double(number), session.publish(topic, [name, number])]);
  if (argsList[0] !== number * 2) client.wrong.push(`${argsList[0]} for ${number}`);
};

session
  .connect()
  .then(() => session.subscribe(topic, ({ argsList: [who, number] }) => hears(who, number)))
  .then(() => opened("websocket"));

function double(number) {
  return session.call("com.server.double", [number]);
}

/** It subscribes again by itself, right after it has told that it is back: between these two calls, and so before the second one's answer. */
async function ready() {
  await double(0);
  await double(0);
  opened("websocket");
}
