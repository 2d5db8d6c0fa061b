import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { basic, type App } from '../support/app.ts';
import { eventually } from '../support/eventually.ts';
import { startStack, type Stack } from '../support/stack.ts';

let stack: Stack;
let app: App;
const webhookSecret = `whsec_${randomBytes(16).toString('hex')}`;
const guess = ['sk', 'test', 'guessThatMustNotBeLogged42'].join('_');

beforeAll(async () => {
  stack = await startStack(inject('image'));
  app = await stack.startDownloaded({ env: { STRIPE_WEBHOOK_SECRET: webhookSecret, LOG_LEVEL: 'trace' } });
  // Requests of every kind, so that whatever logs them has had its chance.
  await app.get('/stripe');
  await app.anonymous('/stripe', { headers: { authorization: basic(guess) } });
  await app.anonymous(`/stripe?key=${guess}`, { headers: { authorization: `Bearer ${guess}` } });
  await app.anonymous('/tdog/webhook', {
    method: 'POST',
    headers: { 'stripe-signature': guess },
    body: '{}',
  });
});

afterAll(async () => stack?.[Symbol.asyncDispose]());

interface Process {
  readonly pid: number;
  readonly uids: string;
  readonly noNewPrivs: string;
  readonly capabilities: string;
  readonly commandLine: string;
}

/** What only the shells have on their command line that do the reading. */
const reader = 'e2e-reader';

/** Every process of the container but those that read this. */
async function processes(): Promise<readonly Process[]> {
  const script = `: ${reader}
  for dir in /proc/[0-9]*; do
    line=$(tr '\\0\\n' '  ' < $dir/cmdline 2> /dev/null) || continue
    status=$(cat $dir/status 2> /dev/null) || continue
    field() { printf '%s\\n' "$status" | sed -n "s/^$1:[[:space:]]*//p" | tr '\\t' ' '; }
    echo "\${dir#/proc/}|$(field Uid)|$(field NoNewPrivs)|$(field CapEff)|$line"
  done`;
  const lines = (await app.exec(script)).trim().split('\n');
  return lines
    .filter((line) => !line.includes(reader))
    .map((line) => line.split('|'))
    .map(([pid, uids = '', noNewPrivs = '', capabilities = '', ...rest]) => ({
      pid: Number(pid),
      uids,
      noNewPrivs,
      capabilities,
      commandLine: rest.join('|').trim(),
    }));
}

test('tini is PID 1, and nothing runs as root or can become it', async () => {
  const all = await processes();
  expect(all.find(({ pid }) => pid === 1)?.commandLine).toMatch(/^tini /);
  expect(all.length).toBeGreaterThan(3);
  for (const process of all) {
    expect(process).toMatchObject({
      uids: '1000 1000 1000 1000',
      noNewPrivs: '1',
      capabilities: '0000000000000000',
    });
  }
});

test("Docker's health check passes, fails when nobody listens, and gives up root first", async () => {
  await eventually('healthy', async () => (await app.exec('healthcheck && echo ok')) === 'ok\n' || undefined);
  expect(await app.exec('PORT=1 healthcheck || echo $?')).toBe('1\n');
  expect(await app.exec('bash -x /usr/local/bin/healthcheck 2>&1')).toContain(
    'exec setpriv --reuid=datasette',
  );
});

test('no key on a command line', async () => {
  for (const { commandLine } of await processes()) {
    expect(commandLine).not.toContain(stack.stripe.key);
    expect(commandLine).not.toContain(webhookSecret);
  }
});

test("no key in any environment but that of main, and nothing of Stripe's in Datasette's", async () => {
  // Docker itself gave the environment to tini and main; the engine is told the key by its parent.
  for (const { pid, commandLine } of await processes()) {
    const environment = await app.exec(`tr '\\0' '\\n' < /proc/${pid}/environ 2> /dev/null; true`);
    if (!/tini|main\.js|engine/.test(commandLine)) expect(environment).not.toContain(stack.stripe.key);
    if (/datasette serve/.test(commandLine)) expect(environment).not.toMatch(/STRIPE|whsec_|sk_test/);
  }
  const all = await processes();
  expect(all.filter(({ commandLine }) => commandLine.includes('datasette serve'))).not.toEqual([]);
});

test('no key, guess or secret in the logs, nor anywhere in the data folder', async () => {
  const logs = await app.logs();
  expect(logs.length).toBeGreaterThan(0);
  for (const secret of [stack.stripe.key, webhookSecret, guess]) {
    expect(logs).not.toContain(secret);
    expect(await app.exec(`grep -rlaF -e '${secret}' /data /tmp /run 2> /dev/null; true`)).toBe('');
  }
  expect(await (await app.get('/tdog/cli_log.txt')).text()).not.toContain(stack.stripe.key);
});

test('the data folder is closed to others', async () => {
  const open = await app.exec("find /data -name '*secret*' -perm /077; find /data -type s -perm /177; true");
  expect(open).toBe('');
});

test('no compiler, package manager or shell server is in the image', async () => {
  const found = await app.exec(
    'for tool in gcc cc make npm npx pip pip3 git sshd; do command -v $tool; done; true',
  );
  expect(found).toBe('');
  expect(await app.exec('command -v sqlite3 htop')).toMatch(/sqlite3\n.*htop/);
});
