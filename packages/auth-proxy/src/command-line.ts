import { readFileSync, statSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { Logger } from 'pino';
import type { Authenticator } from './authenticators/authenticator.ts';
import { htpasswd } from './authenticators/htpasswd.ts';
import { shareLink } from './authenticators/share-link.ts';
import { staticCredentials } from './authenticators/static-credentials.ts';
import { stripeKey } from './authenticators/stripe-key.ts';
import { AuthProxyError } from './errors.ts';
import type { AuthProxyOptions } from './options.ts';
import type { ListenAddress } from './server.ts';

/** What `--help` prints. */
export const HELP = `datasette-auth-proxy: an authenticating reverse proxy for Datasette or any HTTP service

  datasette-auth-proxy --upstream http://127.0.0.1:8001 --htpasswd ./users

  --upstream ADDRESS        http://host:port or unix:/path.sock (required; repeated for
                            processes that serve the same site)
  --listen ADDRESS          host:port or unix:/path.sock (127.0.0.1:3000)

Who gets in (at least one)
  --htpasswd FILE           users of a file made by \`htpasswd -B\`
  --token-file FILE         who has the token that the file holds
  --stripe-key              who has the Stripe key in STRIPE_SECRET_KEY, while Stripe accepts it
  --share-links             who has a link made on the page /tdog/links (needs --state-dir;
                            signed with SHARE_LINK_SECRET, else with a secret made once)

  --state-dir DIR           keeps sessions, guesses and links over a restart
  --trusted-proxy WHO       address, CIDR, fly, cloudflare, loopback or private; may be repeated
  --require-tls             refuses plain http
  --open-path PATH          exactly this path needs no credentials; may be repeated
  --sign-in page|basic      a sign-in page, or the browser's own prompt (page)
  --site-name NAME          shown on the sign-in page (Datasette)
  --forward-user            tells the upstream who it is, in X-Forwarded-User
  --cache-file FILE         keeps answers in memory until this SQLite file changes; may be repeated
  --stripe-api-base URL     another base than https://api.stripe.com
  --log-level LEVEL         trace, debug, info, warn, error or silent (info)
  --check-config            says whether all this is right, and ends
  --version, --help

Exit codes: 0 stopped by a signal, 1 failed, 2 wrong configuration
`;

/** What the command line asks for. */
export interface Command {
  readonly action: 'run' | 'check' | 'help' | 'version';
  readonly logLevel: string;
  readonly listen: ListenAddress;
  /** Makes the options; reads the files that are named. */
  readonly options: (logger: Logger) => AuthProxyOptions;
}

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'];

/**
 * Reads flags and environment.
 *
 * @throws {@link AuthProxyError} `AUTH_PROXY_OPTIONS_INVALID`
 */
export function readCommandLine(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Command {
  const flags = parse(args);
  const logLevel = flags['log-level'] ?? 'info';
  const action = flags.help ? 'help' : flags.version ? 'version' : flags['check-config'] ? 'check' : 'run';
  if (!LEVELS.includes(logLevel)) throw invalid(`--log-level: expected one of ${LEVELS.join(', ')}`);
  const listen = listenAddress(flags.listen ?? '127.0.0.1:3000');
  const options = (logger: Logger): AuthProxyOptions => {
    const { upstream, 'state-dir': stateDir, 'sign-in': signIn } = flags;
    if (upstream === undefined) throw invalid('--upstream is missing');
    if (signIn !== undefined && signIn !== 'page' && signIn !== 'basic') {
      throw invalid('--sign-in: expected page or basic');
    }
    const cacheFiles = flags['cache-file'] ?? [];
    return {
      upstream,
      authenticators: authenticatorsOf(flags, env, logger),
      trustedProxies: flags['trusted-proxy'] ?? [],
      requireTls: flags['require-tls'] ?? false,
      openPaths: (flags['open-path'] ?? []).map((path) => ({ path })),
      forwardUser: flags['forward-user'] ?? false,
      logger,
      ...(stateDir === undefined ? {} : { stateDir }),
      ...(signIn === undefined ? {} : { signIn }),
      ...(flags['site-name'] === undefined ? {} : { siteName: flags['site-name'] }),
      ...(cacheFiles.length === 0 ? {} : { cache: { dataVersion: () => fileVersion(cacheFiles) } }),
    };
  };
  return { action, logLevel, listen, options };
}

type Flags = ReturnType<typeof parse>;

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      strict: true,
      allowPositionals: false,
      options: {
        upstream: { type: 'string', multiple: true },
        listen: { type: 'string' },
        htpasswd: { type: 'string' },
        'token-file': { type: 'string' },
        'stripe-key': { type: 'boolean' },
        'stripe-api-base': { type: 'string' },
        'share-links': { type: 'boolean' },
        'state-dir': { type: 'string' },
        'trusted-proxy': { type: 'string', multiple: true },
        'require-tls': { type: 'boolean' },
        'open-path': { type: 'string', multiple: true },
        'sign-in': { type: 'string' },
        'site-name': { type: 'string' },
        'forward-user': { type: 'boolean' },
        'cache-file': { type: 'string', multiple: true },
        'log-level': { type: 'string' },
        'check-config': { type: 'boolean' },
        version: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    }).values;
  } catch (error) {
    throw invalid((error as Error).message);
  }
}

