// The page of the game: sends where this player is, 30 times a second, and draws what it has heard, once a frame.

import { connect, myName } from "/site/demo.js";
import { Board, colourOf } from "./board.js";
import { Field } from "./field.js";
import { Moves } from "./moves.js";

const sendMs = 1000 / 30;
/** Who stands still says so now and then, for those who come later. */
const stillMs = 1000;
const scoreMs = 500;
const scoresShown = 8;

const name = myName();
const home = document.getElementById("field");
const canvas = home.querySelector("canvas");
const bots = document.getElementById("bots");
const field = new Field();
const board = new Board(canvas);
const moves = new Moves(home, canvas, drawSoon);
let isDue = false;
let sent = { n: 0, x: undefined, y: undefined, at: 0 };

const socket = connect(`field?${new URLSearchParams({ name })}`, {
  onOpen: askForBots,
  onMessage(message) {
    if (message.field !== undefined) field.begin(message.field);
    else if (message.tile !== undefined) field.take(message);
    else if (message.left !== undefined) field.leave(message.left);
    else if (message.id !== undefined) field.move(message, Date.now());
    drawSoon();
  },
});

bots.addEventListener("change", askForBots);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawSoon);
new ResizeObserver(drawSoon).observe(canvas);
setInterval(sendPlace, sendMs);
setInterval(showScores, scoreMs);

function askForBots() {
  socket.send({ type: "bots", areWanted: bots.checked });
}

/** The newest place, if it is new: those in between are of no use to anybody. */
function sendPlace() {
  const { x, y } = moves;
  const now = Date.now();
  if (x === undefined || (x === sent.x && y === sent.y && now - sent.at < stillMs)) return;
  const n = sent.n + 1;
  if (socket.send({ type: "move", n, x, y })) sent = { n, x, y, at: now };
}

function drawSoon() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    board.draw(field, field.cursors(Date.now()), { name, x: moves.x, y: moves.y });
  });
}

function showScores() {
  const rows = field.scores().slice(0, scoresShown);
  const items = rows.map(([player, tiles]) => {
    const [item, swatch, who, count] = ["li", "i", "bdi", "b"].map((tag) => document.createElement(tag));
    swatch.style.background = colourOf(player);
    who.textContent = player;
    count.textContent = String(tiles);
    item.append(swatch, who, count);
    return item;
  });
  document.getElementById("scores").replaceChildren(...items);
  document.getElementById("players").textContent = String(field.cursors(Date.now()).length + (moves.x === undefined ? 0 : 1));
  drawSoon();
}
