// How each proxy is started with its file in docs/proxies: exactly that file, with other ports, certificates and time-outs.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";

export interface Places {
  /** For everything that it writes. */
  readonly folder: string;
  /** The certificate, its key, and both in one file, in PEM. */
  readonly cert: string;
  readonly key: string;
  readonly pem: string;
  /** Where clients come to, in clear and with TLS; one more for what the file needs within. */
  readonly http: number;
  readonly https: number;
  readonly inner: number;
  readonly gateway: number;
  readonly site: number;
  /** After which a connection on which nothing moves is closed. */
  readonly idleSeconds: number;
}

export interface Kind {
  readonly name: string;
  /** Debian's. */
  readonly packages: readonly string[];
  readonly programs: readonly string[];
  /** What may happen, once each, to somebody who comes in the milliseconds in which the only gateway ends. */
  readonly forgiven?: readonly string[];
  /** @returns what to run, each in the foreground. */
  readonly prepare: (places: Places) => ReadonlyArray<readonly string[]>;
}

const configurations = join(import.meta.dirname, "..", "..", "docs", "proxies");

/** @throws where the file does not have one of these: it would be tested with what it has. */
function adapted(name: string, replacements: ReadonlyArray<readonly [from: string, to: string]>): string {
  let text = readFileSync(join(configurations, name), "utf8");
  for (const [from, to] of replacements) {
    if (!text.includes(from)) throw new Error(`docs/proxies/${name} does not have ${from}`);
    text = text.replaceAll(from, to);
  }
  return text;
}

