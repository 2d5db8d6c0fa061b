import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { copyDatabase, pullDatabase, SnapshotError, type PullOptions } from './index.ts';

const USAGE = `sqlite-snapshot copy SRC DEST [--overwrite] [--check]
    writes a consistent copy of a database that others are writing to

sqlite-snapshot pull URL FILE [--every SECONDS] [--key-file FILE] [--header 'Name: value']...
    fetches a served database, or what has changed since the last time

  --every SECONDS   keep the copy current until stopped
  --key-file FILE   send what the file holds as "Authorization: Bearer"
                    (or set SQLITE_SNAPSHOT_KEY; a key on the command line could be seen by others)
  --quiet           say nothing but errors
  --help, --version

Exit codes: 0 done, 1 failed, 2 usage`;

class UsageError extends Error {}

async function main(): Promise<void> {
  const { values, positionals } = parse();
  if (values.help) {
    console.log(USAGE);
    return;
  }
  if (values.version) {
    console.log(version());
    return;
  }
  const [command, from, to, ...rest] = positionals;
  if (from === undefined || to === undefined || rest.length > 0)
    throw new UsageError('give a source and a destination');
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      stop.abort(new Error(`stopped by ${signal}`));
    });
  }
  const say = values.quiet ? () => undefined : (text: string) => void console.log(text);
  if (command === 'copy') {
    const { overwrite, check } = values;
    const { bytes, sha256 } = await copyDatabase(from, to, { overwrite, check, signal: stop.signal });
    say(`${to}: ${String(bytes)} bytes, sha256 ${sha256}`);
  } else if (command === 'pull') {
    const headers = requestHeaders(values.header, values['key-file']);
    const every = values.every === undefined ? undefined : seconds(values.every);
    const show = values.quiet ? () => undefined : showProgress(to);
    await pull(from, to, headers, every, stop.signal, { say, show });
  } else {
    throw new UsageError(`there is no command ${String(command)}`);
  }
}

function parse(): {
  values: Record<'overwrite' | 'check' | 'quiet' | 'help' | 'version', boolean> & {
    every?: string | undefined;
    'key-file'?: string | undefined;
    header: string[];
  };
  positionals: string[];
} {
  const flag = { type: 'boolean', default: false } as const;
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        overwrite: flag,
        check: flag,
        quiet: flag,
        help: flag,
        version: flag,
        every: { type: 'string' },
        'key-file': { type: 'string' },
        header: { type: 'string', multiple: true, default: [] },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function version(): string {
  const manifest = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { readonly version: string }).version;
}

async function pull(
  url: string,
  file: string,
  headers: Record<string, string>,
  every: number | undefined,
  signal: AbortSignal,
  { say, show }: { say: (text: string) => void; show: Progress },
): Promise<void> {
  if (!URL.canParse(url)) throw new UsageError(`${url} is not a URL`);
  do {
    try {
      const { how, received, bytes } = await pullDatabase(url, file, { headers, signal, onProgress: show });
      if (how !== 'unchanged' || every === undefined)
        say(`${file}: ${how}, ${String(received)} of ${String(bytes)} bytes fetched`);
    } catch (error) {
      // Keeping current means to go on when the server is away for a while.
      if (every === undefined || signal.aborted) throw error;
      console.error(`sqlite-snapshot: ${error instanceof Error ? error.message : String(error)}`);
    }
    if (every !== undefined) await delay(every * 1000, undefined, { signal }).catch(() => undefined);
  } while (every !== undefined && !signal.aborted);
}

type Progress = NonNullable<PullOptions['onProgress']>;

/** A line that changes, for who watches. */
function showProgress(file: string): Progress {
  if (!process.stderr.isTTY) return () => undefined;
  let next = 0;
  return ({ bytes, total }) => {
    const done = bytes === total;
    if (performance.now() < next && !done) return;
    next = performance.now() + 250;
    const mb = (value: number): string => (value / 1e6).toFixed(1);
    const of = total === undefined ? '' : ` of ${mb(total)}`;
    process.stderr.write(`\r\x1b[K${done ? '' : `${file}: ${mb(bytes)}${of} MB`}`);
  };
}

function seconds(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new UsageError(`--every must be a number of seconds above 0, got ${text}`);
  return value;
}

function requestHeaders(given: readonly string[], keyFile: string | undefined): Record<string, string> {
  const headers: Record<string, string> = {};
  const key =
    keyFile === undefined ? process.env['SQLITE_SNAPSHOT_KEY'] : readFileSync(keyFile, 'utf8').trim();
  if (key !== undefined && key !== '') headers['authorization'] = `Bearer ${key}`;
  for (const each of given) {
    const colon = each.indexOf(':');
    if (colon < 1) throw new UsageError(`--header must be 'Name: value'`);
    headers[each.slice(0, colon).trim().toLowerCase()] = each.slice(colon + 1).trim();
  }
  return headers;
}

try {
  await main();
} catch (error) {
  const usage = error instanceof UsageError;
  const message = error instanceof Error ? error.message : String(error);
  console.error(
    `sqlite-snapshot: ${error instanceof SnapshotError ? `${message} (${error.code})` : message}`,
  );
  if (usage) console.error(USAGE);
  process.exitCode = usage ? 2 : 1;
}
