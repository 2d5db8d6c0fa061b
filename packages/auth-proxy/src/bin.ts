import { readFileSync } from 'node:fs';
import { pino } from 'pino';
import { createAuthProxy } from './auth-proxy.ts';
import { HELP, readCommandLine } from './command-line.ts';
import { AuthProxyError } from './errors.ts';
import { listen } from './server.ts';

const LOG_FLUSH_MS = 250;
const LOG_BUFFER_CHARACTERS = 12_000;

/** Hands lines on in large pieces: pino's own buffer measures all that it holds at every line. */
function collectLines(to: ReturnType<typeof pino.destination>): {
  write(line: string): void;
  flush(): void;
  flushSync(): void;
} {
  let held = '';
  const flush = (): void => {
    if (held !== '') to.write(held);
    held = '';
  };
  return {
    write: (line) => {
      held += line;
      if (held.length >= LOG_BUFFER_CHARACTERS) flush();
    },
    flush,
    flushSync: () => {
      flush();
      to.flushSync();
    },
  };
}

async function main(): Promise<number> {
  const command = readCommandLine(process.argv.slice(2), process.env);
  if (command.action === 'help') {
    process.stdout.write(HELP);
    return 0;
  }
  if (command.action === 'version') {
    const manifest = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
    process.stdout.write(`${(JSON.parse(manifest) as { version: string }).version}\n`);
    return 0;
  }
  // Lines are written together, a few times a second: a system call per request costs a twentieth of the rate.
  const lines = collectLines(pino.destination({ sync: false }));
  const logger = pino({ level: command.logLevel }, lines);
  // Whatever ends the process: what was logged is written.
  process.once('exit', () => lines.flushSync());
  const flushing = setInterval(() => lines.flush(), LOG_FLUSH_MS).unref();
  await using proxy = createAuthProxy(command.options(logger));
  if (command.action === 'check') {
    process.stdout.write('The configuration is right.\n');
    return 0;
  }
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
  const server = await listen(proxy, command.listen);
  logger.info({ address: server.address }, 'listening');
  lines.flush();
  await stopped;
  await server.close();
  clearInterval(flushing);
  return 0;
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`datasette-auth-proxy: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(error instanceof AuthProxyError ? 2 : 1);
  },
);