function written(folder: string, name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

const upstreams = ({ gateway, site }: Places) =>
  [
    ["127.0.0.1:8080", `127.0.0.1:${gateway}`],
    ["127.0.0.1:3000", `127.0.0.1:${site}`],
  ] as const;

const inTwoFiles = ({ cert, key }: Places) =>
  [
    ["/etc/ssl/example.com.pem", cert],
    ["/etc/ssl/example.com.key", key],
  ] as const;

/** A gateway that has just begun to end answers so to whom it had accepted before. nginx alone tries again then. */
const restarts = ["Unexpected server response: 503", "answered with 503"];

const nginx: Kind = {
  name: "nginx",
  packages: ["nginx-light"],
  programs: ["nginx"],
  prepare(places) {
    const { folder, http, https, inner, idleSeconds } = places;
    const site = adapted("nginx.conf", [
      ...upstreams(places),
      ...inTwoFiles(places),
      ["listen 80;", `listen 127.0.0.1:${http};`],
      ["listen 443 ssl;", `listen 127.0.0.1:${https} ssl;`],
      ["127.0.0.1:8079", `127.0.0.1:${inner}`],
      ["75s", `${idleSeconds}s`],
      ["client_max_body_size 1m;", "client_max_body_size 2m;"],
    ]);
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${folder}/${name};`);
    // What Debian's nginx.conf has around it.
    const main = [
      "daemon off; user root; pid nginx.pid; error_log stderr warn; worker_processes 1; events { worker_connections 1024; }",
      `http { access_log off; ${temporary.join(" ")} include ${written(folder, "thinstate.conf", site)}; }`,
    ];
    return [["nginx", "-p", folder, "-e", "stderr", "-c", written(folder, "nginx.conf", main.join("\n"))]];
  },
};

const haproxy: Kind = {
  name: "HAProxy",
  packages: ["haproxy"],
  programs: ["haproxy"],
  forgiven: restarts,
  prepare(places) {
    const { folder, pem, http, https, idleSeconds } = places;
    const text = adapted("haproxy.cfg", [
      ...upstreams(places),
      ["/etc/ssl/example.com.pem", pem],
      ["bind :80", `bind 127.0.0.1:${http}`],
      ["bind :443", `bind 127.0.0.1:${https}`],
      ["75s", `${idleSeconds}s`],
    ]);
    return [["haproxy", "-db", "-f", written(folder, "haproxy.cfg", text)]];
  },
};

/** Where Debian has them. */
const apacheModules = "/usr/lib/apache2/modules";

/** @param more directives of the server. */
function apache(name: string, file: string, more = ""): Kind {
  return {
    name,
    packages: ["apache2"],
    programs: ["apache2"],
    forgiven: restarts,
    prepare(places) {
      const { folder, http, https, inner, idleSeconds } = places;
      const text = adapted(file, [
        ...upstreams(places),
        ...inTwoFiles(places),
        ["127.0.0.1:8079", `127.0.0.1:${inner}`],
        ["*:80", `127.0.0.1:${http}`],
        ["*:443", `127.0.0.1:${https}`],
        ["timeout=75", `timeout=${idleSeconds}`],
      ]);
      const enabled = /^# a2enmod (.*)$/m.exec(text)?.[1]?.split(" ") ?? [];
      // What Debian's apache2.conf and its usual modules have around it.
      const modules = ["mpm_event", "authz_core", "alias", "socache_shmcb", ...enabled].filter((module) =>
        existsSync(`${apacheModules}/mod_${module}.so`),
      );
      const main = [
        ...modules.map((module) => `LoadModule ${module}_module ${apacheModules}/mod_${module}.so`),
        `ServerName localhost\nServerRoot ${folder}\nDefaultRuntimeDir ${folder}\nPidFile ${folder}/pid\nErrorLog "|$cat >&2"\nLogLevel warn`,
        // Of this and the worker's, the longer one counts for a WebSocket.
        `Timeout ${idleSeconds}`,
        `Listen 127.0.0.1:${http}\nListen 127.0.0.1:${https}`,
        `User www-data\nGroup www-data\n${more}\nInclude ${written(folder, "thinstate.conf", text)}`,
      ];
      return [["apache2", "-DFOREGROUND", "-f", written(folder, "apache2.conf", `${main.join("\n")}\n`)]];
    },
  };
}

const caddy: Kind = {
  name: "Caddy",
  packages: ["caddy"],
  programs: ["caddy"],
  forgiven: restarts,
  prepare(places) {
    const { folder, http, https } = places;
    const site = adapted("Caddyfile", [...upstreams(places), ...inTwoFiles(places)]);
    const options = `{\n\tadmin off\n\thttp_port ${http}\n\thttps_port ${https}\n\tdefault_bind 127.0.0.1\n\tstorage file_system ${folder}\n}\n`;
    return [["caddy", "run", "--adapter", "caddyfile", "--config", written(folder, "Caddyfile", options + site)]];
  },
};

const varnish: Kind = {
  name: "Varnish",
  packages: ["varnish", "hitch"],
  programs: ["varnishd", "hitch"],
  // The gateway may end between the request that asks whether it is there and the one that is piped.
  forgiven: [...restarts, "socket hang up"],
  prepare(places) {
    const { folder, pem, http, https, inner, gateway, site, idleSeconds } = places;
    const vcl = adapted("varnish.vcl", [
      ['.port = "8080"', `.port = "${gateway}"`],
      ['.port = "3000"', `.port = "${site}"`],
      ["75s", `${idleSeconds}s`],
    ]);
    const service = adapted("varnish.service.conf", [
      ["/etc/varnish/default.vcl", written(folder, "default.vcl", vcl)],
      [":80 ", `127.0.0.1:${http} `],
      ["127.0.0.1:8443", `127.0.0.1:${inner}`],
      ["pipe_timeout=75", `pipe_timeout=${idleSeconds}`],
    ]);
    const hitch = adapted("hitch.conf", [
      ['"[*]:443"', `"[127.0.0.1]:${https}"`],
      ["[127.0.0.1]:8443", `[127.0.0.1]:${inner}`],
      ["/etc/ssl/example.com.pem", pem],
      ['user = "_hitch"', `user = "${process.getuid?.() === 0 ? "nobody" : userInfo().username}"`],
    ]);
    const command = /^ExecStart=(\S+.*)$/m.exec(service)?.[1]?.split(" ") ?? [];
    mkdirSync(join(folder, "work"));
    return [
      [...command, "-n", join(folder, "work"), "-j", "none"],
      ["hitch", "--config", written(folder, "hitch.conf", hitch)],
    ];
  },
};

export const kinds: readonly Kind[] = [
  nginx,
  haproxy,
  apache("Apache", "apache.conf"),
  // Else mod_proxy_http would do it here, too.
  apache("Apache with mod_proxy_wstunnel", "apache-wstunnel.conf", "ProxyWebsocketFallbackToProxyHttp Off"),
  caddy,
  varnish,
];

/** @returns the packages that this machine lacks for it. */
export function missingFor({ packages, programs }: Kind): readonly string[] {
  const isThere = (program: string) => {
    try {
      execFileSync("which", [program], { stdio: "ignore" });
      return true;
    } catch {
      return false;
    }
  };
  return programs.every(isThere) ? [] : packages;
}
