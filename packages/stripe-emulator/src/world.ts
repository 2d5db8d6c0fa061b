import type { Logger } from 'pino';
import { ownAccount } from './api/account.ts';
import { balanceObject, balances } from './api/balance.ts';
import type { Account, RequestFacts } from './api/context.ts';
import { readRoutes } from './api/routes.ts';
import { EmulatorError } from './errors.ts';
import type { FaultSettings } from './faults/settings.ts';
import { Router } from './http/router.ts';
import type { Answer, RequestInfo, Served } from './http/server.ts';
import { apiVersion, type ResolvedOptions, type SyntheticSource } from './options.ts';
import { Journal } from './store/journal.ts';
import { createdOf, Store } from './store/store.ts';
import { SyntheticBase } from './synthetic/base.ts';
import { Replayed } from './timeline/replayed.ts';
import { readTimeline } from './timeline/timeline.ts';
import type { EmulatorState, StripeEvent, StripeObject } from './types.ts';
import { Activity } from './live/activity.ts';
import { AutomaticPayouts } from './live/payouts.ts';
import { Pulse } from './live/pulse.ts';
import { randomId } from './write/ids.ts';
import { Schedule } from './write/schedule.ts';

/** The account, what serves it, and what moves it. */
export interface World {
  readonly account: Account;
  readonly served: Omit<Served, 'key'>;
  readonly state: EmulatorState;
  start(): void;
  stop(): Promise<void>;
  advance(step: number): void;
  setFaults(faults: FaultSettings): void;
}

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** The id of a synthetic account: it says that it is a demo, and follows from the seed. */
function demoAccount(seed: number): string {
  let id = 'acct_demo';
  let rest = seed * 2_654_435_761 + 97;
  for (let i = 0; i < 10; i++, rest = Math.floor(rest / 7) + i * 131) id += letters[rest % 62];
  return id;
}

/** Events that are kept at the most: a demo that runs for months must not fill the disk. */
const eventsKept = 200_000;

/** What a state file says about the account it is of. */
interface Kept {
  readonly accountId: string;
  readonly opened: number;
  readonly source: string;
}

function keptOf(journal: Journal, fresh: Kept): Kept {
  const text = journal.setting('account');
  if (text === undefined) {
    journal.set('account', JSON.stringify(fresh));
    return fresh;
  }
  const kept = JSON.parse(text) as Kept;
  if (kept.source !== fresh.source || kept.accountId !== fresh.accountId) {
    journal.close();
    throw new EmulatorError(
      'EMULATOR_STATE',
      `the state file belongs to another account: ${kept.accountId} (${kept.source}), not ${fresh.accountId} (${fresh.source})`,
    );
  }
  return kept;
}

