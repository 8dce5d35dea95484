# thinstate behind Varnish 6.0 LTS or newer: save this as /etc/varnish/default.vcl, and set TRUSTED_PROXIES=127.0.0.1. Varnish has no TLS:
# hitch comes before it (hitch.conf). What else it has to be started with is in varnish.service.conf.

vcl 4.1;

import std;
import vtc;

backend thinstate {
  .host = "127.0.0.1";
  .port = "8080";
  .first_byte_timeout = 75s; # longer than PARK_MS
  .between_bytes_timeout = 75s;
}

backend site {
  .host = "127.0.0.1";
  .port = "3000";
}

sub vcl_recv {
  if (local.socket == "http") {
    return (synth(301));
  }

  # A name of its own: wss://ws.example.com/chat is the route /chat. At a path of the main site: wss://example.com/ws/chat is it.
  if (req.restarts == 0) {
    unset req.http.X-Knock;
    set req.backend_hint = site;
    if (req.http.Host ~ "(?i)^ws\.example\.com(:\d+)?$") {
      set req.backend_hint = thinstate;
    } elseif (req.url ~ "^/ws/") {
      set req.url = regsub(req.url, "^/ws", "");
      set req.backend_hint = thinstate;
    }
  }
  if (req.backend_hint != thinstate) {
    return (hash);
  }

  # Varnish itself adds the client's address to X-Forwarded-For.
  set req.http.X-Forwarded-Host = req.http.Host;
  set req.http.X-Forwarded-Proto = "https";
  unset req.http.Forwarded;
  if (req.http.Upgrade ~ "(?i)^websocket$") {
    # What is piped cannot be tried again. So there has to be an answer, whichever, before.
    if (req.restarts > 0) {
      unset req.http.X-Knock;
      return (pipe);
    }
    set req.http.X-Knock = "yes";
  }
  return (pass);
}

sub vcl_pipe {
  set bereq.http.Upgrade = req.http.Upgrade;
  set bereq.http.Connection = "Upgrade";
}

sub vcl_backend_fetch {
  if (bereq.http.X-Knock) {
    unset bereq.http.Origin;
    set bereq.method = "HEAD";
    set bereq.url = "/.well-known/knock";
  }
  # A connection that is kept may lead to a gateway that ends.
  if (bereq.backend == thinstate) {
    set bereq.http.Connection = "close";
  }
}

sub vcl_backend_error {
  # While a gateway restarts, clients wait: -p max_retries says how often. What changes something is not sent twice.
  if (bereq.backend == thinstate && (bereq.method == "GET" || bereq.method == "HEAD")) {
    vtc.sleep(0.5s);
    return (retry);
  }
}

sub vcl_deliver {
  if (req.http.X-Knock && req.restarts == 0 && resp.status != 503) {
    return (restart);
  }
}

sub vcl_synth {
  if (resp.status == 301) {
    set resp.http.Location = "https://" + req.http.Host + req.url;
    return (deliver);
  }
}
