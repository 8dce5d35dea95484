<?php
// A plain page: it logs somebody in, takes her orders, and tells all her windows of them.

declare(strict_types=1);

require __DIR__ . '/../thinstate.php';

const LIFETIME = 12 * 60 * 60;
/** For this demo, everybody's password is "secret". */
const PASSWORDS = [
    'ada' => '$2y$10$uDCP2UvmTB7B4teFkdTIv.UqXJLS4czx8p.qO7pZUVhgMeXtfn9EC',
    'bob' => '$2y$10$uDCP2UvmTB7B4teFkdTIv.UqXJLS4czx8p.qO7pZUVhgMeXtfn9EC',
];

/** @param string $token empty: it ends. */
function show_to_gateway(string $token): void
{
    $expires = $token === '' ? 1 : time() + LIFETIME;
    setcookie('session', $token, ['expires' => $expires, 'path' => '/', 'httponly' => true, 'samesite' => 'Lax']);
}

function log_in(string $name, string $password): bool
{
    if (!password_verify($password, PASSWORDS[$name] ?? '')) {
        return false;
    }
    session_regenerate_id(true);
    $_SESSION['user'] = $name;
    show_to_gateway(thinstate_session($name, LIFETIME));
    return true;
}

function log_out(string $user): void
{
    show_to_gateway('');
    session_destroy();
    thinstate_call('/close-user', ['user' => $user, 'code' => 4401, 'reason' => 'logged out']);
}

session_set_cookie_params(['httponly' => true, 'samesite' => 'Lax']);
session_start();
$user = $_SESSION['user'] ?? null;
$problem = '';

if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    $do = $_POST['do'] ?? '';
    if ($do === 'log in' && !log_in((string) ($_POST['name'] ?? ''), (string) ($_POST['password'] ?? ''))) {
        http_response_code(401);
        $problem = 'There is nobody of that name and password.';
    } elseif ($do === 'order' && $user !== null) {
        thinstate_call('/send-to-user', ['user' => $user, 'data' => ['text' => 'You have ordered: ' . ($_POST['what'] ?? '')]]);
    } elseif ($do === 'log out' && $user !== null) {
        log_out($user);
    }
    if ($problem === '') {
        header('Location: /', true, 303);
        exit;
    }
}
?>
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Orders</title>
<?php if ($user === null) : ?>
<form method="post">
  <p><?= htmlspecialchars($problem) ?></p>
  <label>Name <input name="name" value="ada"></label>
  <label>Password <input name="password" type="password"></label>
  <button name="do" value="log in">Log in</button>
</form>
<?php else : ?>
<form method="post">
  <label>Order <input name="what" value="tea"></label>
  <button name="do" value="order">Order</button>
  <button name="do" value="log out">Log out</button>
</form>
<ul id="notices"></ul>
<script>
  const url = <?= json_encode(getenv('SOCKET_URL') ?: 'ws://127.0.0.1:8080/notices', JSON_HEX_TAG) ?>;
  function connect() {
    const socket = new WebSocket(url);
    socket.onmessage = ({ data }) => {
      const item = document.createElement("li");
      item.textContent = JSON.parse(data).text;
      document.querySelector("#notices").append(item);
    };
    // Logged out, here or in another window.
    socket.onclose = ({ code }) => (code === 4401 ? location.reload() : setTimeout(connect, 2000));
  }
  connect();
</script>
<?php endif; ?>
</html>
