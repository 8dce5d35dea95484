// Draws the field: tiles in the colours of their owners, and a pointer with a name for each player.

const dot = 6;

export class Board {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
  }

  /** @param me `{ name, x, y }`, drawn on top. */
  draw(field, cursors, me) {
    const { canvas, context } = this;
    const { clientWidth: width, clientHeight: height } = canvas;
    const scale = devicePixelRatio;
    if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
    }
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    const [tileWidth, tileHeight] = [width / field.columns, height / field.rows];
    for (const [tile, name] of field.owners()) {
      context.fillStyle = colourOf(name);
      const [column, row] = [tile % field.columns, Math.floor(tile / field.columns)];
      context.fillRect(column * tileWidth + 1, row * tileHeight + 1, tileWidth - 2, tileHeight - 2);
    }
    const style = getComputedStyle(canvas);
    context.font = `13px ${style.fontFamily}`;
    const colours = { text: style.getPropertyValue("--text"), back: style.getPropertyValue("--panel") };
    for (const cursor of cursors) this.drawPlayer(cursor, { width, height, ...colours });
    if (me.x !== undefined) this.drawPlayer({ ...me, name: `${me.name} (you)` }, { width, height, ...colours });
  }

  drawPlayer({ name, x, y }, { width, height, text, back }) {
    const { context } = this;
    const [left, top] = [x * width, y * height];
    context.beginPath();
    context.arc(left, top, dot, 0, 2 * Math.PI);
    context.fillStyle = text;
    context.strokeStyle = back;
    context.lineWidth = 2;
    context.fill();
    context.stroke();
    // Beside the dot, on whichever side there is room.
    const label = name.length > 18 ? `${name.slice(0, 17)}…` : name;
    const room = context.measureText(label).width + dot + 4;
    const at = left + room > width ? left - room : left + dot + 4;
    const base = Math.min(Math.max(top + 4, 13), height - 5);
    context.lineWidth = 3;
    context.strokeText(label, at, base);
    context.fillText(label, at, base);
  }
}

/** The same on every page. */
export function colourOf(name) {
  let hash = 0;
  for (const character of name) hash = (hash * 31 + character.codePointAt(0)) % 9973;
  // Bots' names differ in a digit: far apart on the circle all the same.
  return `hsl(${Math.round((hash * 137.5) % 360)} 60% 55%)`;
}