/** Builds the account out of its source. */
export function createWorld(options: ResolvedOptions, logger: Logger): World {
  const { source } = options;
  const timeline = 'timeline' in source ? readTimeline(source.timeline) : undefined;
  const synthetic: SyntheticSource | undefined = 'synthetic' in source ? source : undefined;
  const seed = synthetic?.seed ?? 1;
  const journal = new Journal(timeline === undefined ? (options.stateFile ?? ':memory:') : ':memory:');
  const seconds = (): number => Math.floor(options.now() / 1000);
  const kept = keptOf(journal, {
    accountId:
      options.accountId ?? timeline?.accountId ?? (synthetic ? demoAccount(seed) : 'acct_1Emulator00000000'),
    opened: seconds(),
    source: synthetic
      ? `synthetic ${synthetic.synthetic}, seed ${seed}`
      : 'timeline' in source
        ? source.timeline
        : 'empty',
  });
  const live = (synthetic?.liveEventsPerSecond ?? 0) > 0;
  const base =
    synthetic &&
    new SyntheticBase({
      customers: synthetic.synthetic,
      seed,
      accountId: kept.accountId,
      end: kept.opened,
      apiVersion: options.apiVersion,
      now: live ? seconds : () => kept.opened,
    });
  const store = new Store(journal, base);
  const account: Account = {
    id: kept.accountId,
    store,
    recorded: timeline !== undefined,
    apiVersion: timeline?.apiVersion ?? options.apiVersion ?? apiVersion,
    now: options.now,
    random: options.random,
    own: () =>
      ownAccount({
        id: kept.accountId,
        created: timeline?.accountCreated ?? base?.opened ?? kept.opened - 3600,
        name: base?.company.name ?? 'Emulated account',
        email: 'owner@fernbrook.example',
        country: 'GB',
        currency: 'gbp',
        url: 'https://fernbrook.example',
      }),
    balance: () => balanceObject(balances(store, base, live || !base ? seconds() : kept.opened)),
    nextInvoiceNumber: () => {
      if (base === undefined) return undefined;
      const n = Number(journal.setting('invoice number') ?? 0) + 1;
      journal.set('invoice number', String(n));
      return `FERN-9${String(n).padStart(7, '0')}`;
    },
    eventVisible: () => true,
    emit: (type, object, previous, request) => emit(type, object, previous, request),
  };
  let told = 0;
  const emit = (
    type: string,
    object: StripeObject,
    previous?: Record<string, unknown>,
    request?: RequestFacts,
  ): StripeEvent => {
    const created = seconds();
    const event: StripeEvent = {
      id: randomId(account, 'evt_'),
      object: 'event',
      api_version: account.apiVersion,
      created,
      data: { object, ...(previous === undefined ? {} : { previous_attributes: previous }) },
      livemode: false,
      pending_webhooks: 0,
      request: { id: request?.id ?? null, idempotency_key: request?.idempotencyKey ?? null },
      type,
    };
    store.put(event, created);
    told++;
    return event;
  };
  const schedule = new Schedule(account);
  const pulse = timeline === undefined ? createPulse() : undefined;
  const replayed = timeline === undefined ? undefined : new Replayed(timeline, store);
  replayed?.advance(
    ('timeline' in source ? source.untilStep : undefined) ?? timeline?.seen.length ?? 0,
    true,
  );
  const requests = new Map<string, number>();
  const served: Omit<Served, 'key'> = {
    account,
    router: new Router(readRoutes(account.recorded)),
    hooks: {
      before: () => undefined,
      send: (info: RequestInfo, answer: Answer) => {
        info.response.writeHead(answer.status, answer.headers);
        info.response.end(answer.body);
      },
      after: (info) => {
        const route = `${info.method} ${info.match?.route.path ?? info.path}`;
        requests.set(route, (requests.get(route) ?? 0) + 1);
      },
      admin: (request, response, path, body) => {
        if (request.method !== 'POST' || path !== '/_emulator/advance') return false;
        const step: unknown = (JSON.parse(body === '' ? '{}' : body) as { step?: unknown }).step;
        try {
          if (replayed === undefined || typeof step !== 'number') {
            throw new EmulatorError('EMULATOR_STEP', 'there is no such step');
          }
          replayed.advance(step);
          response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify({ step }));
        } catch (error) {
          response
            .writeHead(400, { 'Content-Type': 'application/json' })
            .end(JSON.stringify({ error: (error as Error).message }));
        }
        return true;
      },
    },
    once: (_info, _params, work) => work(),
  };
  /** Lets time pass: what is due happens, and, when the account is alive, more than that. */
  function createPulse(): Pulse {
    store.onPut((object) => schedule.note(object));
    for (const object of ['subscription', 'invoice', 'payout', 'balance_transaction']) {
      for (const row of journal.walk({ object, direction: 'older' })) schedule.note(row.object());
    }
    const actor = { account, request: undefined, at: seconds() };
    const alive = live && base !== undefined;
    if (alive) wake(base);
    const payouts = alive ? new AutomaticPayouts(actor, base) : undefined;
    const activity = alive ? new Activity(account, base) : undefined;
    return new Pulse(
      {
        due: (limit) => journal.transaction(() => schedule.run(limit)),
        act: activity && (() => journal.transaction(() => activity.act())),
        minute: () => {
          journal.prune('event', seconds() - 31 * 86_400, eventsKept);
          if (payouts) journal.transaction(() => payouts.run({ ...actor, at: seconds() }));
        },
        events: () => told,
        eventsPerSecond: synthetic?.liveEventsPerSecond ?? 0,
        now: options.now,
      },
      logger,
    );
  }

  /** What the history left unfinished goes on. */
  function wake(history: SyntheticBase): void {
    for (const { id, periodEnd } of history.running())
      schedule.push({ at: periodEnd, object: 'subscription', id });
    const recent = kept.opened - 45 * 86_400;
    for (const object of ['invoice', 'payout']) {
      for (const row of history.walk({ object, direction: 'older', from: recent }))
        schedule.note(row.object());
    }
  }
  logger.debug({ account: account.id }, 'emulator: account is ready');
  return {
    account,
    served,
    state: {
      get: (object, id) => store.get(object, id),
      all: (object) => [...store.walk({ object, direction: 'older' })].map((row) => row.object()),
      count: (object) => store.count(object),
      events: () =>
        [...store.walk({ object: 'event', direction: 'newer' })].map((row) => row.object() as StripeEvent),
      put: (object) => store.put(object, createdOf(object, seconds())),
      remove: (object, id) => store.remove(object, id),
      emit: (type, object, previous) => {
        if (type.endsWith('.deleted')) store.remove(object.object, object.id);
        else store.put(object, createdOf(object, seconds()));
        return emit(type, object, previous);
      },
      requests: () => requests,
    },
    start: () => pulse?.start(),
    stop: async () => {
      pulse?.stop();
      journal.close();
    },
    advance: (step) => {
      if (replayed === undefined) throw new EmulatorError('EMULATOR_STEP', 'there is no timeline to advance');
      replayed.advance(step);
    },
    setFaults: () => undefined,
  };
}
