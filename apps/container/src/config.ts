import { accessSync, constants, statSync } from 'node:fs';
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { tableNames } from '@datasette-stripe/tdog';

/** The environment as `process.env` holds it. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The levels that `LOG_LEVEL` may name, as pino knows them. */
export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

/** One of {@link logLevels}. */
export type LogLevel = (typeof logLevels)[number];

/** Names that `TRUSTED_PROXIES` may hold beside addresses and CIDR ranges. */
export const trustedProxyPresets = ['fly', 'cloudflare', 'loopback', 'private'] as const;

/** Stripe's own base URL. */
export const stripeApiBase = 'https://api.stripe.com';

/** The account to mirror and where its API is. */
export interface StripeAccess {
  /** `sk_…` or `rk_…`. Never logged, never on a command line. */
  readonly secretKey: string;
  /** Base URL without a trailing slash. */
  readonly apiBase: string;
  /** The account that an organisation's key is to read (`STRIPE_CONTEXT`). */
  readonly context: string | undefined;
  /** What the key's prefix says; undefined for an organisation's key, whose prefix says nothing. */
  readonly livemode: boolean | undefined;
}

/** Everything that the environment decides, checked and typed. */
export interface Config {
  /** The account to mirror, or undefined for the demo. */
  readonly stripe: StripeAccess | undefined;
  /** `DEMO=1` was said, not just no key given: what a public demo must say to switch sign-in off. */
  readonly publicDemo: boolean;
  /** TLS is required and a missing key is refused. */
  readonly production: boolean;
  /** Absolute. */
  readonly dataDir: string;
  readonly host: string;
  readonly port: number;
  readonly authEnabled: boolean;
  /** Addresses, CIDR ranges and preset names. */
  readonly trustedProxies: readonly string[];
  /** Other live keys of the same account are let in. */
  readonly authStripeAccount: boolean;
  /** Undefined: made once and kept in the data folder. */
  readonly shareLinkSecret: string | undefined;
  /** Undefined: no webhook is served. */
  readonly webhookSecret: string | undefined;
  /** The original tdog's binary, to run in place of our engine. */
  readonly tdogBin: string | undefined;
  /** Its licence; without a binary it is of no use, which one info line says. */
  readonly tdogLicense: string | undefined;
  /** Undefined: adaptive. */
  readonly pollFreqMs: number | undefined;
  /** Undefined: what the key's mode allows. */
  readonly maxRequestsPerSecond: number | undefined;
  readonly tables: 'core' | 'all' | readonly string[];
  /** Undefined: as many as suit the machine. */
  readonly datasetteProcesses: number | undefined;
  readonly logLevel: LogLevel;
  /** What every child process may see of the environment: where programs, certificates and time zones are. */
  readonly childEnv: Readonly<Record<string, string>>;
}

/** The environment's faults, one line each, or the configuration. */
export type ConfigResult =
  { readonly ok: true; readonly config: Config } | { readonly ok: false; readonly faults: readonly string[] };

/** Handed on to children: nothing in here is a secret, and programs do not start without some of it. */
const inherited = [
  'PATH',
  'HOME',
  'LANG',
  'LC_ALL',
  'TZ',
  'TMPDIR',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'NODE_EXTRA_CA_CERTS',
] as const;

/**
 * Reads the environment. All faults are found at once, so that nobody fixes them one start at a time.
 * No fault holds the value of a secret.
 *
 * @param env - Usually `process.env`.
 * @param cwd - What a relative `DATA_DIR` or `TDOG_BIN` is relative to.
 */
