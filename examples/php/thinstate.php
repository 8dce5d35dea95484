<?php
// What a page needs of thinstate: a session for the browser's WebSocket, and calls of the HTTP API. Without any library.

declare(strict_types=1);

/** The value of the cookie that the handler checks: a JSON Web Token (HS256), as docs/auth.md says. */
function thinstate_session(string $user, int $lifetime): string
{
    $encode = static fn (string $bytes): string => rtrim(strtr(base64_encode($bytes), '+/', '-_'), '=');
    $claims = ['iss' => 'thinstate:session', 'aud' => 'session', 'sub' => $user, 'iat' => time(), 'exp' => time() + $lifetime, 'claims' => (object) []];
    $token = $encode('{"alg":"HS256"}') . '.' . $encode(json_encode($claims, JSON_THROW_ON_ERROR));
    return $token . '.' . $encode(hash_hmac('sha256', $token, (string) getenv('SESSION_SECRET'), true));
}

/**
 * A call that is tried again with the same Idempotency-Key, so it is done once.
 *
 * @return array<string, mixed> the answer
 */
function thinstate_call(string $path, array $body): array
{
    $headers = [
        'Content-Type: application/json',
        'Authorization: Bearer ' . getenv('THINSTATE_KEY'),
        'Idempotency-Key: "' . bin2hex(random_bytes(16)) . '"',
    ];
    $content = json_encode($body, JSON_THROW_ON_ERROR);
    $options = ['method' => 'POST', 'header' => $headers, 'content' => $content, 'timeout' => 5, 'ignore_errors' => true];
    $url = (getenv('THINSTATE_URL') ?: 'http://127.0.0.1:8081') . $path;
    for ($try = 1; ; $try++) {
        $stream = @fopen($url, 'r', false, stream_context_create(['http' => $options]));
        $answer = $stream === false ? '' : (string) stream_get_contents($stream);
        // "HTTP/1.1 202 Accepted"
        $status = $stream === false ? 0 : (int) explode(' ', stream_get_meta_data($stream)['wrapper_data'][0])[1];
        if ($status === 202) {
            return json_decode($answer, true, 512, JSON_THROW_ON_ERROR);
        }
        // No answer, too many calls, or a gateway that is not there just now.
        if (!in_array($status, [0, 429, 503], true) || $try === 3) {
            throw new RuntimeException("thinstate: $path: $status $answer");
        }
        sleep(1);
    }
}
