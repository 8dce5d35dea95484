// What Prometheus would read of a gateway: the text format, parsed as strictly as we write it.
// Source: https://prometheus.io/docs/instrumenting/exposition_formats/

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export class Exposition {
  /** By metric: counter, gauge or histogram. */
  readonly types = new Map<string, string>();
  readonly samples: Sample[] = [];

  /** @throws where a line is neither a comment nor a sample, or a sample's metric has no type. */
  constructor(text: string) {
    for (const line of text.split("\n").filter((each) => each !== "")) {
      const [, name = "", type = ""] = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(line) ?? [];
      if (name !== "") {
        if (this.types.has(name)) throw new Error(`${name} is there twice`);
        this.types.set(name, type);
      } else if (!/^# HELP \S+ \S/.test(line)) this.samples.push(parseSample(line));
    }
    const series = new Set(this.seriesNames);
    for (const { name } of this.samples) if (!series.has(name)) throw new Error(`${name} has no type`);
  }

  /** @param path `/metrics` or `/metrics/workers`. */
  static async of(adminPort: number | undefined, path: string): Promise<Exposition> {
    const response = await fetch(`http://127.0.0.1:${adminPort}${path}`);
    const type = response.headers.get("content-type");
    if (response.status !== 200 || type !== "text/plain; version=0.0.4; charset=utf-8") throw new Error(`${response.status} ${type}`);
    return new Exposition(await response.text());
  }

  /** What a query may ask for. */
  get seriesNames(): string[] {
    return [...this.types].flatMap(([name, type]) =>
      type === "histogram" ? ["_bucket", "_sum", "_count"].map((end) => `${name}${end}`) : [name],
    );
  }

  having(name: string, labels: Readonly<Record<string, string>> = {}): Sample[] {
    if (!this.seriesNames.includes(name)) throw new Error(`there is no ${name}`);
    return this.samples.filter(
      (sample) => sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
    );
  }

  /** The sum of all samples that have these labels. */
  sum(name: string, labels: Readonly<Record<string, string>> = {}): number {
    return this.having(name, labels).reduce((sum, { value }) => sum + value, 0);
  }
}

function parseSample(line: string): Sample {
  const [, name = "", list = "", value = ""] = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
  if (name === "" || Number.isNaN(Number(value))) throw new Error(`no sample: ${line}`);
  const labels = [...list.matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/g)].map(([, label, text]) => [label, text] as const);
  return { name, labels: Object.fromEntries(labels), value: Number(value) };
}
