import type { Logger } from 'pino';
import { admin } from './admin/admin.ts';
import type { Status } from './admin/page.ts';
import { ownAccount } from './api/account.ts';
import { balanceObject, balances } from './api/balance.ts';
import type { Account } from './api/context.ts';
import { readRoutes } from './api/routes.ts';
import { EmulatorError } from './errors.ts';
import { Events } from './events.ts';
import { Faults } from './faults/faults.ts';
import type { FaultSettings } from './faults/settings.ts';
import { Idempotency } from './http/idempotency.ts';
import { PageCache } from './http/page-cache.ts';
import { Router } from './http/router.ts';
import { send, sendBadly } from './http/send.ts';
import { Failure } from './http/failure.ts';
import type { Answer, Served } from './http/server.ts';
import { identify } from './identity.ts';
import { createPulse } from './live/pulse.ts';
import type { ResolvedOptions } from './options.ts';
import { Journal } from './store/journal.ts';
import { flagDeleted, flagHidden } from './store/layer.ts';
import { createdOf, Store } from './store/store.ts';
import { SyntheticBase } from './synthetic/base.ts';
import { Replayed } from './timeline/replayed.ts';
import { readTimeline } from './timeline/timeline.ts';
import type { EmulatorState, StripeEvent } from './types.ts';
import { Deliveries } from './webhooks/deliveries.ts';
import { writeRoutes } from './write/routes.ts';

/** The account, what serves it, and what moves it. */
export interface World {
  readonly account: Account;
  readonly served: Omit<Served, 'key'>;
  readonly state: EmulatorState;
  start(url: string): void;
  stop(): Promise<void>;
  advance(step: number): void;
  setFaults(faults: FaultSettings): void;
}

/** So many bytes of pages are kept for who reads them again. */
const pageBytes = 64 * 1024 * 1024;

/** Set in a state file when all data was deleted. */
const wipedSetting = 'wiped';