export function readConfig(env: Environment, cwd: string): ConfigResult {
  const faults: string[] = [];
  const fault = (message: string): undefined => void faults.push(message);
  const read = readers(env, fault);

  const nodeEnv = read.oneOf('NODE_ENV', ['development', 'production'], 'development');
  const production = nodeEnv === 'production';
  const publicDemo = read.flag('DEMO', false);
  const host = read.host('HOST', '127.0.0.1');
  const authEnabled = read.flag('HTTP_BASIC_AUTH_ENABLED', true);
  const stripe = readStripe(read, fault, { production, publicDemo });
  const tdogBin = readTdogBin(read, fault, cwd);

  if (!authEnabled && !isLoopback(host) && !publicDemo) {
    fault(
      `HTTP_BASIC_AUTH_ENABLED: 0 would publish the account on ${host}; set HOST=127.0.0.1, or leave sign-in on`,
    );
  }
  if (tdogBin !== undefined && read.text('STRIPE_SECRET_KEY') === undefined) {
    fault('TDOG_BIN: the original tdog needs an account of Stripe; set STRIPE_SECRET_KEY, or unset TDOG_BIN');
  }

  const config: Config = {
    stripe,
    publicDemo,
    production,
    dataDir: resolve(cwd, read.text('DATA_DIR') ?? 'data'),
    host,
    port: read.integer('PORT', 0, 65_535) ?? 3000,
    authEnabled,
    trustedProxies: readTrustedProxies(read, fault),
    authStripeAccount: read.flag('AUTH_STRIPE_ACCOUNT', false),
    shareLinkSecret: read.secret('SHARE_LINK_SECRET', /^.{32,}$/, 'at least 32 characters'),
    webhookSecret: read.secret('STRIPE_WEBHOOK_SECRET', /^whsec_\S+$/, "the endpoint's whsec_…"),
    tdogBin,
    tdogLicense: read.text('TDOG_LICENSE'),
    pollFreqMs: read.integer('TDOG_POLL_FREQ_MS', 100, 3_600_000),
    maxRequestsPerSecond: read.integer('TDOG_MAX_REQUESTS_PER_SECOND', 1, 10_000),
    tables: readTables(read, fault),
    datasetteProcesses: read.integer('DATASETTE_PROCESSES', 1, 16),
    logLevel: read.oneOf('LOG_LEVEL', logLevels, 'info'),
    childEnv: Object.fromEntries(
      inherited.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])),
    ),
  };
  return faults.length === 0 ? { ok: true, config } : { ok: false, faults };
}

type Readers = ReturnType<typeof readers>;
type Fault = (message: string) => undefined;

/** One reader per kind of value. An empty or blank value counts as unset: `docker run -e X=` means that. */
function readers(env: Environment, fault: Fault) {
  const text = (name: string): string | undefined => {
    const value = env[name]?.trim();
    return value === '' ? undefined : value;
  };
  return {
    text,
    flag(name: string, fallback: boolean): boolean {
      const value = text(name)?.toLowerCase();
      if (value === undefined) return fallback;
      if (value === '1' || value === 'true') return true;
      if (value !== '0' && value !== 'false') fault(`${name}: is ${quote(value)}; set 1 or 0`);
      return false;
    },
    integer(name: string, min: number, max: number): number | undefined {
      const value = text(name);
      if (value === undefined) return undefined;
      const number = /^\d+$/.test(value) ? Number(value) : NaN;
      if (number >= min && number <= max) return number;
      return fault(`${name}: is ${quote(value)}; set a whole number from ${min} to ${max}`);
    },
    oneOf<const T extends string>(name: string, allowed: readonly T[], fallback: T): T {
      const value = text(name);
      if (value === undefined) return fallback;
      const match = allowed.find((candidate) => candidate === value);
      if (match === undefined) fault(`${name}: is ${quote(value)}; set one of ${allowed.join(', ')}`);
      return match ?? fallback;
    },
    host(name: string, fallback: string): string {
      const value = text(name) ?? fallback;
      if (isIP(value) === 0 && !/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(value)) {
        fault(`${name}: is ${quote(value)}; set an address to listen on, as 127.0.0.1 or 0.0.0.0`);
      }
      return value;
    },
    /** The value is not repeated in the fault. */
    secret(name: string, pattern: RegExp, expected: string): string | undefined {
      const value = text(name);
      if (value !== undefined && !pattern.test(value)) fault(`${name}: is malformed; set ${expected}`);
      return value;
    },
  };
}

