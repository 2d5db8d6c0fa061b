import { SyncError } from './errors.ts';
import { isObject } from './model/values.ts';
import type { SyncOptions } from './options.ts';

/** What a configuration of tdog 0.7 says. */
export interface Config07 {
  readonly options: SyncOptions;
  /** Its `log` member, as it is. */
  readonly log: unknown;
}

/**
 * Reads tdog 0.7's JSON: `{cmd: {fn: 'download', args: {from: {stripe}, to: {sqlite}, options}}, log}`.
 *
 * @throws {@link SyncError} TDOG_OPTIONS with one line
 */
export function parseConfig07(text: string): Config07 {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    // The parser's own message would quote the text, and the key stands in it.
    throw new SyncError('TDOG_OPTIONS', 'the configuration is no JSON', { cause });
  }
  const root = object(json, 'the configuration');
  const cmd = object(root['cmd'], 'cmd');
  if (cmd['fn'] !== 'download') throw wrong('cmd.fn', '"download"');
  const args = object(cmd['args'], 'cmd.args');
  const from = object(object(args['from'], 'cmd.args.from')['stripe'], 'cmd.args.from.stripe');
  const to = object(object(args['to'], 'cmd.args.to')['sqlite'], 'cmd.args.to.sqlite');
  const options = args['options'] === undefined ? {} : object(args['options'], 'cmd.args.options');
  const secretKey = string(from['secret_key'], 'cmd.args.from.stripe.secret_key');
  const http =
    from['http'] === undefined || from['http'] === null
      ? {}
      : object(from['http'], 'cmd.args.from.stripe.http');
  const apiBase = optional(
    http['base_url'] ?? from['api_base'],
    'string',
    'cmd.args.from.stripe.http.base_url',
  );
  const timeout = optional(http['timeout_ms'], 'number', 'cmd.args.from.stripe.http.timeout_ms');
  const rate = optional(
    from['max_requests_per_second'],
    'number',
    'cmd.args.from.stripe.max_requests_per_second',
  );
  const watch = optional(options['watch'], 'boolean', 'cmd.args.options.watch');
  const poll = optional(options['poll_freq_ms'], 'number', 'cmd.args.options.poll_freq_ms');
  const exitOn429 = optional(from['exit_on_429'], 'boolean', 'cmd.args.from.stripe.exit_on_429');
  return {
    log: root['log'],
    options: {
      stripe: {
        secretKey,
        ...(apiBase === undefined ? {} : { apiBase }),
        ...(timeout === undefined ? {} : { timeoutMs: timeout }),
      },
      file: string(to['file'], 'cmd.args.to.sqlite.file'),
      ...(rate === undefined ? {} : { maxRequestsPerSecond: rate }),
      ...(watch === undefined ? {} : { watch }),
      ...(poll === undefined ? {} : { pollIntervalMs: poll }),
      ...(exitOn429 === undefined ? {} : { exitOn429 }),
    },
  };
}

function object(value: unknown, name: string): Readonly<Record<string, unknown>> {
  if (!isObject(value)) throw wrong(name, 'an object');
  return value;
}

function string(value: unknown, name: string): string {
  if (typeof value !== 'string' || value === '') throw wrong(name, 'a text');
  return value;
}

interface Kinds {
  string: string;
  number: number;
  boolean: boolean;
}

function optional<K extends keyof Kinds>(value: unknown, kind: K, name: string): Kinds[K] | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== kind) throw wrong(name, `a ${kind}`);
  return value as Kinds[K];
}

function wrong(name: string, expected: string): SyncError {
  return new SyncError('TDOG_OPTIONS', `the configuration's ${name} must be ${expected}`);
}
