// AutobahnJS, as npm has it for browsers.

import { client, hears, name, opened, transports } from "./client.js";

const connection = new globalThis.autobahn.Connection({
  url: new URL("/wamp", location.href.replace(/^http/, "ws")).href,
  realm: "realm1",
  ...(transports?.includes("msgpack") && { serializers: [new globalThis.autobahn.serializer.MsgpackSerializer()] }),
  max_retries: -1,
  initial_retry_delay: 0.05,
  max_retry_delay: 0.5,
});

client.say = async (number) => {
  const { session } = connection;
  const [double] = await Promise.all([
    session.call("com.server.double", [number]),
    session.publish("com.example.said", [name, number], {}, { acknowledge: true, exclude_me: false }),
  ]);
  if (double !== number * 2) client.wrong.push(`${double} for ${number}`);
};

connection.onopen = async (session, { transport }) => {
  await session.subscribe("com.example.said", ([who, number]) => hears(who, number));
  opened(transport.protocol);
};
connection.onclose = (reason) => {
  if (client.opens > client.closes.length) client.closes.push(reason);
  return false;
};
connection.open();