/** Builds the account out of its source. @throws EmulatorError */
export function createWorld(
  options: ResolvedOptions,
  key: (accountId: string) => string,
  logger: Logger,
): World {
  const { source } = options;
  const timeline = 'timeline' in source ? readTimeline(source.timeline) : undefined;
  const journal = new Journal(timeline === undefined ? (options.stateFile ?? ':memory:') : ':memory:');
  const identity = identify(options, journal, timeline);
  const seconds = (): number => Math.floor(options.now() / 1000);
  const rate = ('synthetic' in source ? source.liveEventsPerSecond : undefined) ?? 0;
  const base =
    'synthetic' in source && journal.setting(wipedSetting) === undefined
      ? new SyntheticBase({
          customers: source.synthetic,
          seed: source.seed ?? 1,
          accountId: identity.accountId,
          end: identity.opened,
          apiVersion: options.apiVersion,
          now: rate > 0 ? seconds : () => identity.opened,
        })
      : undefined;
  const store = new Store(journal, base);
  const faults = new Faults(options.faults, identity.accountId, options.now, options.random);
  const { webhookRetryDelaysMs: retryDelaysMs, now, random } = options;
  const deliveries = new Deliveries({ store, now, retryDelaysMs, logger });
  const account: Account = {
    id: identity.accountId,
    store,
    recorded: timeline !== undefined,
    apiVersion: timeline?.apiVersion ?? options.apiVersion,
    now,
    random,
    own: () =>
      ownAccount({
        id: identity.accountId,
        created: timeline?.accountCreated ?? base?.opened ?? identity.opened - 3600,
        name: base?.company.name ?? 'Emulated account',
        email: 'owner@fernbrook.example',
        country: 'GB',
        currency: 'gbp',
        url: 'https://fernbrook.example',
        externalAccounts: base?.company.all.filter((one) => one.object === 'bank_account') ?? [],
      }),
    balance: () => balanceObject(balances(store, base, base && rate === 0 ? identity.opened : seconds())),
    nextInvoiceNumber: () => {
      if (base === undefined) return undefined;
      const n = Number(journal.setting('invoice number') ?? 0) + 1;
      journal.set('invoice number', String(n));
      return `FERN-9${String(n).padStart(7, '0')}`;
    },
    eventVisible: (event) => {
      const limit = faults.settings.expireEventsAfterSeconds;
      return limit === undefined || event.created >= seconds() - limit;
    },
    emit: (type, object, previous, request) => events.emit(type, object, previous, request),
  };
  const events = new Events(account, faults, deliveries);
  const replayed = timeline === undefined ? undefined : new Replayed(timeline, store);
  replayed?.advance(('timeline' in source ? source.untilStep : undefined) ?? replayed.lastStep, true);
  const pulse =
    timeline === undefined
      ? createPulse({
          account,
          base: rate > 0 ? base : undefined,
          opened: identity.opened,
          rate,
          events,
          logger,
        })
      : undefined;

  const advance = (step: number): void => {
    if (replayed === undefined) throw new EmulatorError('EMULATOR_STEP', 'there is no timeline to advance');
    replayed.advance(step);
  };
  const setFaults = (settings: FaultSettings): void => {
    faults.set(settings);
    if (settings.deleteTestData !== true) return;
    store.wipe();
    journal.set(wipedSetting, '1');
  };
  const requests = new Map<string, number>();
  const startedAt = new Date(now()).toISOString();
  let url = '';
  const status = (): Status => ({
    account: account.id,
    url,
    key: key(account.id),
    apiVersion: account.apiVersion,
    source: identity.source,
    ...(replayed === undefined ? {} : { step: replayed.step, lastStep: replayed.lastStep }),
    eventsPerSecond: rate,
    startedAt,
    objects: store.counts(),
    requests: Object.fromEntries(requests),
    faults: faults.settings,
    deliveries: deliveries.attempts,
    events: newestEvents(store),
  });
  const idempotency = new Idempotency(now);
  const served: Omit<Served, 'key'> = {
    account,
    router: new Router([...(timeline === undefined ? writeRoutes : []), ...readRoutes(account.recorded)]),
    hooks: {
      before: (info) => faults.before(info),
      send: (info, answer) => {
        const how = faults.mangle(info);
        if (how === undefined) send(info.response, answer);
        else sendBadly(info.response, answer, how);
      },
      after: (info) => {
        const route = `${info.method} ${info.match?.route.path ?? info.path}`;
        requests.set(route, (requests.get(route) ?? 0) + 1);
      },
      release: (info) => faults.after(info),
      admin: (request, response, path, body) =>
        admin(
          { host: options.host, token: options.adminToken, status, advance, setFaults },
          request,
          response,
          path,
          body,
        ),
    },
    // What is pending becomes available by itself while the account lives.
    pages: rate > 0 ? undefined : new PageCache(pageBytes),
    once: (info, params, work) => idempotency.once(info, params, () => settle(journal, work)),
  };
  logger.debug({ account: account.id }, 'emulator: account is ready');
  return {
    account,
    served,
    state: stateOf(account, requests),
    start: (at) => {
      url = at;
      pulse?.start();
    },
    stop: async () => {
      pulse?.stop();
      events.stop();
      await deliveries.stop();
      journal.close();
    },
    advance,
    setFaults,
  };
}

/** One transaction per request. A decline has its effects; what is refused has none. */
function settle(journal: Journal, work: () => Answer): Answer {
  const result = journal.transaction((): Answer | Failure => {
    try {
      return work();
    } catch (error) {
      if (error instanceof Failure && error.status === 402) return error;
      throw error;
    }
  });
  if (result instanceof Failure) throw result;
  return result;
}

function newestEvents(store: Store): Status['events'] {
  const found: { id: string; type: string; created: string }[] = [];
  for (const row of store.walk({ object: 'event', direction: 'older' })) {
    const event = row.object() as StripeEvent;
    found.push({ id: event.id, type: event.type, created: new Date(event.created * 1000).toISOString() });
    if (found.length === 15) break;
  }
  return found;
}

function stateOf(account: Account, requests: ReadonlyMap<string, number>): EmulatorState {
  const { store } = account;
  const put: EmulatorState['put'] = (object) =>
    store.put(object, createdOf(object, Math.floor(account.now() / 1000)));
  return {
    get: (object, id) => store.get(object, id),
    all: (object) => [...store.walk({ object, direction: 'older' })].map((row) => row.object()),
    count: (object) => store.count(object),
    events: () =>
      [...store.walk({ object: 'event', direction: 'newer' })].map((row) => row.object() as StripeEvent),
    put,
    remove: (object, id) => store.remove(object, id),
    emit: (type, object, previous) => {
      const gone =
        type.endsWith('.deleted') && !/^customer\.(subscription|source|discount)\.deleted$/.test(type);
      if (!gone) put(object);
      else if (store.find(object.object, object.id)) store.remove(object.object, object.id);
      else store.put(object, createdOf(object, Math.floor(account.now() / 1000)), flagDeleted | flagHidden);
      return account.emit(type, object, previous);
    },
    requests: () => requests,
  };
}