function readStripe(
  read: Readers,
  fault: Fault,
  mode: { production: boolean; publicDemo: boolean },
): StripeAccess | undefined {
  const secretKey = read.text('STRIPE_SECRET_KEY');
  const base = read.text('STRIPE_API_BASE');
  const context = read.text('STRIPE_CONTEXT');
  if (secretKey === undefined) {
    if (mode.production && !mode.publicDemo) {
      fault(
        'STRIPE_SECRET_KEY: is not set; set a secret key, better a read-only restricted one (rk_…), or DEMO=1 for a demo',
      );
    } else if (base !== undefined) {
      fault('STRIPE_API_BASE: is set without STRIPE_SECRET_KEY; set the key too, or unset it for the demo');
    }
    return undefined;
  }
  if (mode.publicDemo) {
    fault('DEMO: is 1 while STRIPE_SECRET_KEY is set; unset one of them');
  }
  const livemode = readKeyMode(secretKey, context, fault);
  const apiBase = base === undefined ? stripeApiBase : readApiBase(base, livemode !== false, fault);
  return { secretKey, apiBase, context, livemode };
}

function readKeyMode(key: string, context: string | undefined, fault: Fault): boolean | undefined {
  if (key.startsWith('pk_')) {
    return fault(
      'STRIPE_SECRET_KEY: is a publishable key (pk_…), which cannot read an account; set a secret (sk_…) or restricted (rk_…) key',
    );
  }
  if (/^sk_org_\w+$/.test(key)) {
    if (context === undefined) {
      fault(
        "STRIPE_CONTEXT: is not set; an organisation's key (sk_org_…) needs the account to read (acct_…) in it",
      );
    }
    return undefined;
  }
  const mode = /^(?:sk|rk)_(test|live)_\w+$/.exec(key)?.[1];
  if (mode === undefined) {
    return fault(
      'STRIPE_SECRET_KEY: is malformed; set a key as Stripe shows it: sk_test_…, sk_live_…, rk_test_… or rk_live_…',
    );
  }
  return mode === 'live';
}

function readApiBase(value: string, mayBeLive: boolean, fault: Fault): string {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  const plain = url?.protocol === 'http:';
  if (
    url === undefined ||
    (!plain && url.protocol !== 'https:') ||
    url.username !== '' ||
    url.password !== '' ||
    url.search !== '' ||
    url.hash !== ''
  ) {
    // The value is not repeated: it may hold a password.
    fault(`STRIPE_API_BASE: is no base URL; set one such as ${stripeApiBase}`);
    return stripeApiBase;
  }
  if (plain && mayBeLive && !isLoopback(url.hostname)) {
    fault('STRIPE_API_BASE: http:// would send a live key in the clear; set an https:// URL');
  }
  return url.href.replace(/\/+$/, '');
}

function readTdogBin(read: Readers, fault: Fault, cwd: string): string | undefined {
  const value = read.text('TDOG_BIN');
  if (value === undefined) return undefined;
  const path = resolve(cwd, value);
  try {
    if (!statSync(path).isFile()) throw new Error('not a file');
    accessSync(path, constants.X_OK);
  } catch {
    fault(`TDOG_BIN: ${path} is no executable file; set the path of an original tdog binary, or unset it`);
  }
  return path;
}

function readTrustedProxies(read: Readers, fault: Fault): readonly string[] {
  const value = read.text('TRUSTED_PROXIES');
  if (value === undefined) return read.text('FLY_APP_NAME') === undefined ? [] : ['fly'];
  if (value === 'none') return [];
  const entries = value.split(',').map((entry) => entry.trim());
  for (const entry of entries) {
    if (!isProxyEntry(entry)) {
      fault(
        `TRUSTED_PROXIES: ${quote(entry)} is no address, CIDR range or preset (${trustedProxyPresets.join(', ')})`,
      );
    }
  }
  return entries;
}

function isProxyEntry(entry: string): boolean {
  if (trustedProxyPresets.some((preset) => preset === entry)) return true;
  const [address = '', bits, ...rest] = entry.split('/');
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return false;
  return bits === undefined || (/^\d+$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128));
}

function readTables(read: Readers, fault: Fault): Config['tables'] {
  const value = read.text('TDOG_TABLES') ?? 'core';
  if (value === 'core' || value === 'all') return value;
  const names = value.split(',').map((name) => name.trim());
  const known = new Set(tableNames('all'));
  const unknown = names.find((name) => !known.has(name));
  if (unknown !== undefined) {
    fault(
      `TDOG_TABLES: ${quote(unknown)} is no table of Stripe's; set core, all or names as charges,refunds`,
    );
  }
  return names;
}

/** Whether only this machine reaches what listens on the host. */
function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host);
}

/** A value from outside on one line of a terminal. */
function quote(value: string): string {
  return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
}