function authenticatorsOf(
  flags: Flags,
  env: Readonly<Record<string, string | undefined>>,
  logger: Logger,
): Authenticator[] {
  const stateDir = flags['state-dir'];
  const authenticators: Authenticator[] = [];
  if (flags['stripe-key'] === true) {
    const key = env['STRIPE_SECRET_KEY'];
    if (key === undefined || key === '') throw invalid('--stripe-key: STRIPE_SECRET_KEY is not set');
    const apiBase = flags['stripe-api-base'];
    authenticators.push(
      stripeKey({
        key,
        logger,
        ...(stateDir === undefined ? {} : { stateDir }),
        ...(apiBase === undefined ? {} : { apiBase }),
      }),
    );
  }
  if (flags['token-file'] !== undefined) {
    authenticators.push(staticCredentials([{ password: readToken(flags['token-file']) }]));
  }
  if (flags.htpasswd !== undefined) authenticators.push(htpasswd({ file: flags.htpasswd }));
  if (flags['share-links'] === true) {
    if (stateDir === undefined) throw invalid('--share-links needs --state-dir');
    const secret = env['SHARE_LINK_SECRET'];
    authenticators.push(shareLink({ stateDir, ...(secret === undefined ? {} : { secret }) }));
  }
  if (authenticators.length === 0) {
    throw invalid('say who gets in: --htpasswd, --token-file, --stripe-key or --share-links');
  }
  return authenticators;
}

function readToken(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (cause) {
    throw new AuthProxyError('AUTH_PROXY_OPTIONS_INVALID', `--token-file: ${(cause as Error).message}`, {
      cause,
    });
  }
}

function listenAddress(text: string): ListenAddress {
  if (text.startsWith('unix:/')) return { path: text.slice('unix:'.length) };
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || !(port <= 65_535)) {
    throw invalid(`--listen: expected host:port or unix:/path.sock, got ${text}`);
  }
  return { host, port };
}

/** A SQLite database has changed when its file or its write-ahead log has. */
function fileVersion(files: readonly string[]): string | undefined {
  try {
    return files
      .flatMap((file) => [file, `${file}-wal`])
      .map((file) => {
        const stat = statSync(file, { bigint: true, throwIfNoEntry: false });
        return stat === undefined ? '' : `${stat.ino} ${stat.size} ${stat.mtimeNs}`;
      })
      .join('|');
  } catch {
    return undefined;
  }
}

function invalid(message: string): AuthProxyError {
  return new AuthProxyError('AUTH_PROXY_OPTIONS_INVALID', message);
}
