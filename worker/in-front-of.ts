// An object that stands in front of another one: it has whatever that has, also what later versions of it have, but for what a class that extends
// this says itself. `class Mine extends InFrontOf<Turn> { get app() { … } }`. Turns make such objects, so it costs no Proxy for each of them.

export class InFrontOf<Whole extends object> {
  readonly inner: Whole;

  constructor(inner: Whole) {
    this.inner = inner;
  }
}

// One Proxy stands behind the prototypes of all of them: only what they do not have themselves gets there.
Object.setPrototypeOf(
  InFrontOf.prototype,
  new Proxy(Object.prototype, {
    get(_, name, { inner }: InFrontOf<object>) {
      const value: unknown = Reflect.get(inner, name);
      // Its private fields are its own.
      return typeof value === "function" ? value.bind(inner) : value;
    },
  }),
);
