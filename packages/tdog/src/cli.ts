import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

import { tableNames } from './catalog.ts';
import { parseConfig07 } from './config07.ts';
import { SyncError, type SyncErrorCode } from './errors.ts';
import type { SyncOptions } from './options.ts';
import { VERSION } from './version.ts';

/** What the command line asks for. */
export type Command =
  | { readonly do: 'print'; readonly text: string }
  | { readonly do: 'sync'; readonly options: SyncOptions; readonly progress: ProgressStyle }
  | { readonly do: 'verify'; readonly options: SyncOptions; readonly progress: ProgressStyle };

/** How progress is shown. */
export type ProgressStyle = 'auto' | 'bar' | 'json' | 'none';

/** The exit code of each error; every other one is 1. */
export const EXIT_CODES: Readonly<Partial<Record<SyncErrorCode, number>>> = {
  TDOG_OPTIONS: 2,
  TDOG_KEY_REFUSED: 3,
  TDOG_OTHER_ACCOUNT: 4,
};

/** The text of `--help`. */
export const HELP: string = `tdog ${VERSION} - a Stripe account in one SQLite file

  STRIPE_SECRET_KEY=rk_live_… tdog --target stripe.sqlite            download, or apply what is new, and end
  STRIPE_SECRET_KEY=rk_live_… tdog --target stripe.sqlite --watch    stay and keep the file current
  STRIPE_SECRET_KEY=rk_live_… tdog verify --target stripe.sqlite     compare every row with Stripe, repair, report

A restricted key with read permissions is enough; what it may not read is left out and named in the table td_progress.
The file can be read by any program at any time, during the first download too.

  --stripe-key KEY               the key; other users of this machine can see it: prefer STRIPE_SECRET_KEY
  --target FILE                  the SQLite file; made if it is not there
  --watch                        do not end; new events are rows within a second of the poll
  --poll-freq-ms MS              time between two polls (default: adaptive, within Stripe's read allowance)
  --tables core|all|A,B,…        ${tableNames('core').length} core tables (default), all ${tableNames('all').length}, or those named
  --max-requests-per-second N    ceiling (default: 100 with a live key, 25 with a test key)
  --share PART                   part of that rate to use, 0..1 (default 0.9): the rest is for your other software
  --api-base URL                 another server than https://api.stripe.com
  --api-version VERSION          another Stripe-Version than the catalogue's
  --stripe-context ACCOUNT       the account, with an organisation's key
  --progress auto|bar|json|none  auto: a bar on a terminal, JSON lines otherwise
  --accept-deletions             (verify) delete also when it is more than 100 rows and 5 % of a table
  --json TEXT, --json-file FILE  a configuration of tdog 0.7
  --version, --help

Exit codes: 0 done, 1 failed (verify: drift was found), 2 wrong usage, 3 Stripe refused the key,
4 the file belongs to another account or mode.
`;

/**
 * Understands the command line.
 *
 * @throws {@link SyncError} TDOG_OPTIONS with one line
 */
export function parseCommand(
  args: readonly string[],
  env: { readonly STRIPE_SECRET_KEY?: string | undefined },
): Command {
  const { values, positionals } = parse(args);
  if (values.help === true) return { do: 'print', text: HELP };
  if (values.version === true) return { do: 'print', text: `${VERSION}\n` };
  const [verb, ...rest] = positionals;
  if (rest.length > 0 || (verb !== undefined && verb !== 'verify'))
    throw usage(`unknown command ${positionals.join(' ')}`);
  const progress = progressStyle(values.progress);
  const config = configOf(values.json, values['json-file']);
  const secretKey = values['stripe-key'] ?? config?.stripe.secretKey ?? env.STRIPE_SECRET_KEY;
  const file = values.target ?? config?.file;
  if (secretKey === undefined || secretKey === '')
    throw usage('no key: set STRIPE_SECRET_KEY, or use --stripe-key');
  if (file === undefined) throw usage('no file: use --target FILE');
  const apiBase = values['api-base'] ?? config?.stripe.apiBase;
  const timeoutMs = config?.stripe.timeoutMs;
  const poll = numeric('poll-freq-ms', values['poll-freq-ms']) ?? config?.pollIntervalMs;
  const rate =
    numeric('max-requests-per-second', values['max-requests-per-second']) ?? config?.maxRequestsPerSecond;
  const share = numeric('share', values.share);
  const options: SyncOptions = {
    stripe: {
      secretKey,
      ...(apiBase === undefined ? {} : { apiBase }),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(values['api-version'] === undefined ? {} : { apiVersion: values['api-version'] }),
      ...(values['stripe-context'] === undefined ? {} : { stripeContext: values['stripe-context'] }),
    },
    file,
    watch: values.watch ?? config?.watch ?? false,
    acceptDeletions: values['accept-deletions'] ?? false,
    exitOn429: config?.exitOn429 ?? false,
    ...(values.tables === undefined ? {} : { tables: tablesOf(values.tables) }),
    ...(poll === undefined ? {} : { pollIntervalMs: poll }),
    ...(rate === undefined ? {} : { maxRequestsPerSecond: rate }),
    ...(share === undefined ? {} : { share }),
  };
  return { do: verb === 'verify' ? 'verify' : 'sync', options, progress };
}

type Values = ReturnType<typeof parse>['values'];

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        'stripe-key': { type: 'string' },
        target: { type: 'string' },
        watch: { type: 'boolean' },
        json: { type: 'string' },
        'json-file': { type: 'string' },
        'api-base': { type: 'string' },
        'api-version': { type: 'string' },
        'stripe-context': { type: 'string' },
        tables: { type: 'string' },
        'max-requests-per-second': { type: 'string' },
        share: { type: 'string' },
        'poll-freq-ms': { type: 'string' },
        progress: { type: 'string' },
        'accept-deletions': { type: 'boolean' },
        version: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (cause) {
    // The parser quotes the argument, which may be a key.
    const message = cause instanceof Error ? cause.message : String(cause);
    throw usage(message.split('\n')[0]?.replaceAll(/\b[sr]k_\w+/g, '…') ?? 'wrong usage');
  }
}

function configOf(text: Values['json'], file: Values['json-file']): SyncOptions | undefined {
  if (text !== undefined && file !== undefined) throw usage('--json and --json-file exclude each other');
  if (text !== undefined) return parseConfig07(text).options;
  if (file === undefined) return undefined;
  try {
    return parseConfig07(readFileSync(file, 'utf8')).options;
  } catch (cause) {
    if (cause instanceof SyncError) throw cause;
    throw usage(`--json-file ${file} cannot be read`);
  }
}

function tablesOf(text: string): 'core' | 'all' | readonly string[] {
  return text === 'core' || text === 'all' ? text : text.split(',').map((name) => name.trim());
}

function numeric(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw usage(`--${name} is no number: ${text}`);
  return value;
}

function progressStyle(text: string | undefined): ProgressStyle {
  if (text === undefined) return 'auto';
  if (text === 'auto' || text === 'bar' || text === 'json' || text === 'none') return text;
  throw usage(`--progress must be auto, bar, json or none, not ${text}`);
}

function usage(message: string): SyncError {
  return new SyncError('TDOG_OPTIONS', `${message} (tdog --help)`);
}
