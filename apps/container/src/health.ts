import { setTimeout as delay } from 'node:timers/promises';
import type { AuthProxy, StripeKeyAuthenticator } from '@datasette-stripe/auth-proxy';
import {
  createHealth,
  freeDisk,
  httpProbe,
  keyState,
  processStates,
  sqliteIntegrity,
  tdogHeartbeat,
  tdogProgress,
  type Check,
  type CheckResult,
  type Health,
  type HealthStatus,
  type Metric,
} from '@datasette-stripe/health';
import type { SnapshotHandler } from '@datasette-stripe/snapshot';
import type { Supervisor } from '@datasette-stripe/supervisor';
import type { Logger } from 'pino';
import { messageOf } from './errors.ts';
import type { Mirror } from './mirror.ts';

/** What {@link createSiteHealth} looks at. */
export interface SiteHealthOptions {
  /** The mirror's file. */
  readonly file: string;
  readonly dataDir: string;
  /** Where each process of Datasette listens. */
  readonly datasetteSockets: readonly string[];
  readonly supervisor: Pick<Supervisor, 'status'>;
  readonly key: Pick<StripeKeyAuthenticator, 'verdict'>;
  readonly proxy: Pick<AuthProxy, 'isAuthorised' | 'counters'>;
  readonly snapshot: Pick<SnapshotHandler, 'status'>;
  readonly mirror: Pick<Mirror, 'dataVersion'>;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** The checks behind /tdog/health.json, live, ready and metrics. */
export function createSiteHealth(options: SiteHealthOptions): Health {
  const { file, supervisor, key, logger, signal } = options;
  const services = (): ReturnType<Supervisor['status']>['services'] => supervisor.status().services;
  return createHealth({
    checks: {
      tdog_cli_heartbeat: tdogHeartbeat({ file }),
      // The engine cannot do better than Stripe and the key let it, so that is part of its state.
      tdog_process: worstOf(
        processStates({ list: services, only: ['engine'] }),
        keyState({
          state: () => {
            const { state, unreachable } = key.verdict();
            return unreachable === undefined ? state : 'unknown';
          },
        }),
      ),
      datasette_server: oneOf(
        options.datasetteSockets.map((socketPath) =>
          httpProbe({
            url: 'http://datasette/-/versions.json',
            socketPath,
            readiness: true,
            timeoutMs: 10_000,
          }),
        ),
      ),
      sqlite_db_integrity_check: confirmed(
        sqliteIntegrity({ file, intervalMs: 3_600_000, timeoutMs: 1_800_000 }),
        5_000,
      ),
      disk_free: freeDisk({ path: options.dataDir }),
      download_progress: tdogProgress({ file }),
    },
    isAuthorised: (request) => options.proxy.isAuthorised(request),
    collect: () => siteMetrics(options),
    logger,
    signal,
  });
}

/** Asks anew when a service has come or gone, so that `ready` says so at once and not at the next round. */
export async function followServices(health: Health, supervisor: Pick<Supervisor, 'events'>): Promise<void> {
  for await (const event of supervisor.events()) {
    if (event.type !== 'state') continue;
    if (event.service.startsWith('datasette')) await health.refresh('datasette_server');
    if (event.service === 'engine') await health.refresh('tdog_process');
  }
}

const order: readonly HealthStatus[] = ['pass', 'warn', 'fail'];

/**
 * Believes a failure only when a second run says the same: a table that is just being made looks broken for a moment,
 * and a verdict that comes once an hour must not stand on that.
 */
export function confirmed(check: Check, pauseMs: number): Check {
  return {
    ...check,
    run: async (context) => {
      const first = await check.run(context);
      if (first.status !== 'fail') return first;
      await delay(pauseMs, undefined, { signal: context.signal });
      return check.run(context);
    },
  };
}

/** Checks of processes that do the same: while one of them is well, what is wrong with the others is a warning. */
export function oneOf(checks: readonly Check[]): Check {
  const [first, ...others] = checks;
  if (first === undefined) throw new TypeError('oneOf: no checks');
  if (others.length === 0) return first;
  return {
    ...first,
    run: async (context): Promise<CheckResult> => {
      const runs = checks.map(async (check) => check.run(context));
      const settled = await Promise.allSettled(runs);
      const results = settled.map((one): CheckResult =>
        one.status === 'fulfilled' ? one.value : { status: 'fail', message: messageOf(one.reason) },
      );
      const well = results.find(({ status }) => status === 'pass');
      const ill = results.filter(({ status }) => status !== 'pass');
      const messages = ill.flatMap(({ message }) => message ?? []);
      return {
        ...(well ?? results[0]),
        status: ill.length === 0 ? 'pass' : well === undefined ? 'fail' : 'warn',
        ...(messages.length === 0 ? {} : { message: messages.join('; ') }),
        metrics: results.flatMap(({ metrics }) => metrics ?? []),
      };
    },
  };
}

/** Two checks as one: the worse verdict, and what both have to say. */
function worstOf(first: Check, second: Check): Check {
  return {
    ...first,
    run: async (context): Promise<CheckResult> => {
      const [a, b] = await Promise.all([first.run(context), second.run(context)]);
      const worse = order.indexOf(b.status) > order.indexOf(a.status) ? b : a;
      const messages = [a, b].flatMap(({ status, message }) =>
        message === undefined || (status === 'pass' && worse.status !== 'pass') ? [] : [message],
      );
      return {
        ...a,
        status: worse.status,
        ...(messages.length === 0 ? {} : { message: messages.join('; ') }),
        metrics: [...(a.metrics ?? []), ...(b.metrics ?? [])],
      };
    },
  };
}

function siteMetrics({ proxy, snapshot, mirror }: SiteHealthOptions): readonly Metric[] {
  const { requests, granted, ...rest } = proxy.counters();
  const metric = (
    type: Metric['type'],
    name: string,
    help: string,
    value: number,
    labels?: Metric['labels'],
  ): Metric => ({ type, name, help, value, ...(labels === undefined ? {} : { labels }) });
  const downloads = snapshot.status();
  const version = mirror.dataVersion();
  return [
    ...Object.entries(requests).map(([outcome, value]) =>
      metric('counter', 'http_requests_total', 'Requests by what became of them.', value, { outcome }),
    ),
    ...Object.entries(granted).map(([by, value]) =>
      metric('counter', 'http_granted_total', 'Requests let in, by authenticator.', value, { by }),
    ),
    metric('counter', 'sign_ins_total', 'Sign-ins.', rest.signIns),
    metric('counter', 'sign_outs_total', 'Sign-outs.', rest.signOuts),
    metric('counter', 'websockets_total', 'Websockets opened.', rest.websockets),
    metric('gauge', 'websockets_open', 'Websockets open now.', rest.openWebsockets),
    metric('gauge', 'sessions', 'Browser sessions.', rest.sessions),
    metric('gauge', 'guessers', 'Client addresses with wrong credentials on record.', rest.guessers),
    metric('gauge', 'cache_entries', 'Answers in the cache.', rest.cacheEntries),
    metric('gauge', 'cache_bytes', 'Size of the answers in the cache.', rest.cacheBytes),
    metric('gauge', 'snapshot_clients', 'Downloads of the database under way.', downloads.clients),
    metric('counter', 'snapshot_sent_bytes_total', 'Bytes of the database sent.', downloads.bytesSent),
    ...(version === undefined
      ? []
      : [metric('gauge', 'data_version', 'Rises with each change of the Stripe data.', version)]),
  ];
}
