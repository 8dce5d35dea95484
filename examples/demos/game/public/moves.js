// Where this player is: pointer, touch, or arrow keys.

/** Of the field's width, in a second. */
const keySpeed = 0.35;
const directions = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Moves {
  /** 0 to 1; undefined until the first move. */
  x;
  y;
  /** Arrow keys that are down. */
  keys = new Set();

  /** @param home What has the keyboard's focus, with the canvas in it. */
  constructor(home, canvas, onMove) {
    this.onMove = onMove;
    for (const kind of ["pointerdown", "pointermove"]) {
      canvas.addEventListener(kind, ({ offsetX, offsetY }) => this.go(offsetX / canvas.clientWidth, offsetY / canvas.clientHeight));
    }
    home.addEventListener("keydown", (event) => {
      if (!(event.key in directions)) return;
      event.preventDefault();
      const isFirst = this.keys.size === 0;
      this.keys.add(event.key);
      if (isFirst) requestAnimationFrame((now) => this.step(now, now));
    });
    home.addEventListener("keyup", ({ key }) => this.keys.delete(key));
    home.addEventListener("blur", () => this.keys.clear());
  }

  step(before, now) {
    const distance = (keySpeed * (now - before)) / 1000;
    for (const key of this.keys) {
      const [right, down] = directions[key];
      // The field is twice as wide as it is high.
      this.go((this.x ?? 0.5) + right * distance, (this.y ?? 0.5) + 2 * down * distance);
    }
    if (this.keys.size > 0) requestAnimationFrame((next) => this.step(now, next));
  }

  go(x, y) {
    this.x = rounded(x);
    this.y = rounded(y);
    this.onMove();
  }
}

function rounded(share) {
  return Number(Math.min(1, Math.max(0, share)).toFixed(4));
}
